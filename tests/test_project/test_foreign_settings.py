"""What would work in chatsite, and not in a project with other databases or with times without a zone."""

import re
from pathlib import Path

import pytest

APP = Path(__file__).resolve().parents[2] / "agentchat"


def code() -> dict[str, str]:
    """The app's Python without strings: what an error says is no code."""
    files = [path for path in APP.rglob("*.py") if path.parent.name != "migrations"]
    without = re.compile(r'"""(?:.|\n)*?"""|"(?:[^"\\\n]|\\.)*"')
    return {str(path.relative_to(APP)): without.sub('""', path.read_text(encoding="utf-8")) for path in files}


@pytest.mark.parametrize(
    ("pattern", "instead"),
    [
        (r"transaction\.atomic\(\)|DEFAULT_DB_ALIAS|from django\.db import [^(\n]*\bconnection\b", "infra/database.py"),
        (r"timezone\.now\(\)|timezone\.localdate\(\)|models\.DateTimeField", "infra/moments.py"),
    ],
)
def test_databases_and_times_are_the_project_s(pattern, instead):
    allowed = {"visitors.py": "timezone.now()"}  # of Django's own sessions
    found = {name: re.findall(pattern, text) for name, text in code().items()}
    assert {name: uses for name, uses in found.items() if {*uses} - {allowed.get(name)}} == {}, f"use {instead}"
