"""deploy/Dockerfile: what it copies is there, is enough to serve the site, and is no more. No Docker is needed."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile without its comments: instruction and arguments, with continued lines joined."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [tuple(line.split(" ", 1)) for line in lines if line]  # type: ignore[misc]


def stages() -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for name, arguments in instructions():
        if name == "FROM":
            found.append([])
        found[-1].append((name, arguments))
    return found


def copies(stage: list[tuple[str, str]]) -> list[tuple[list[str], str]]:
    """What is copied from the project, and where to."""
    lines = [arguments.split() for name, arguments in stage if name == "COPY" and "--from" not in arguments]
    return [(line[:-1], line[-1]) for line in lines]


def test_both_stages_have_the_same_pinned_base() -> None:
    [build, site] = stages()
    bases = [stage[0][1].split(" AS ")[0] for stage in (build, site)]
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+(@sha256:[0-9a-f]{64})?", bases[0])


def test_the_process_is_not_root_and_owns_nothing() -> None:
    site = stages()[1]
    users = [arguments for name, arguments in site if name == "USER"]
    assert users == ["10001:10001"]
    assert site.index(("USER", users[0])) > max(i for i, (name, _) in enumerate(site) if name in ("COPY", "RUN"))
    assert "--chown" not in DOCKERFILE.read_text()


def test_what_is_copied_exists_and_is_not_kept_back() -> None:
    ignore = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignore
    let_in = [line[1:] for line in ignore if line.startswith("!")]
    for stage in stages():
        for sources, _ in copies(stage):
            for source in sources:
                assert list(ROOT.glob(source)), source
                assert any(source == name or source.startswith(f"{name}/") for name in let_in), source
    named = {source for stage in stages() for sources, _ in copies(stage) for source in sources}
    assert [name for name in let_in if not any(s == name or s.startswith(f"{name}/") for s in named)] == []


def metadata() -> tuple[dict, dict[str, list[str]], list[str]]:
    """The project, its extras, and the group of packages that only chatsite needs."""
    found = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return found["project"], found["project"]["optional-dependencies"], found["dependency-groups"]["site"]


def test_the_pins_cover_what_is_installed_and_fit() -> None:
    project, extras, site = metadata()
    [install] = [arguments for name, arguments in instructions() if "pip install" in arguments]
    names = " ".join(Requirement(line).name for line in site)
    assert install.endswith(f'--constraint deploy/constraints.txt ".[scale]" {names}')
    lines = (ROOT / "deploy" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    for line in (*project["dependencies"], *extras["scale"], *site):
        wanted = Requirement(line)
        assert wanted.specifier.contains(pins[canonicalize_name(wanted.name)]), line
    assert {"pytest", "ruff", "mypy", "playwright", "hatchling"} & set(pins) == set()


def test_what_chatsite_and_several_machines_need_are_groups_of_the_requirements() -> None:
    _, extras, site = metadata()
    groups = (ROOT / "requirements.txt").read_text(encoding="utf-8").split("# --- ")
    for group, wanted in ((2, site), (3, extras["scale"])):
        lines = [line.partition("#")[0].strip() for line in groups[group].splitlines()[1:]]
        assert sorted(filter(None, lines)) == sorted(wanted)


def test_more_than_one_machine_is_postgresql_redis_and_celery() -> None:
    _, extras, _ = metadata()
    assert {*extras["scale"]} == {*extras["postgresql"], *extras["redis"], *extras["celery"]}


@pytest.mark.slow
def test_what_the_image_holds_serves_the_site(tmp_path: Path) -> None:
    """The wheel and the files that are copied beside it, and nothing else of the project."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "venv")
    site = tmp_path / "site"
    for sources, to in copies(stages()[1]):
        for source in sources:
            for found in ROOT.glob(source):
                target = site / to / (found.name if found.is_file() else "")
                target.parent.mkdir(parents=True, exist_ok=True)
                subprocess.run(["cp", "-r", str(found), str(target)], check=True)

    def run(*command: str) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(tmp_path / "venv"),
            "SECRET_KEY": "k" * 60,
            "ALLOWED_HOSTS": "chat.example.com",
            "AGENTCHAT_GUESTS": "1",
            "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        }
        done = subprocess.run(
            [sys.executable, *command], cwd=site, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    [collect] = [arguments for name, arguments in instructions() if "collectstatic" in arguments]
    assert "static files copied" in run(*collect.split("python ")[1].split())
    run("manage.py", "migrate", "--verbosity", "0")
    look = """
import agentchat, django, pathlib
django.setup()
assert "venv" in agentchat.__file__, agentchat.__file__
from django.test import Client
ask = lambda path: Client(headers={"host": "chat.example.com"}).get(path, secure=True)
print([ask(path).status_code for path in ("/chat/", "/accounts/login/", "/admin/login/", "/nowhere/", "/healthz")])
"""
    (site / "look.py").write_text("import os\nos.environ['DJANGO_SETTINGS_MODULE'] = 'chatsite.settings'\n" + look)
    assert run("look.py").strip() == "[200, 200, 200, 404, 200]"
