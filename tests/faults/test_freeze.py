"""A process that is frozen past its lease and goes on later finds that its runs are another's, and writes nothing."""

import signal
import sqlite3

import pytest

from agentchat.testing import say
from tests.faults.app import ledger

TABLES = ("chatsession", "run", "step", "event", "inboxitem")
STORY = "A parcel went out to see the world and was never seen again. TERMINATE"


@pytest.fixture
def freeze(eventually):
    """Stop a site's process where it stands, but not in the middle of a write: SQLite would wait for it."""

    def held_nothing(site):
        site.process.send_signal(signal.SIGSTOP)
        writer = sqlite3.connect(site.database, timeout=0)
        try:
            writer.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            site.process.send_signal(signal.SIGCONT)
            return False
        finally:
            writer.close()
        return True

    return lambda site: eventually(lambda: held_nothing(site))


def everything(site):
    return {table: site.rows(f"SELECT * FROM agentchat_{table} ORDER BY id") for table in TABLES}


def answer(request):
    last = request["messages"][-1]
    verb, _, parcel = last["content"].partition(" ")
    return say("At once.").and_call(verb, parcel=parcel) if verb == "deliver" else say(STORY)


def test_a_frozen_process_that_goes_on_past_its_lease_writes_nothing(
    make_site, guest, llm, tmp_path, eventually, freeze
):
    first, second = make_site("first", ROUNDS="1"), make_site("second", ROUNDS="1")
    first.start()
    visitor = guest(first)
    telling, delivering = visitor.new_chat("errands"), visitor.new_chat("errands")
    for page in (telling, delivering):
        page.send("Good morning")
        page.wait_for("INPUT_REQUESTED")

    story = say(STORY).paused(after=5)
    llm.replies(story)
    telling.send("tell 1")
    telling.wait_until(lambda: any(written.text for written in telling.written.values()), "text so far")
    llm.always(answer)
    with ledger.shut_door(tmp_path, "2"):
        delivering.send("deliver 2")
        eventually(lambda: ledger.read(tmp_path)["deliver 2"])
        freeze(first)
    second.start()
    visitor.open(delivering.session_id, second)  # where it is asked whether to deliver again
    runs = "SELECT count(*) FROM agentchat_run WHERE status = 'finished'"
    eventually(lambda: second.rows(runs) == [(2,)])
    before = everything(second)

    # What it was waiting for is there: the rest of the model's answer, and the end of the tool.
    story.release()
    first.process.send_signal(signal.SIGCONT)
    eventually(lambda: first.log.read_text().count("is another process's now") == 2)
    for page in (telling, delivering):
        page.wait_for("RUN_FINISHED", outcome={"type": "success"})
        assert [event["seq"] for event in page.events] == [event["seq"] for event in first.events(page.session_id)]
    assert everything(second) == before
    assert ledger.read(tmp_path) == {"deliver 2": 1}
