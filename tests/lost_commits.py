"""A commit that was made, and whose acknowledgement is lost."""

from contextlib import contextmanager
from types import ModuleType

import pytest
from django.db import OperationalError, transaction


def lose_the_first_commit(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> list[OperationalError]:
    """Let the first transaction of this module be committed, and seem lost. Return what it was told, once it was."""
    atomic, told = transaction.atomic, []

    @contextmanager
    def losing():
        with atomic():
            yield
        if not told:
            told.append(OperationalError("the server closed the connection unexpectedly"))
            raise told[0]

    monkeypatch.setattr(module.transaction, "atomic", losing)
    return told
