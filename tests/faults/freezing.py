"""A process that is frozen past its leases while another one takes its runs, and what holds when it goes on."""

from collections.abc import Callable

from agentchat.testing import say
from tests.faults.app import ledger

TABLES = ("chatsession", "run", "step", "event", "inboxitem")
STORY = "A parcel went out to see the world and was never seen again. TERMINATE"


def everything(site):
    return {table: site.rows(f"SELECT * FROM agentchat_{table} ORDER BY id") for table in TABLES}


def answer(request):
    last = request["messages"][-1]
    verb, _, parcel = last["content"].partition(" ")
    return say("At once.").and_call(verb, parcel=parcel) if verb == "deliver" else say(STORY)


def write_nothing_after_a_freeze(
    site,
    *,
    freeze: Callable[[], object],
    take_over: Callable[..., object],
    thaw: Callable[[], object],
    log: Callable[[], str],
    visit,
    llm,
    folder,
    eventually,
):
    """Two runs of a process that is frozen: one writes a message, one is in a tool. Another process ends both.

    `take_over(visitor, page)` starts that one, and lets the visitor be asked there what the page cannot be asked.
    """
    visitor = visit(site)
    telling, delivering = visitor.new_chat("errands"), visitor.new_chat("errands")
    for page in (telling, delivering):
        page.send("Good morning")
        page.wait_for("INPUT_REQUESTED")
    found_before = log().count("now belongs to another process")
    effects_before = ledger.read(folder)

    story = say(STORY).paused(after=5)
    llm.replies(story)
    telling.send("tell 1")
    telling.wait_until(lambda: any(written.text for written in telling.written.values()), "text so far")
    llm.always(answer)
    with ledger.shut_door(folder, "frozen"):
        delivering.send("deliver frozen")
        eventually(lambda: ledger.read(folder)["deliver frozen"])
        freeze()
    take_over(visitor, delivering)
    over = "SELECT count(*) FROM agentchat_event WHERE session_id IN (?, ?) AND type = 'PRINTED'"
    ids = [page.session_id.replace("-", "") for page in (telling, delivering)]
    try:
        eventually(lambda: site.rows(over, *ids) == [(2,)])
    except AssertionError:
        runs = "SELECT status, owner_process, epoch, crashes, error_code FROM agentchat_run"
        raise AssertionError(f"not taken over: {site.rows(runs)}\n{log()[-3000:]}") from None
    eventually(lambda: site.rows("SELECT count(*) FROM agentchat_run WHERE owner_process <> ''") == [(0,)])
    before = everything(site)

    # What it was waiting for is there: the rest of the model's answer, and the end of the tool.
    story.release()
    thaw()
    eventually(lambda: log().count("now belongs to another process") == found_before + 2)
    for page in (telling, delivering):
        page.wait_for("PRINTED", text="Round 1 is over.\n")
        page.wait_until(lambda page=page: len(page.events) == len(site.events(page.session_id)), "the last fact")
        assert [event["seq"] for event in page.events] == [event["seq"] for event in site.events(page.session_id)]
    assert everything(site) == before
    assert ledger.read(folder) - effects_before == {"deliver frozen": 1}
