"""Twenty chats that are killed four times, with runs in each state each time; and what must hold of them at the end.

What is killed is up to the caller: one process, or some of several machines.
"""

import random
from collections.abc import Callable
from contextlib import ExitStack

from agentchat.testing import Scripted, say
from tests.faults.app import ledger

CHATS = 20
KILLS = 4
MAX_RUNS = 8
# Where the runs are at each kill. Those that stream or are in a tool take all the room, so that others stay queued.
PLACES = ["streaming"] * 4 + ["tool"] * 4 + ["queued"] * 4 + ["approval"] * 4 + ["text"] * 4
VERBS = ("tell", "deliver", "pay")
STORY = "Once upon a time there was a parcel that nobody had sent and everybody wanted to have. "


class Model:
    """What the model says to an errand, and which of its answers stop in the middle."""

    def __init__(self) -> None:
        self._pieces: dict[str, int] = {}
        self._held: dict[str, Scripted] = {}

    def hold(self, parcel: str, *, pieces: int) -> None:
        """Stop the answer about this parcel after so many pieces."""
        self._pieces[parcel] = pieces

    def said_of(self, parcel: str) -> str | None:
        """All that has come of an answer that is held; None if it was not asked for yet."""
        answer = self._held.get(parcel)
        return "".join(answer.text[: self._pieces[parcel]]) if answer else None

    def let_go(self, parcel: str) -> None:
        self._held[parcel].release()

    def stop_nowhere(self) -> None:
        self._pieces.clear()
        for answer in self._held.values():
            answer.release()  # who asked may have outlived the kill
        self._held.clear()

    def answer(self, request: dict) -> Scripted:
        last = request["messages"][-1]
        if last["role"] == "tool":
            return say(f"{last['content']} {STORY} TERMINATE")
        verb, parcel = last["content"].split()
        if verb != "tell":
            return say(f"I am going to {verb} {parcel}. {STORY}").and_call(verb, parcel=parcel)
        answer = say(f"The story of parcel {parcel}: {STORY * 3} TERMINATE")
        if parcel in self._pieces:
            self._held[parcel] = answer.paused(after=self._pieces[parcel])
        return answer


class Round:
    """One kill: each chat has an errand of its own, and is brought to a place where it is when the kill comes."""

    def __init__(self, number, pages, chance):
        self.chance = chance
        self._parcels = {page: f"{index}-{number}" for index, page in enumerate(pages)}
        self._at = dict(zip(pages, chance.sample(PLACES, len(PLACES)), strict=True))

    def at(self, place):
        """The pages whose runs are to be there, each with its parcel."""
        return [(page, parcel) for page, parcel in self._parcels.items() if self._at[page] == place]

    def errand(self, parcel):
        return f"{self.chance.choice(VERBS)} {parcel}"


def bring_to_their_places(round_, model, folder, doors, eventually):
    """Let the chats begin their errands, those that need room to get somewhere first."""
    for page, parcel in round_.at("approval"):
        page.send(f"pay {parcel}")
    for page, _ in round_.at("approval"):
        page.wait_until(lambda page=page: page.events[-1].get("kind") == "approval", "question for an approval")
    for page, parcel in round_.at("tool"):
        doors.enter_context(ledger.shut_door(folder, parcel))
        page.send(f"deliver {parcel}")
    for page, parcel in round_.at("streaming"):
        model.hold(parcel, pieces=round_.chance.randrange(1, 40))
        page.send(f"tell {parcel}")
    for _, parcel in round_.at("tool"):
        eventually(lambda line=f"deliver {parcel}": ledger.read(folder)[line])
    for page, parcel in round_.at("streaming"):
        text = eventually(lambda parcel=parcel: model.said_of(parcel))
        page.wait_until(lambda page=page, text=text: shows(page, text), "text so far")
    for page, parcel in round_.at("queued"):
        page.wait_for("TEXT_MESSAGE_END", messageId=page.send(round_.errand(parcel)))


def shows(page, text):
    """Whether the page has a message that is written so far, by deltas."""
    return any(written.text == text for written in page.written.values())


def without_rendering(event):
    return {name: value for name, value in event.items() if name not in ("at", "run", "html")}


def journal_of(page, site):
    """The steps of the chat session's run: (kind, name)."""
    steps = site.rows(
        "SELECT s.number, s.kind, s.name, s.status FROM agentchat_step s JOIN agentchat_run r ON r.id = s.run_id "
        "WHERE r.session_id = ? ORDER BY s.number",
        page.session_id.replace("-", ""),
    )
    assert [number for number, *_ in steps] == list(range(1, len(steps) + 1))
    assert {status for *_, status in steps} == {"done"}
    return [(kind, name) for _, kind, name, _ in steps]


STEPS = {
    "tell": [("llm", "clerk")],
    "deliver": [("llm", "clerk"), ("tool", "deliver"), ("llm", "clerk")],
    "pay": [("llm", "clerk"), ("input", "approve pay"), ("tool", "pay"), ("llm", "clerk")],
}


def assert_nothing_is_lost(page, site, *, from_afar=False):
    """The page has every event, once and in order; and the deltas of a message add up to the message.

    `from_afar`: the runs were in other processes. An END may overtake a message's last deltas then, and says it all.
    """
    shown, stored = [without_rendering(event) for event in page.events], site.events(page.session_id)
    assert len(shown) == len(stored), f"{page.session_id}: {len(shown)} facts of {len(stored)}"
    for event, saved in zip(shown, stored, strict=True):
        assert event == saved, f"{page.session_id}: {event} instead of {saved}"
    ends = {event["messageId"]: event["content"] for event in page.events if event["type"] == "TEXT_MESSAGE_END"}
    for message in page.whole:
        written = page.written[message].text
        assert ends[message].startswith(written) if from_afar else ends[message] == written, (written, ends[message])


def states(site, pages):
    """How many of these chats' runs are in each status."""
    ids = [page.session_id.replace("-", "") for page in pages]
    places = ", ".join("?" * len(ids))
    query = f"SELECT status, count(*) FROM agentchat_run WHERE session_id IN ({places}) GROUP BY 1"
    return dict(site.rows(query, *ids))


def outlive_kills(
    site,
    *,
    kill: Callable[[int], object],
    revive: Callable[[], object],
    visit,
    llm,
    folder,
    eventually,
    from_afar=False,
):
    """Twenty chats at a site, killed in each state, go on as if nothing had been.

    `kill(number)` kills, for that many times now, and `revive()` starts what is missing. In all, MAX_RUNS runs may
    advance at once, and a run has KILLS rounds. `visit` is the fixture `guest`, `folder` the ledger's.
    """
    print("seed", seed := random.SystemRandom().randrange(10**6))
    chance = random.Random(seed)
    model = Model()
    llm.always(model.answer)
    effects_before = ledger.read(folder)
    undecided = set()

    def decide(page, question):
        if question.get("unsure"):
            return {"decision": "reject", "reason": "go on without it"}
        return None if page in undecided else {"decision": "approve"}

    visitor = visit(site, decide)
    pages = [visitor.new_chat("errands") for _ in range(CHATS)]
    for page in pages:
        page.send("Good morning")

    for number in range(1, KILLS + 1):
        for page in pages:
            page.wait_for("INPUT_REQUESTED", prompt=f"Round {number}?")
        round_ = Round(number, pages, chance)
        undecided.update(page for page, _ in round_.at("approval"))
        with ExitStack() as doors:
            bring_to_their_places(round_, model, folder, doors, eventually)
            assert states(site, pages) == {"running": MAX_RUNS, "queued": 4, "waiting": 8}
            for _, parcel in chance.sample(round_.at("streaming"), 2):
                model.let_go(parcel)  # and is killed wherever it has come to
            kill(number)
        model.stop_nowhere()
        revive()
        undecided.clear()
        for page, _ in round_.at("approval"):
            page.answer(page.events[-1]["request"], {"decision": "approve"})
        for page, parcel in round_.at("text"):
            page.send(round_.errand(parcel))

    for page in pages:
        page.wait_for("RUN_FINISHED", outcome={"type": "success"})
    assert states(site, pages) == {"finished": CHATS}
    assert set((ledger.read(folder) - effects_before).values()) == {1}, "a tool took effect twice"
    for page in pages:
        assert_nothing_is_lost(page, site, from_afar=from_afar)
        ends = {event["messageId"]: event["content"] for event in page.events if event["type"] == "TEXT_MESSAGE_END"}
        _, *errands = [ends[event["messageId"]] for event in page.events if event.get("role") == "user"]
        steps = [[("input", "input"), *STEPS[errand.split()[0]]] for errand in errands]
        assert journal_of(page, site) == [("input", "input"), *(step for errand in steps for step in errand)]
    assert sum(len(page.whole) for page in pages) >= CHATS, "too few messages were watched from their beginning"
