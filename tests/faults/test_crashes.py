"""A run that kills its process does so three times. The others on the site, and the site, go on."""

import signal

import pytest

from agentchat.runs.leases import MAX_CRASHES
from agentchat.testing import say
from tests.faults.app import ledger
from tests.faults.killing import assert_nothing_is_lost

STORY = "Once upon a time there was a parcel that ticked, and nobody asked why. TERMINATE"


@pytest.mark.timeout(300)
def test_a_run_that_kills_its_process_is_failed_and_another_chats_run_finishes(
    make_site, guest, llm, tmp_path, eventually
):
    site = make_site(ROUNDS="1")
    site.start()
    answers = [say(STORY).paused(after=5) for _ in range(MAX_CRASHES)]
    llm.replies(*answers)
    visitor = guest(site)
    innocent, guilty = visitor.new_chat("errands"), visitor.new_chat("bomb")
    innocent.send("Good morning")
    innocent.wait_for("INPUT_REQUESTED")
    innocent.send("tell a story")

    def lives():
        return ledger.read(tmp_path)["open parcel"]

    # No execution is long enough for the innocent one's answer: no process can tell which of the two is the killer.
    for life in range(1, MAX_CRASHES):
        with ledger.shut_door(tmp_path, "parcel"):
            if life == 1:
                guilty.send("parcel")
            else:
                site.start()
            eventually(lambda life=life: lives() == life)
            answers[life - 1].wait_until_paused()
        assert site.process.wait(40) == -signal.SIGKILL

    # In their final attempts they are quarantined, whichever of them comes first.
    def crashes():
        return sorted(count for (count,) in site.rows("SELECT crashes FROM agentchat_run"))

    with ledger.shut_door(tmp_path, "parcel"):
        site.start()
        eventually(lambda: MAX_CRASHES - 1 in crashes())
        assert crashes() == [MAX_CRASHES - 2, MAX_CRASHES - 1]
        answers[-1].release()
    assert site.process.wait(40) == -signal.SIGKILL

    site.start()
    error = guilty.wait_for("RUN_ERROR", code="crashed")
    innocent.wait_for("RUN_FINISHED", outcome={"type": "success"})
    log = site.log.read_text()
    assert f"failed [{error['id']}]" in log
    assert log.count(f"{guilty.session_id} was orphaned by") == MAX_CRASHES
    assert lives() == MAX_CRASHES

    (tmp_path / "defused").touch()
    guilty.send("parcel")
    guilty.wait_for("RUN_FINISHED", outcome={"type": "success"})
    for page in (innocent, guilty):
        assert_nothing_is_lost(page, site)
