"""Long chats in parts: put together, they are the whole."""

import random

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.template.loader import render_to_string
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agentchat.models import ChatSession, Event, Run
from agentchat.presentation import pagination, transcript
from agentchat.presentation.items import Message, NestedChats, ToolCall
from agentchat.presentation.pagination import page_of
from agentchat.presentation.reader_state import PageBoundary, ReaderState
from agentchat.presentation.requests import InputRequest
from agentchat.runs.branching.tree import events_of

pytestmark = pytest.mark.django_db

STARTED = "RUN_STARTED", {}
FINISHED = "RUN_FINISHED", {"outcome": {"type": "success"}}
CANCELLED = "RUN_FINISHED", {"outcome": {"type": "cancelled"}}


def start(id, role="assistant"):
    return "TEXT_MESSAGE_START", {"messageId": id, "role": role, "name": "chatbot"}


def end(id, content=None):
    return "TEXT_MESSAGE_END", {"messageId": id, "content": f"This is {id}." if content is None else content}


def message(id, role="assistant", content=None):
    return [start(id, role), end(id, content)]


def called(id):
    return "TOOL_CALL_START", {"toolCallId": id, "toolCallName": "forecast", "name": "chatbot"}


def result(id):
    return "TOOL_CALL_RESULT", {"toolCallId": id, "messageId": "t", "content": "sunny", "ok": True, "durationMs": 5}


def asked(id, **more):
    return "INPUT_REQUESTED", {"request": id, "kind": "text", "prompt": "And then?", **more}


def answered(id):
    return "INPUT_ANSWERED", {"request": id, "value": "go on", "by": "ada"}


def nested(step):
    return "STEP_STARTED", {"stepName": step, "name": "writer"}


def nested_end(step):
    return "STEP_FINISHED", {"stepName": step, "name": "writer"}


def printed(text):
    return "PRINTED", {"text": text}


def chat_of(facts, *, agent="oracle"):
    """A chat session with these facts; each RUN_STARTED begins a run."""
    chat = ChatSession.objects.create(agent=agent, owner=get_user_model().objects.get_or_create(username="ada")[0])
    run, rows, now = None, [], timezone.now()
    for seq, (type_, payload) in enumerate(facts, 1):
        if type_ == "RUN_STARTED":
            number = run.number + 1 if run else 1
            run = Run.objects.create(session=chat, number=number, parent=run, agent=agent, status=Run.Status.FINISHED)
        rows.append(Event(session=chat, seq=seq, run=run, type=type_, payload=payload, created_at=now))
    Event.objects.bulk_create(rows)
    chat.next_seq, chat.head = len(rows) + 1, run
    chat.save()
    return chat


def parts_of(chat):
    """All parts, the oldest first."""
    found = [page_of(events_of(chat), chat.next_seq)]
    while found[0].earlier is not None:
        found.insert(0, page_of(events_of(chat), chat.next_seq, before=found[0].earlier))
    return found


def looks(items):
    """What a page shows of the items."""
    context = {"items": items, "shows_usage": True}
    return render_to_string("agentchat/transcript.html", context).replace(" open", "")


def put_together(read):
    """The items of all parts. A frame of nested chats that is shown again is the one before, going on."""
    items = []
    for part in read:
        _add_to(items, part.transcript.items)
    return items


def _add_to(items, more):
    if items and more and isinstance(items[-1], NestedChats) and isinstance(more[0], NestedChats):
        last, first = items[-1], more[0]
        if (last.step, last.seq) == (first.step, first.seq):
            last.finished = first.finished
            _add_to(last.items, first.items)
            more = more[1:]
    items += more


# --- any chat -------------------------------------------------------------------------------------------------------


class Teller:
    """Tells what may happen in a chat, at random."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.number = 0

    def id(self):
        self.number += 1
        return f"id{self.number}"

    def chat(self, runs):
        for _ in range(runs - 1):
            yield from self.run(self.random.choice([FINISHED, FINISHED, CANCELLED]))
        yield from self.run(self.random.choice([FINISHED, CANCELLED, None]))

    def run(self, last):
        yield STARTED
        yield from message(self.id(), "user")
        for _ in range(self.random.randrange(6)):
            yield from self.something(depth=0)
        if last == CANCELLED and self.random.random() < 0.5:
            yield called(self.id())  # cut
        if last is None:
            unfinished = [called(self.id())], [asked(self.id())], [start(self.id())], [nested("n"), *message(self.id())]
            yield from self.random.choice(unfinished)
            yield from message(self.id(), "user")
        else:
            yield last

    def something(self, depth):
        id = self.id()
        if self.random.random() < 0.3:
            yield "USAGE", {"model": "m", "promptTokens": 10, "completionTokens": len(id), "cost": 0.25}
        match self.random.randrange(8 if depth < 2 else 6):
            case 0 | 1:
                yield from message(id, content=self.random.choice([None, "", "TERMINATE"]))
            case 2:
                calls = [self.id() for _ in range(self.random.randrange(1, 4))]
                yield from map(called, calls)
                yield from map(result, calls)
            case 3:
                yield from map(printed, "abc")
            case 4:
                yield from [asked(id), *message(self.id(), "user"), answered(id)]
            case 5:
                yield from [start(id), *message(self.id(), "user"), end(id)]  # said meanwhile
            case _:
                yield nested(f"step {id}")
                for _ in range(self.random.randrange(4)):
                    yield from self.something(depth + 1)
                yield nested_end(f"step {id}")


@pytest.mark.parametrize("seed", range(25))
def test_all_pages_together_are_the_chat(seed, monkeypatch):
    monkeypatch.setattr(pagination, "WEIGHT", 4)
    monkeypatch.setattr(pagination, "MIN_WEIGHT", 2)
    monkeypatch.setattr(pagination, "SIZES", (10, 40, 160))
    chat = chat_of([*Teller(seed).chat(runs=12)])
    whole, read = transcript.of_events(events_of(chat).order_by("seq")), parts_of(chat)
    assert len(read) > 3
    assert looks(put_together(read)) == looks(whole.items)
    last = read[-1].transcript
    assert (last.state, last.last_seq, last.turn_usage) == (whole.state, whole.last_seq, whole.turn_usage)
    assert [request.id for request in last.open_requests] == [request.id for request in whole.open_requests]


@pytest.mark.parametrize("seed", range(10))
def test_a_chat_read_incrementally_has_the_same_items(seed):
    chat = chat_of([*Teller(seed).chat(runs=6)])
    rows = list(events_of(chat).order_by("seq"))
    assert looks([*transcript.items_of(rows)]) == looks(transcript.of_events(rows).items)


@pytest.mark.parametrize("before", [1, 2, 3, 5, 8, 9, 400])
def test_a_page_before_any_number_shows_items_in_their_final_state(before):
    facts = [STARTED, called("c1"), called("c2"), result("c1"), result("c2"), *message("m1"), asked("r"), FINISHED]
    chat = chat_of(facts)
    whole = {item.seq: item for item in transcript.of_events(events_of(chat).order_by("seq")).items}
    part = page_of(events_of(chat), chat.next_seq, before=before).transcript
    assert looks(part.items) == looks([item for seq, item in whole.items() if seq < before])


# --- where they begin -----------------------------------------------------------------------------------------------


def test_a_short_chat_is_one_page():
    chat = chat_of([STARTED, *message("m1"), FINISHED])
    part = page_of(events_of(chat), chat.next_seq)
    assert (len(part.transcript.items), part.earlier) == (1, None)
    assert page_of(Event.objects.none(), 1).transcript.items == []


def test_a_long_chat_begins_with_its_last_messages():
    chat = chat_of([STARTED, *(fact for number in range(500) for fact in message(f"m{number}")), FINISHED])
    read = parts_of(chat)
    assert [len(part.transcript.items) for part in read] == [20, *[60] * 8]
    assert [item.id for part in read for item in part.transcript.items] == [f"m{number}" for number in range(500)]
    assert read[-1].transcript.items[0].seq == read[-1].earlier


def test_events_of_other_branches_leave_no_gap_between_pages():
    hidden = [fact for number in range(6_000) for fact in message(f"h{number}")]
    first, last = (
        [fact for number in range(*some) for fact in message(f"m{number}")] for some in ((0, 100), (100, 110))
    )
    chat = chat_of([STARTED, *first, FINISHED, STARTED, *hidden, FINISHED, STARTED, *last, FINISHED])
    shown = events_of(chat).exclude(run__number=2)
    found, before = [], None
    while True:
        part = page_of(shown, chat.next_seq, before=before)
        found[:0] = [item.id for item in part.transcript.items]
        before = part.earlier
        if before is None:
            break
    assert found == [f"m{number}" for number in range(110)]


def test_long_messages_weigh_more():
    chat = chat_of([STARTED, *(fact for number in range(100) for fact in message(f"m{number}", content="x" * 18_000))])
    assert len(page_of(events_of(chat), chat.next_seq).transcript.items) == 6


def test_a_page_starts_within_nested_chats_only_if_they_are_very_long(monkeypatch):
    inner = [fact for number in range(100) for fact in message(f"n{number}")]
    before = [fact for number in range(100) for fact in message(f"m{number}")]
    chat = chat_of([STARTED, *before, nested("n"), *inner, nested_end("n"), *message("last"), FINISHED])
    items = page_of(events_of(chat), chat.next_seq).transcript.items
    assert [type(item) for item in items[-2:]] == [NestedChats, Message]
    assert len(items[-2].items) == 100
    monkeypatch.setattr(pagination, "SIZES", (50,))
    *_, torn, last = (part.transcript.items for part in parts_of(chat))
    assert [item.id for item in last] == ["last"]
    assert [type(item) for item in torn] == [NestedChats]  # its frame once more, with what was said last
    assert 10 < len(torn[0].items) < 50
    assert looks(put_together(parts_of(chat))) == looks(transcript.of_events(events_of(chat).order_by("seq")).items)


def test_an_open_question_is_on_the_last_page_whatever_follows_it():
    facts = [fact for number in range(250) for fact in message(f"m{number}")]
    since = [fact for number in range(400) for fact in message(f"u{number}", "user")]
    call = called("c1"), ("TOOL_CALL_ARGS", {"toolCallId": "c1", "args": '{"city": "Paris"}'})
    chat = chat_of([STARTED, *facts, *call, asked("r1", kind="approval", toolCallId="c1"), *since])
    read = page_of(events_of(chat), chat.next_seq).transcript
    assert (read.state, [request.id for request in read.open_requests]) == ("waiting", ["r1"])
    [card] = [item for item in read.items if isinstance(item, InputRequest)]
    assert [row.text for row in card.arguments] == ["Paris"]
    [tool] = [item for item in read.items if isinstance(item, ToolCall)]
    assert tool.state == "held"


REQUESTED = "HANDOVER_REQUESTED", {"request": "handover-3"}
ENDED = "HANDOVER_ENDED", {"request": "handover-3", "name": "grace"}
SAID = [fact for number in range(350) for fact in message(f"s{number}", "staff")]
HANDOVERS = [([REQUESTED, *SAID], "waiting"), ([REQUESTED, ENDED, *SAID], "running")]


ENDS = [([], "running"), ([asked("r1")], "waiting"), ([FINISHED], "idle"), *HANDOVERS]


@pytest.mark.parametrize(("last", "state"), ENDS)
def test_the_state_is_right_though_the_start_of_the_run_was_not_read(last, state):
    chat = chat_of([STARTED, *(fact for number in range(300) for fact in message(f"m{number}")), *last])
    assert page_of(events_of(chat), chat.next_seq).transcript.state == state


def test_a_call_that_was_cut_off_is_shown_so_if_its_run_ended_on_a_later_page():
    later = [fact for number in range(300) for fact in message(f"m{number}")]
    chat = chat_of([STARTED, *message("m"), called("c1"), *later[:200], CANCELLED, STARTED, *later, FINISHED])
    [tool] = [item for part in parts_of(chat) for item in part.transcript.items if isinstance(item, ToolCall)]
    assert tool.state == "cut"


def test_a_chat_of_any_length_takes_the_same_few_queries():
    counts = []
    for number in (200, 4_000):
        chat = chat_of([STARTED, *(fact for each in range(number) for fact in message(f"m{each}")), FINISHED])
        shown = events_of(chat)
        with CaptureQueriesContext(connection) as queries:
            page_of(shown, chat.next_seq)
            page_of(shown, chat.next_seq, before=300)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 4


def test_each_item_is_weighed_once_however_many_boundaries_there_are(monkeypatch):
    weighed, weigh = [], pagination._weight

    def counted(items):
        several = list(items)
        weighed.extend(several)
        return weigh(several)

    items = [ToolCall(id=str(number)) for number in range(100)]
    boundaries = [
        PageBoundary(seq=number, item=item, index=number, before=ReaderState()) for number, item in enumerate(items)
    ]
    monkeypatch.setattr(pagination, "_weight", counted)
    chosen = pagination._choose(boundaries, items, is_all=True, is_last_try=True)
    assert chosen.index == 100 - pagination.WEIGHT
    assert len([item for item in weighed if item in items]) == 100


def test_a_message_to_staff_is_known_on_a_page_that_begins_in_the_handover():
    written = [fact for number in range(200) for fact in message(f"u{number}", "user")]
    chat = chat_of([STARTED, REQUESTED, *written])
    page = page_of(events_of(chat), chat.next_seq)
    assert page.earlier
    assert all(item.to_staff for item in page.transcript.items)
    older = page_of(events_of(chat), chat.next_seq, before=page.earlier)
    assert all(item.to_staff for item in older.transcript.items if isinstance(item, Message))
