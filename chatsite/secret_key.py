"""The key that signs sessions: from the environment, or on a developer's machine from a generated file."""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key


def secret_key(given: str, *, file: Path, may_make: bool) -> str:
    """The key given, or the one in `file`; with `may_make`, a new one is generated there if there is none.

    Raise ImproperlyConfigured if there is none and none may be generated.
    """
    if given:
        return given
    if not file.exists():
        if not may_make:
            raise ImproperlyConfigured(
                "SECRET_KEY is not set: use 50 random characters or more "
                '(python -c "import secrets; print(secrets.token_urlsafe(50))"), '
                "or set DEBUG=1 to try things out on your own machine"
            )
        _make(file)
    return file.read_text().strip()


def _make(file: Path) -> None:
    """Create the file atomically, readable only by its owner. The first of two processes wins."""
    file.parent.mkdir(mode=0o700, exist_ok=True)
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
        opened.write(get_random_secret_key() + "\n")
    try:
        os.link(draft, file)
    except FileExistsError:
        pass  # another process was faster: its key is the key
    finally:
        draft.unlink()
