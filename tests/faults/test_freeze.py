"""A process that is frozen past its lease and goes on later has lost its runs, and writes nothing."""

import signal
import sqlite3

import pytest

from tests.faults.freezing import write_nothing_after_a_freeze


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


def test_a_frozen_process_that_goes_on_past_its_lease_writes_nothing(
    make_site, guest, llm, tmp_path, eventually, freeze
):
    first, second = make_site("first", ROUNDS="1"), make_site("second", ROUNDS="1")
    first.start()

    def take_over(visitor, page):
        second.start()
        visitor.open(page.session_id, second)  # where it is asked whether to deliver again

    write_nothing_after_a_freeze(
        first,
        freeze=lambda: freeze(first),
        take_over=take_over,
        thaw=lambda: first.process.send_signal(signal.SIGCONT),
        log=first.log.read_text,
        visit=guest,
        llm=llm,
        folder=tmp_path,
        eventually=eventually,
    )
