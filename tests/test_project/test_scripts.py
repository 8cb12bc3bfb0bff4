"""The page's scripts and stylesheets: small files that say what they are for; scripts import in one direction only."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "agentchat" / "static" / "agentchat"
SCRIPTS = {path.relative_to(STATIC / "js").as_posix(): path.read_text() for path in (STATIC / "js").rglob("*.js")}
STYLESHEETS = {path.name: path.read_text() for path in STATIC.rglob("*.css")}
FOLDERS = [
    "common",
    "forms",
    "transcript",
    "chat",
    "sidebar",
    "inbox",
    "uploads",
]  # each imports only from itself and from those before it
MAX_LINES = 400


def imports_of(name: str) -> list[str]:
    found = re.findall(r'^import \{[^}]+\} from "(\.[^"]+)";$', SCRIPTS[name], re.MULTILINE)
    assert len(found) == SCRIPTS[name].count("\nimport "), name
    found += re.findall(r'await import\("(\.[^"]+)"\)', SCRIPTS[name])  # when they are needed
    folder = STATIC / "js" / Path(name).parent
    return [(folder / each).resolve().relative_to(STATIC / "js").as_posix() for each in found]


def entry_points() -> set[str]:
    """The scripts that pages link."""
    pages = "".join(path.read_text() for path in (ROOT / "templates").rglob("*.html"))
    return set(re.findall(r"agentchat/js/([\w/]+\.js)", pages))


def cycle_from(name: str, path: tuple[str, ...] = ()) -> tuple[str, ...]:
    if name in path:
        return (*path[path.index(name) :], name)
    return next((cycle for each in imports_of(name) if (cycle := cycle_from(each, (*path, name)))), ())


def test_every_script_is_in_a_folder_and_used():
    assert {name.split("/")[0] for name in SCRIPTS} == set(FOLDERS)
    used, waiting = set(), entry_points()
    assert waiting
    while waiting:
        used.add(name := waiting.pop())
        waiting |= {*imports_of(name)} - used
    assert used == set(SCRIPTS)


def test_every_file_is_small_and_begins_with_its_purpose():
    files = [*SCRIPTS.values(), *STYLESHEETS.values()]
    assert all(text.startswith("/*") for text in files)
    assert max(len(text.splitlines()) for text in files) <= MAX_LINES


def test_folders_import_in_one_direction():
    for name in SCRIPTS:
        allowed = FOLDERS[: FOLDERS.index(name.split("/")[0]) + 1]
        assert {each.split("/")[0] for each in imports_of(name)} <= set(allowed), name


def test_no_script_imports_itself_through_others():
    assert not [cycle for name in SCRIPTS if (cycle := cycle_from(name))]
