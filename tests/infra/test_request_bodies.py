"""A bound on the body of a request, under servers that hand it on as it arrives."""

import pytest

from agentchat.infra.request_bodies import answer_in_bounds

LIMIT = 1000


@pytest.fixture(autouse=True)
def limit(settings):
    settings.AGENTCHAT = {"MAX_BODY_BYTES": LIMIT}


async def ask(chunks, *, headers=(), application=None):
    """Return the status, and the bytes that the application has read."""
    sent, read, left = [], [], list(chunks)

    async def receive():
        body = left.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    async def send(message):
        sent.append(message)

    async def read_all(scope, receive, send):
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            read.append(len(message["body"]))
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})

    await answer_in_bounds(application or read_all, {"type": "http", "headers": headers}, receive, send)
    return sent[0]["status"], sum(read), len(left)


async def test_a_body_that_says_it_is_too_large_is_refused_before_any_of_it_is_read():
    headers = [(b"Content-Length", b"%d" % (LIMIT + 1))]
    assert await ask([b"x"] * 2000, headers=headers) == (413, 0, 2000)


async def test_a_body_without_a_length_is_cut_off_where_it_gets_too_large():
    assert await ask([b"x" * 100] * 1000) == (413, LIMIT, 989)


async def test_a_body_of_the_largest_size_is_read():
    assert await ask([b"x" * LIMIT], headers=[(b"content-length", b"%d" % LIMIT)]) == (200, LIMIT, 0)
    assert await ask([b"x" * LIMIT]) == (200, LIMIT, 0)
    assert await ask([b""]) == (200, 0, 0)


async def test_a_length_that_is_none_does_not_matter_and_of_several_the_largest_counts():
    assert (await ask([b"x"], headers=[(b"content-length", b"many")]))[0] == 200
    several = [(b"content-length", b"1"), (b"content-length", b"1001")]
    assert (await ask([b"x"], headers=several))[0] == 413


async def test_an_answer_that_has_begun_is_not_followed_by_another():
    statuses = []

    async def answers_first(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await receive())["type"] == "http.request":
            statuses.append("read")

    assert (await ask([b"x" * 600] * 9, application=answers_first))[0] == 200
    assert statuses == ["read"]


async def test_without_a_limit_everything_is_handed_on(settings):
    settings.AGENTCHAT = {"MAX_BODY_BYTES": None}
    assert await ask([b"x" * LIMIT] * 5, headers=[(b"content-length", b"5000")]) == (200, 5 * LIMIT, 0)
