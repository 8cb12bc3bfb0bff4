"""How many of agentchat's pages are made at once, and whose is next."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from agentchat.infra.request_limit import MAX_REQUESTS, PLACES, SHARE, RequestLimit


@pytest.fixture(autouse=True)
def peers_are_clients(settings):
    settings.AGENTCHAT = {**settings.AGENTCHAT, "TRUSTED_PROXIES": 0}


class Site:
    """An application whose pages take until `finish`; `at_work` are the addresses for which it makes one now."""

    def __init__(self):
        self.limit = RequestLimit()
        self.at_work = []
        self.changed = asyncio.Condition()

    async def _application(self, scope, receive, send):
        message = await receive()
        while message.get("more_body"):
            message = await receive()
        if message["type"] == "http.disconnect":
            return
        request = _Page(scope["client"][0])
        self.at_work.append(request)
        await self._tell()
        await request.finished.wait()
        self.at_work.remove(request)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await self._tell()
        await request.downloaded.wait()
        await send({"type": "http.response.body", "body": b""})

    def ask(self, address, *, path="/chat/", method="GET", body=({"type": "http.request"},)):
        """Begin a request. Return its client."""
        client = Client(body)
        scope = {"type": "http", "method": method, "path": path, "client": [address, 1], "headers": []}
        client.task = asyncio.create_task(self.limit.answer(self._application, scope, client.receive, client.send))
        return client

    async def until(self, holds):
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(holds)

    async def finish(self, page):
        page.downloaded.set()
        page.finished.set()
        await self.until(lambda: page not in self.at_work)

    async def finish_all(self, tasks):
        for _ in tasks:
            await self.until(lambda: self.at_work)
            await self.finish(self.at_work[0])
        await asyncio.gather(*tasks)

    async def _tell(self):
        async with self.changed:
            self.changed.notify_all()

    @property
    def addresses(self):
        return sorted(page.address for page in self.at_work)


class _Page:
    def __init__(self, address):
        self.address = address
        self.finished, self.downloaded = asyncio.Event(), asyncio.Event()


class Client:
    def __init__(self, body):
        self.sent = []
        self.messages = asyncio.Queue()
        for message in body:
            self.messages.put_nowait(message)

    async def receive(self):
        return await self.messages.get()

    async def send(self, message):
        self.sent.append(message)

    def leave(self):
        self.messages.put_nowait({"type": "http.disconnect"})


@asynccontextmanager
async def site():
    made = Site()
    yield made
    for page in list(made.at_work):
        page.downloaded.set()
        page.finished.set()


async def turns():
    """Let everything go on that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_one_address_has_no_more_than_its_share_and_another_needs_not_wait():
    async with site() as made:
        flood = [made.ask("10.0.0.1") for _ in range(20)]
        await made.until(lambda: len(made.at_work) == SHARE)
        other = made.ask("10.0.0.2")
        await made.until(lambda: len(made.at_work) == SHARE + 1)
        assert made.addresses == ["10.0.0.1"] * SHARE + ["10.0.0.2"]
        await made.finish_all([each.task for each in [*flood, other]])


async def test_the_place_that_is_given_back_is_for_the_address_with_the_least():
    async with site() as made:
        flood = [made.ask(f"10.0.0.{number % 2}") for number in range(40)]
        await made.until(lambda: len(made.at_work) == PLACES)
        late = made.ask("10.0.9.9")
        await turns()
        await made.finish(made.at_work[0])
        await made.until(lambda: "10.0.9.9" in made.addresses)
        await made.finish_all([each.task for each in flood])  # one of them is finished already
        await late.task


async def test_what_changes_something_waits_for_its_own_kind_only():
    async with site() as made:
        writers = [made.ask(f"10.0.0.{number}", method="POST") for number in range(10)]
        await made.until(lambda: len(made.at_work) == PLACES)
        reader = made.ask("10.0.1.0")
        await made.until(lambda: len(made.at_work) == PLACES + 1)
        assert "10.0.1.0" in made.addresses
        await made.finish_all([each.task for each in [*writers, reader]])


async def test_a_download_holds_no_place():
    async with site() as made:
        downloads = [made.ask(f"10.0.0.{number}") for number in range(3 * PLACES)]
        pages = []
        for _ in downloads:
            await made.until(lambda: made.at_work)
            pages.append(made.at_work[0])
            pages[-1].finished.set()
            await made.until(lambda: pages[-1] not in made.at_work)
        assert not any(each.task.done() for each in downloads)
        for page in pages:
            page.downloaded.set()
        await asyncio.gather(*(each.task for each in downloads))


async def test_a_slow_upload_holds_no_place():
    async with site() as made:
        uploads = [
            made.ask(f"10.0.0.{number}", method="POST", body=[{"type": "http.request", "more_body": True}])
            for number in range(3 * PLACES)
        ]
        await turns()
        other = made.ask("10.0.1.0", method="POST")
        await made.until(lambda: made.addresses == ["10.0.1.0"])
        for upload in uploads:
            upload.messages.put_nowait({"type": "http.request"})
        await made.finish_all([each.task for each in [*uploads, other]])


async def test_a_client_who_leaves_the_line_is_answered_no_more():
    async with site() as made:
        flood = [made.ask("10.0.0.1") for _ in range(10)]
        await made.until(lambda: len(made.at_work) == SHARE)
        for waiting in flood[SHARE:]:
            waiting.leave()
        await asyncio.gather(*(each.task for each in flood[SHARE:]))
        assert len(made.at_work) == SHARE
        await made.finish_all([each.task for each in flood[:SHARE]])


async def test_the_page_of_a_client_who_has_left_keeps_its_place_while_it_is_made():
    """Its thread goes on: otherwise a client who asks and leaves, again and again, would have any number of threads."""
    async with site() as made:
        flood = [made.ask("10.0.0.1") for _ in range(10)]
        await made.until(lambda: len(made.at_work) == SHARE)
        for each in flood[:SHARE]:
            each.leave()
        await turns()
        assert len(made.at_work) == SHARE
        await made.finish_all([each.task for each in flood])


async def test_a_request_that_is_cancelled_gives_its_place_back():
    async with site() as made:
        flood = [made.ask(f"10.0.0.{number}") for number in range(PLACES + 2)]
        await made.until(lambda: len(made.at_work) == PLACES)
        flood[-1].task.cancel()  # in the line
        flood[0].task.cancel()  # at work
        await asyncio.gather(flood[0].task, flood[-1].task, return_exceptions=True)
        made.at_work.pop(0)
        await made.until(lambda: len(made.at_work) == PLACES)
        await made.finish_all([each.task for each in flood[1:-1]])


async def test_an_address_with_too_many_requests_is_refused_and_may_come_back():
    async with site() as made:
        flood = [made.ask("10.0.0.1") for _ in range(MAX_REQUESTS)]
        await made.until(lambda: len(made.at_work) == SHARE)
        refused = made.ask("10.0.0.1")
        await refused.task
        assert [message.get("status") for message in refused.sent] == [429, None]
        assert dict(refused.sent[0]["headers"])[b"retry-after"] == b"5"
        await made.finish_all([each.task for each in flood])
        again = made.ask("10.0.0.1")
        await made.finish_all([again.task])
        assert again.sent[0]["status"] == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/accounts/login/", "/no-such-page"])
async def test_health_checks_and_pages_of_others_take_no_place(path):
    async with site() as made:
        flood = [made.ask(f"10.0.0.{number}") for number in range(PLACES + 2)]
        await made.until(lambda: len(made.at_work) == PLACES)
        others = [made.ask("10.0.0.1", path=path) for _ in range(3)]
        await made.until(lambda: len(made.at_work) == PLACES + 3)
        await made.finish_all([each.task for each in [*flood, *others]])


async def test_clients_whose_addresses_are_not_known_share_the_places_and_no_lane(settings):
    settings.AGENTCHAT = {**settings.AGENTCHAT, "TRUSTED_PROXIES": None}
    async with site() as made:
        behind_a_proxy = [made.ask("127.0.0.1") for _ in range(MAX_REQUESTS + 5)]
        await made.until(lambda: len(made.at_work) == PLACES)
        await made.finish_all([each.task for each in behind_a_proxy])
        assert all(each.sent[0]["status"] == 200 for each in behind_a_proxy)
