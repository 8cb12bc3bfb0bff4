"""A process dies while a model names a chat: another one makes the title again, once."""

import signal
import sqlite3

import pytest

from agentchat.testing import say


@pytest.mark.timeout(150)
def test_a_title_that_was_being_made_is_made_again_after_a_kill(make_site, guest, llm, eventually):
    held = say("Never heard of")
    held.paused()
    llm.replies(held)
    site = make_site(AGENTCHAT_TITLES="model")
    site.start()
    page = guest(site).new_chat("greeter")
    page.send("Where is parcel 4711?")
    page.wait_for("RUN_FINISHED")
    held.wait_until_paused()
    site.stop(signal.SIGKILL)
    assert site.rows("SELECT title, title_by FROM agentchat_chatsession") == [("Where is parcel 4711?", "")]
    assert site.rows("SELECT kind, attempts FROM agentchat_outboxitem") == [("title", 1)]
    with sqlite3.connect(site.database) as connection:  # as if the lease of the dead process were over
        connection.execute("UPDATE agentchat_outboxitem SET due_at = created_at")
    connection.close()
    llm.replies(say("Parcel 4711"))
    site.start()
    eventually(lambda: not site.rows("SELECT 1 FROM agentchat_outboxitem"))
    assert site.rows("SELECT title, title_by FROM agentchat_chatsession") == [("Parcel 4711", "model")]
    assert len(llm.requests) == 2
