"""A socket whose client is a page: each event comes with the HTML that it changes, rendered once for all."""

import json
import threading
import uuid

import pytest
from asgiref.sync import sync_to_async
from pydantic import BaseModel

from agentchat import server
from agentchat.core import registry
from agentchat.models import ChatSession
from agentchat.presentation import live, transcript
from agentchat.realtime.frames import PAGE, frames_after
from agentchat.runs.branching.tree import events_of
from tests import factories
from tests.factories import HOST
from tests.presentation.live_page import ShownPage, outline

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]

VIEWER = live.Viewer(language="en", is_open=True, shows_usage=True, shows_details=True)


@pytest.fixture(autouse=True)
def hosts(settings):
    settings.ALLOWED_HOSTS = [HOST]
    settings.AGENTCHAT = {"SHOW_USAGE": "all"}


@pytest.fixture(autouse=True)
async def server_loop():
    server.start()
    yield
    await server.stop()


class Order(BaseModel):
    order_id: str


@pytest.fixture
def curious():
    """An agent that asks, prints, and shows a form."""

    @registry.on_connect("curious")
    def curious(iostream):
        name = iostream.input()
        iostream.print(f"Hello {name},")
        iostream.print("and welcome.")
        iostream.input("How are you?")
        iostream.ask("Your order", Order)
        iostream.print("Thanks.")

    yield "curious"
    registry.unregister("curious")


@pytest.fixture
async def chat(curious):
    user = await sync_to_async(factories.account)("ada")
    return await ChatSession.objects.acreate(owner=user, agent=curious)


@pytest.fixture
async def make_page(chat):
    pages = []

    async def make(*, language="en", **hello):
        client = await sync_to_async(factories.signed_in)(chat.owner)
        client.cookies["django_language"] = language
        page = factories.Tab(client, f"/ws/chat/{chat.pk}/")
        pages.append(page)
        assert await page.open()
        await page.send(type="hello", **{"after": 0, "html": True, **hello})
        return page

    yield make
    for page in pages:
        await page.close()


async def say(page, text):
    await page.send(type="send", id=str(uuid.uuid4()), text=text)


def applied(frames, elements=()):
    shown = ShownPage(elements)
    for frame in frames:
        for fragment in frame.get("show", []):
            shown.apply(fragment)
    return shown.elements


@sync_to_async
def stored(chat, before=None):
    """What a page shows that is loaded now, or was before an event."""
    events = events_of(chat)
    items = transcript.of_events(events if before is None else events.filter(seq__lt=before)).items
    return outline(items, VIEWER)


@pytest.fixture
def renderings(monkeypatch):
    """The thread of each rendering."""
    threads = []

    def counted(changes, viewer, render=live.fragments_of):
        threads.append(threading.current_thread())
        return render(changes, viewer)

    monkeypatch.setattr(live, "fragments_of", counted)
    return threads


async def test_what_is_sent_to_a_page_makes_the_page_that_a_reload_shows(chat, make_page):
    page = await make_page()
    await say(page, "Ada")
    frames = await page.until("INPUT_REQUESTED")
    assert applied(frames) == await stored(chat)
    middle, elements = frames[-1]["seq"], applied(frames)

    # Another page is loaded in the middle, and both go on.
    other = await make_page(after=middle)
    await say(page, "Fine")
    asked = await page.until("INPUT_REQUESTED")
    assert applied(asked, elements) == await stored(chat)
    assert applied(await other.until("INPUT_REQUESTED"), elements) == await stored(chat)
    answer = {"id": str(uuid.uuid4()), "request": asked[-1]["request"], "value": {"order_id": "<A7>"}}
    await page.send(type="answer", **answer)
    frames = await page.until("RUN_FINISHED")
    assert applied([*asked, *frames], elements) == await stored(chat)
    assert "&lt;A7&gt;" in str(frames)


async def test_other_clients_get_no_html_but_that_of_messages(chat, make_page):
    page, client = await make_page(), await make_page(html=False)
    await say(page, "Ada")
    shown, plain = await page.until("INPUT_REQUESTED"), await client.until("INPUT_REQUESTED")
    assert any("show" in frame for frame in shown)
    assert {name for frame in plain for name in frame} <= {
        *("type", "seq", "at", "run", "messageId", "role", "name", "content", "html", "text"),
        *("request", "kind", "prompt"),
    }
    without = [{key: value for key, value in frame.items() if key not in ("show", "html")} for frame in plain]
    assert [{key: value for key, value in frame.items() if key != "show"} for frame in shown] == without
    assert not any("html" in frame for frame in plain)  # the user's words are shown as they are


async def test_an_event_is_rendered_once_for_each_language_and_never_on_the_loop(chat, make_page, renderings):
    pages = [await make_page() for _ in range(5)] + [await make_page(language="de")]
    await say(pages[0], "Ada")
    frames = [await page.until("INPUT_REQUESTED") for page in pages]
    changed = sum(any("html" in each for each in frame.get("show", [])) for frame in frames[0])
    added = sum(any("text" in each for each in frame.get("show", [])) for frame in frames[0])
    assert (changed, added) == (3, 1)
    assert len(renderings) == 2 * (changed + added)
    assert threading.current_thread() not in renderings
    assert frames[1] == frames[0]
    assert ">Kopieren<" in str(frames[5])
    assert ">Kopieren<" not in str(frames[0])


async def test_the_transcript_is_read_once_for_all_pages_and_not_before_something_happens(chat, make_page, monkeypatch):
    reads = []
    monkeypatch.setattr(
        live, "_reader_before", lambda id, seq, read=live._reader_before: reads.append(seq) or read(id, seq)
    )
    first = await make_page()
    await say(first, "Ada")
    await first.until("INPUT_REQUESTED")
    assert reads == [1]
    second, third = await make_page(after=6), await make_page(after=6)
    await say(second, "Fine")
    for page in (first, second, third):
        await page.until("INPUT_REQUESTED")
    assert reads == [1]


async def test_a_page_that_comes_back_gets_what_it_has_missed(chat, make_page):
    page = await make_page()
    await say(page, "Ada")
    frames = await page.until("INPUT_REQUESTED")
    await page.close()
    again = await make_page(after=3)
    missed = await again.until("INPUT_REQUESTED")
    assert missed == frames[3:]
    assert applied(missed, await stored(chat, before=4)) == await stored(chat)


async def test_a_page_that_has_missed_much_is_told_to_load_again(chat, make_page):
    printed = [("PRINTED", {"text": f"{number}\n"}) for number in range(PAGE + 50)]
    await sync_to_async(factories.tell)(chat, *printed)
    await ChatSession.objects.filter(pk=chat.pk).aupdate(next_seq=len(printed) + 1)
    near = await make_page(after=51)
    assert (await near.next())["show"] == [{"key": "printed-1", "text": "51\n"}]
    far = await make_page(after=1)
    assert await far.next() == {"type": "BEHIND"}
    missed = [await far.next() for _ in printed[1:]]
    assert [frame["seq"] for frame in missed] == list(range(2, len(printed) + 1))
    assert not any("show" in frame for frame in missed)
    await say(far, "Ada")
    assert any("show" in frame for frame in await far.until("INPUT_REQUESTED"))


async def test_after_a_switch_to_another_branch_its_own_items_change(chat, make_page):
    page = await make_page()
    message = str(uuid.uuid4())
    await page.send(type="send", id=message, text="Ada")
    await page.until("INPUT_REQUESTED")
    await page.send(type="edit", id=str(uuid.uuid4()), message=message, text="Bob")
    frames = await page.until("RUN_STARTED")
    loaded = frames[-1]["seq"] + 1
    elements = await stored(await ChatSession.objects.aget(pk=chat.pk), before=loaded)
    frames = await page.until("INPUT_REQUESTED")
    assert "Hello Bob," in str(frames)
    assert applied(frames, elements) == await stored(await ChatSession.objects.aget(pk=chat.pk))


async def test_users_who_may_not_see_usage_get_no_line_of_it(chat, make_page, settings):
    used = {"model": "m", "promptTokens": 1200, "completionTokens": 34, "cost": 0.0021}
    asked = {"request": "r1", "kind": "text", "prompt": "And?"}
    facts = ("RUN_STARTED", {}), ("USAGE", used), ("INPUT_REQUESTED", asked)
    await sync_to_async(factories.tell)(chat, *facts)
    page = await make_page()
    assert "1,234" in str((await page.until("INPUT_REQUESTED"))[-1]["show"])
    settings.AGENTCHAT = {"SHOW_USAGE": "none"}
    page = await make_page()
    frames = await page.until("INPUT_REQUESTED")
    assert [fragment["key"] for fragment in frames[-1]["show"]] == ["unread", "request-3"][-1:]
    assert "1,234" not in str(frames)


async def test_a_page_that_goes_leaves_the_rendering_to_the_others(chat, make_page):
    pages = [await make_page() for _ in range(3)]
    await say(pages[0], "Ada")
    await pages[0].close()
    for page in pages[1:]:
        assert applied(await page.until("INPUT_REQUESTED")) == await stored(chat)


async def test_pages_far_apart_do_not_share(chat, make_page):
    """Each goes on from its own place."""
    printed = [("PRINTED", {"text": f"{number}\n"}) for number in range(100)]
    await sync_to_async(factories.tell)(chat, *printed)
    frames = await sync_to_async(frames_after)(chat.pk, 0)
    first, second = live.LivePage(chat.pk), live.LivePage(chat.pk)

    async def added(page, frame):
        [fragment] = json.loads(await page.text(frame, VIEWER))["show"]
        return fragment.get("text")

    assert await added(second, frames[90]) == "90\n"
    assert [await added(first, frame) for frame in frames[:95]] == [None, *(frame["text"] for frame in frames[1:95])]
    assert await added(second, frames[91]) == "91\n"


async def test_a_rendering_that_has_failed_is_made_again(chat, monkeypatch):
    failures = [OSError("the template cannot be read now")]

    def failing(changes, viewer, render=live.fragments_of):
        if failures:
            raise failures.pop()
        return render(changes, viewer)

    monkeypatch.setattr(live, "fragments_of", failing)
    transcript_of_chat = live.LiveTranscript(chat.pk, 1)
    frame = {"type": "PRINTED", "seq": 1, "at": "2026-11-30T12:00:00.000+00:00", "run": 1, "text": "Hello"}
    with pytest.raises(OSError, match="cannot be read now"):
        await transcript_of_chat.text(frame, VIEWER)
    assert "Hello" in json.loads(await transcript_of_chat.text(frame, VIEWER))["show"][0]["html"]
