"""Twenty chats are killed four times, with runs in each state each time: nothing is lost, and nothing happens twice."""

import signal

import pytest

from tests.faults.killing import KILLS, MAX_RUNS, outlive_kills


@pytest.mark.timeout(300)
def test_twenty_chats_survive_four_kills_in_any_state(make_site, guest, llm, tmp_path, eventually):
    site = make_site(AGENTCHAT_MAX_RUNS=str(MAX_RUNS), ROUNDS=str(KILLS))
    site.start()
    outlive_kills(
        site,
        kill=lambda number: site.stop(signal.SIGKILL),
        revive=site.start,
        visit=guest,
        llm=llm,
        folder=tmp_path,
        eventually=eventually,
    )
