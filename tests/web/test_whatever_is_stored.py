"""Whatever is in the database: pages, parts of them, shares, exports, embedded pages and admin answer, and say so."""

import json
import random
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.utils import timezone

from agentchat.models import ChatSession, Event, Feedback, InboxItem, Run, Share, Step
from agentchat.presentation.live import changes_of, fragments_of
from agentchat.presentation.reader import TranscriptReader
from agentchat.realtime.frames import frame_of, with_html
from agentchat.realtime.frames import text_of as text_of_frame
from tests.factories import add, said, signed_in
from tests.presentation import events as made
from tests.presentation.live_page import VIEWER
from tests.web.views.pages import body, text_of

SCHEMA = {"type": "object", "properties": {"x": {"type": "string"}}}
FACTS = [
    made.STARTED,
    *said("u1", "Will it rain?", "user", "ada"),
    made.nested(),
    *said("a1", "It **will**."),
    made.printed("one line\n"),
    made.nested_end(),
    *made.ASKED_ABOUT,
    made.call_complete(),
    made.approval(initial={"order_id": "A7"}, expiresAt="2026-01-01T00:00:00+00:00"),
    made.answered(value={"decision": "approve", "arguments": {"order_id": "A8"}}),
    made.result("found"),
    made.asked("r2", "Fill in", kind="form", schema=SCHEMA, initial={"x": "y"}),
    made.answered("r2", {"x": "z"}),
    ("USAGE", {"model": "m", "promptTokens": 3, "completionTokens": 4, "cost": 0.1}),
    made.asked("r3", "Cost", kind="approval", code="limit_cost", params={"used": 0.5}),
    made.FAILED,
    ("RUN_FINISHED", {"outcome": {"type": "cancelled"}}),
    ("FROM_A_LATER_VERSION", {"messageId": "x"}),
]


def deep(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


ODD = [
    *(None, True, False, 0, -1, 2**60, 1.5, 1e300, "", " ", "\u202e", "x" * 3_000, "2026-13-45T99:00:00Z", "%(used)d"),
    *([], {}, [[]], [None], {"": None}, {"type": 5}, {"decision": 5}, {"decision": "approve", "arguments": [1]}),
    *({"properties": 5}, {"properties": {"x": 5}}, {"$ref": 5}, {"$defs": 5, "properties": {"x": {"$ref": "#/x"}}}),
    *({"anyOf": 5}, {"title": 5}, deep(240), deep(700), '{"a":' + "[" * 960 + "]" * 960 + "}", '{"a": NaN}', "NaN"),
]


def damaged(payload, chance):
    """The payload with something missing, wrong, or too much."""
    match chance.randrange(4):
        case 0:
            return chance.choice(ODD[1:])
        case 1:
            return {
                **payload,
                chance.choice(["type", "seq", "at", "run", "html", "role", "params"]): chance.choice(ODD),
            }
        case 2 if payload:
            return {name: value for name, value in payload.items() if name != chance.choice(list(payload))}
    return {name: chance.choice(ODD) if chance.random() < 0.4 else value for name, value in payload.items()}


def facts(chance):
    """A conversation whose events are damaged, repeated, left out and in another order, here and there."""
    chosen = [fact for fact in FACTS for _ in range(chance.choice([0, 1, 1, 1, 2]))]
    for _ in range(chance.randrange(4)):
        chosen.insert(chance.randrange(len(chosen)), chosen.pop(chance.randrange(len(chosen))))
    return [(type_, damaged(payload, chance) if chance.random() < 0.5 else payload) for type_, payload in chosen]


@pytest.fixture
def staff(db):
    return signed_in(get_user_model().objects.create_superuser("root\u202e"))


def stored(owner, chance):
    """A chat of damaged events, steps and runs."""
    chat = ChatSession.objects.create(
        owner=owner,
        agent=chance.choice(["oracle", "a/b", "..", "gone", "\u202e"]),
        title=chance.choice(["", "\u202ex", " "]),
    )
    status = chance.choice(["waiting", "failed", "unknown", "finished"])
    run = Run.objects.create(
        session=chat, number=chance.choice([1, 7]), agent="a/b", status=status, error_code="?", state=chance.choice(ODD)
    )
    run.parent = chance.choice([None, run])
    run.save()
    chat.head = chance.choice([None, run])
    add(chat, run, *facts(chance))
    now = timezone.now()
    Step.objects.create(run=run, number=1, kind="?", name="", status="?", started_at=now, result=deep(900), usage=[])
    Step.objects.create(run=run, number=2, kind="llm", status="done", started_at=now, done_at=now - timedelta(days=1))
    InboxItem.objects.create(session=chat, client_id=chat.pk, value=chance.choice(ODD))
    Feedback.objects.create(session=chat, message_id="a1", value="?", comment="\u202e")
    Share.objects.create(session=chat, token=f"t{chat.pk}", head_id=run.pk, last_seq=chat.next_seq)
    return chat


def addresses(chat):
    end, run = chat.next_seq, chat.runs.get()
    parts = ["", f"?before={end}", f"earlier?before={end}", "events", "export.md", "export.json", "options/", "share/"]
    yield from (f"/chat/{chat.pk}/{part}" for part in parts)
    yield from (f"/embed/chat/{chat.pk}/", f"/share/t{chat.pk}/")
    yield from (f"/admin/agentchat/chatsession/{chat.pk}/change/", f"/admin/agentchat/run/{run.pk}/change/")


@pytest.mark.parametrize("seed", range(4))
def test_every_page_of_a_damaged_chat_is_shown(staff, agents, seed):
    chance = random.Random(seed)
    owner = get_user_model().objects.get()
    for _ in range(2):
        chat = stored(owner, chance)
        for address in addresses(chat):
            response = staff.get(address)
            assert response.status_code == 200, address
            if address.endswith((".json", "events")):
                json.loads(body(response), parse_constant=pytest.fail)
    for address in (
        "/chat/",
        "/chat/?q=rain",
        "/chat/my-data/download",
        "/admin/agentchat/chatsession/",
        "/admin/agentchat/run/",
    ):
        response = staff.get(address)
        assert response.status_code == 200, address
        assert body(response)


def test_an_event_that_cannot_be_read_has_a_note_in_its_place_and_a_line_in_the_log(staff, agents, caplog):
    chat = ChatSession.objects.create(owner=get_user_model().objects.get(), agent="oracle", title="x")
    run = Run.objects.create(session=chat, number=1, agent="oracle", status="finished")
    add(
        chat,
        run,
        *said("a1", "Before."),
        ("TEXT_MESSAGE_END", {"messageId": "a2", "content": 5}),
        *said("a3", "After."),
    )
    for _ in range(2):
        text = text_of(staff.get(f"/chat/{chat.pk}/"))
        assert text.index("Before.") < text.index("This part of the chat can't be shown. #3") < text.index("After.")
    key = Event.objects.get(seq=3).pk
    assert [record.message for record in caplog.records if f"event {key} " in record.message][1:] == []
    assert f"event {key} ('TEXT_MESSAGE_END') cannot be shown: missing, or of another type: content" in caplog.text


@pytest.mark.parametrize(
    "json_text", ['{"x": 1e999}', '{"x": ' + "[" * 990 + "]" * 990 + "}", '{"x": ' + "1" * 5_000 + "}"]
)
def test_json_that_python_cannot_read_is_no_reason_to_show_nothing(staff, agents, json_text):
    if connection.vendor != "sqlite" and "[" in json_text:
        pytest.skip("the database refuses it itself")
    chat = ChatSession.objects.create(owner=get_user_model().objects.get(), agent="oracle", title="x")
    run = Run.objects.create(session=chat, number=1, agent="oracle", status="waiting")
    add(chat, run, *said("a1", "Before."), made.asked(), *said("a3", "After."))
    Share.objects.create(session=chat, token=f"t{chat.pk}", head_id=run.pk, last_seq=chat.next_seq)
    Step.objects.create(run=run, number=1, kind="llm", status="done", started_at=timezone.now(), result=1)
    with connection.cursor() as cursor:
        try:
            cursor.execute("UPDATE agentchat_event SET payload = %s WHERE seq = 3", [json_text])
            cursor.execute("UPDATE agentchat_step SET result = %s", [json_text])
        except Exception:
            pytest.skip("this SQLite refuses it itself")
    for address in [*addresses(chat), "/chat/", "/chat/?q=after"]:
        response = staff.get(address)
        assert response.status_code == 200, address
        if address.endswith((".json", "events")):
            json.loads(body(response), parse_constant=pytest.fail)
    assert "After." in text_of(staff.get(f"/chat/{chat.pk}/"))


@pytest.mark.parametrize("seed", range(5))
def test_what_a_live_page_is_sent_of_damaged_events_is_json(seed):
    reader = TranscriptReader()
    for seq, (type_, payload) in enumerate(facts(random.Random(seed)), 1):
        frame = frame_of(Event(seq=seq, type=type_, payload=payload, created_at=timezone.now()), 1)
        assert frame["seq"] == seq
        fragments = fragments_of(changes_of(reader, frame), VIEWER)
        json.loads(text_of_frame({**with_html(frame), "show": fragments}), parse_constant=pytest.fail)
