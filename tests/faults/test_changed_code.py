"""Code that is changed under a waiting run: the run ends, the log says how to fix it, and the chat goes on."""


def test_a_run_whose_code_changed_while_it_waited_ends_as_diverged_and_the_chat_goes_on(make_site, guest):
    old, new = make_site("old", DESK_VERSION="1"), make_site("new", DESK_VERSION="2")
    new.port, new.url = old.port, old.url
    old.start()
    page = guest(old).new_chat("desk")
    page.send("Hello")
    page.wait_for("INPUT_REQUESTED")
    assert old.stop() == 0

    new.start()
    page.send("Go on")
    error = page.wait_for("RUN_ERROR")
    assert error["code"] == "diverged"
    assert "was changed while it was waiting" in error["message"]
    log = new.log.read_text()
    for words in (error["id"], "look up the order", "look up the customer", "iostream.step(name, function)", "'desk'"):
        assert words in log

    page.send("Again, then")
    page.wait_for("INPUT_REQUESTED", run=2)
    page.send("No")
    page.wait_for("RUN_FINISHED", outcome={"type": "success"})
