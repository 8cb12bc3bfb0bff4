"""What this process is called, where others read it: in a run's `owner_process`, in the layer's groups, in the log."""

import os
import secrets
import socket

from django.utils.functional import lazy

_names: dict[int, str] = {}


def _name_of_process() -> str:
    """Found when it is wanted: a server may load all this first and fork then, and its children are not one process."""
    pid = os.getpid()
    return _names.get(pid) or _names.setdefault(pid, f"{socket.gethostname()}-{pid}-{secrets.token_hex(3)}"[-100:])


# Unique, and readable in admin. `str(PROCESS)` where a text is needed.
PROCESS = lazy(_name_of_process, str)()
