"""An agent's process is killed while it sends a file: it is sent once, as it was first made."""

import signal

import pytest

from tests.faults.app import ledger
from tests.faults.killing import assert_nothing_is_lost


@pytest.mark.timeout(200)
def test_a_file_is_sent_once_however_often_its_process_dies_over_it(make_site, guest, tmp_path):
    site = make_site(FILES_ROOT=str(tmp_path / "files"))
    site.start()
    page = guest(site).new_chat("sender")
    with ledger.shut_door(tmp_path, "label"):
        page.send("Go")
    assert site.process.wait(40) == -signal.SIGKILL
    with ledger.shut_door(tmp_path, "label"):
        site.start()
    assert site.process.wait(40) == -signal.SIGKILL
    site.start()
    page.wait_for("RUN_FINISHED", outcome={"type": "success"})
    [sent] = [event for event in page.events if event["type"] == "FILE_SENT"]
    [shown] = [event for event in page.events if event["type"] == "PRINTED"]
    assert shown["text"] == "parcel 1\n"
    [(id_, size, state)] = site.rows("SELECT id, size, state FROM agentchat_storedfile")
    assert (id_.replace("-", ""), size, state) == (sent["files"][0]["id"].replace("-", ""), len("parcel 1"), "ready")
    assert_nothing_is_lost(page, site)
