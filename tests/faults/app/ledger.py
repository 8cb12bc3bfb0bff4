"""What tools did, written down outside the database: a kill or a rollback takes nothing of it back.

The ledger is a file of lines, and a tool's effect is one line more. Beside it there may be a door for a call, a file
that a test holds shut by an exclusive lock: the tool has had its effect, and does not return before the door is opened.
"""

import fcntl
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write(folder: Path, line: str) -> None:
    """One effect. O_APPEND: lines of several processes do not mix."""
    file = os.open(folder / "ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, f"{line}\n".encode())
    finally:
        os.close(file)


def read(folder: Path) -> Counter[str]:
    """How often each effect was had."""
    ledger = folder / "ledger"
    return Counter(ledger.read_text().splitlines() if ledger.exists() else [])


def pass_door(folder: Path, name: str) -> None:
    """Wait until the door is open; there may be none."""
    door = folder / f"{name}.door"
    if door.exists():
        with door.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH)


@contextmanager
def shut_door(folder: Path, name: str) -> Iterator[None]:
    """Hold a door shut for as long as the block lasts."""
    with (folder / f"{name}.door").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
