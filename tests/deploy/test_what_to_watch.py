"""docs/deploying.md, "What to watch": it names what there is, as the code, the units and the broker name it."""

import re
from pathlib import Path

from django.conf import settings

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")


def test_the_words_to_look_for_in_the_log_are_logged() -> None:
    [row] = re.findall(r"^\| the log: (.+?) \|", PAGE, re.MULTILINE)
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "agentchat").rglob("*.py"))
    said = re.findall(r'logger\.\w+\(\s*"([^"]+)"', sources)
    words = re.findall(r"`([^`]+)`", row)
    assert len(words) > 1
    assert [each for each in words if not any(each in sentence for sentence in said)] == []


def test_the_queue_is_named_as_the_broker_has_it() -> None:
    """`tests/services/test_celery.py` finds messages under that key."""
    assert f"`LLEN {settings.REDIS_PREFIX}.{settings.CELERY_TASK_DEFAULT_QUEUE}`" in PAGE


def test_workers_are_asked_by_the_names_that_the_units_give_them() -> None:
    unit = (ROOT / "deploy" / "systemd" / "agentchat-worker@.service").read_text(encoding="utf-8")
    [name] = re.findall(r"--hostname (\S+)@%H", unit)
    first = name.replace("%i", "1")
    assert f'inspect ping -d {first}@"$(hostname)"' in PAGE
    assert f"worker -n {first}@%h" in PAGE
