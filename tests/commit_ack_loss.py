"""A commit that was made, and whose acknowledgement is lost."""

from contextlib import contextmanager
from types import ModuleType

import pytest
from django.db import OperationalError


def lose_the_first_commit(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> list[OperationalError]:
    """Let the first transaction of this module be committed, and seem lost. Return the error, once it was raised."""
    atomic, raised = module.atomic, []

    @contextmanager
    def losing():
        with atomic():
            yield
        if not raised:
            raised.append(OperationalError("the server closed the connection unexpectedly"))
            raise raised[0]

    monkeypatch.setattr(module, "atomic", losing)
    return raised
