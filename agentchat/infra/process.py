"""The name of this process, where others read it: in a run's `owner_process`, in the layer's groups, in the log."""

import os
import secrets
import socket

from django.utils.functional import lazy

_names: dict[int, str] = {}


def _name_of_process() -> str:
    """Made when needed: a server may import all this first and then fork, and its children are not one process."""
    pid = os.getpid()
    return _names.get(pid) or _names.setdefault(pid, f"{socket.gethostname()}-{pid}-{secrets.token_hex(3)}"[-100:])


# Unique, and readable in admin. `str(PROCESS)` where a real string is needed.
PROCESS = lazy(_name_of_process, str)()
