"""The documentation: its code runs, its JSON is JSON, its links lead somewhere, and its tables are complete."""

import inspect
import json
import re
from pathlib import Path

import pytest

from agentchat.conf import AppSettings
from agentchat.core import registry

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def blocks(page, language):
    """The code blocks in this language, each with its line number."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [(text.count("\n", 0, match.start(1)), match[1]) for match in found]


@pytest.fixture
def known_agents():
    """Agent functions that are registered in a test are forgotten after it."""
    before = dict(registry._agents)
    yield
    registry._agents.clear()
    registry._agents.update(before)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_the_python_on_a_page_runs_from_its_first_block_to_its_last(page, known_agents, request, capsys):
    """Later blocks use the names of earlier ones. The tests in them are run with their fixtures."""
    names = {"__name__": f"docs_{page.stem.replace('-', '_')}"}
    for line, block in blocks(page, "python"):
        if block.startswith(("# mysite/", "# program.py")):
            continue  # lines for a project of one's own, which test_wheel.py makes; and of tests/programs/test_docs.py
        known = set(names)
        exec(compile("\n" * line + block, str(page), "exec"), names)
        for name in [name for name in names if name.startswith("test_") and name not in known]:
            fixtures = {
                fixture: request.getfixturevalue(fixture) for fixture in inspect.signature(names[name]).parameters
            }
            names[name](**fixtures)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_the_json_on_a_page_is_json(page):
    for _, block in blocks(page, "json"):
        for line in block.splitlines():
            json.loads(line)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_a_pages_links_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("name", ["README.md", "docs/deploying.md"])
def test_every_key_of_agentchat_is_in_the_tables_and_no_other(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    [table] = re.findall(r"\| key \| default \| meaning \|\n\|[-|]+\|\n((?:\|.*\n)+)", text)
    assert sorted(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == sorted(AppSettings.KEYS)


def test_the_architecture_is_read_in_ten_minutes():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert len(text.split()) <= 2500
    assert text.count("```mermaid") == 2


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_every_path_on_a_page_about_the_code_exists(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    paths = re.findall(r"`([a-z_]+(?:/[a-z_]+)*/(?:[a-z_]+\.\w+)?)`", text)
    assert paths
    assert [path for path in paths if not ((ROOT / path).exists() or (ROOT / "agentchat" / path).exists())] == []


def test_the_checks_before_a_commit_are_those_of_make_check():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    checks = makefile[makefile.index("\ncheck:") : makefile.index("\nscreenshots:")]
    commands = re.findall(r"^\t(?:DEBUG=1 )?\$\(python\) (.+)$", checks, re.M)
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8").replace(" --force-exclude", "")
    assert len(commands) == hooks.count("- id:")
    assert [command for command in commands if f".venv/bin/python {command.removesuffix(' .')}" not in hooks] == []


def test_every_variable_that_the_settings_read_is_documented():
    settings = (ROOT / "chatsite" / "settings.py").read_text(encoding="utf-8")
    read = set(re.findall(r'env\.\w+\("([A-Z_]+)"', settings))
    text = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
    assert read
    assert [name for name in sorted(read) if f"`{name}`" not in text] == []


def test_the_wheel_wants_what_the_requirements_say():
    """The first group of requirements.txt is what a wheel depends on."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    group = text.split("# --- ")[1]
    wanted = sorted(line.partition("#")[0].strip() for line in group.splitlines()[1:] if line.strip())
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    [depends] = re.findall(r"^dependencies = \[\n(.*?)^\]", project, re.DOTALL | re.MULTILINE)
    assert sorted(re.findall(r'"(.+)"', depends)) == wanted


def test_the_protocol_names_every_event_reason_and_close_code():
    from agentchat import events
    from agentchat.websocket.connections import CloseCode

    text = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    types = {
        value.type
        for value in vars(events).values()
        if inspect.isclass(value) and getattr(value, "type", "") and value.type
    }
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "agentchat").rglob("*.py")]
    reasons = {reason for source in sources for reason in re.findall(r'Rejected\(\s*"(\w+)"', source)}
    codes = {str(code.value) for code in CloseCode}
    assert types
    assert reasons
    assert [name for name in sorted(types) if f"`{name}`" not in text] == []
    assert [name for name in sorted(reasons) if f"`{name}`" not in text] == []
    assert [code for code in sorted(codes) if f"| {code} |" not in text] == []
