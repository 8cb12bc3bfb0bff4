"""Write deploy/constraints.txt: the packages of the image, in the versions that are installed in this environment.

Run it in an environment that has just passed all tests: `make test && .venv/bin/python scripts/pin.py`. It lists all
dependencies, direct and indirect, of the wheel with its extra `scale` and of the group `site`, but not what only tests
or checks need.
"""

import tomllib
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).resolve().parent.parent
HEAD = """\
# The packages in the image, in versions that have passed all tests. Written by scripts/pin.py; to update them, run
#
#   make clean test && .venv/bin/python scripts/pin.py

"""


def needed() -> dict[str, str]:
    """The installed version of each package that the image needs, by canonical name."""
    metadata = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    project, site = metadata["project"], metadata["dependency-groups"]["site"]
    lines = (*project["dependencies"], *project["optional-dependencies"]["scale"], *site)
    wanted = [Requirement(line) for line in lines]
    found: dict[str, str] = {}
    followed: set[tuple[str, frozenset[str]]] = set()
    while wanted:
        requirement = wanted.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in followed:
            continue
        followed.add(key)
        installed = distribution(requirement.name)
        found[key[0]] = installed.version
        for line in installed.requires or []:
            deeper = Requirement(line)
            if deeper.marker is None or any(deeper.marker.evaluate({"extra": extra}) for extra in ("", *key[1])):
                wanted.append(deeper)
    return found


if __name__ == "__main__":
    lines = [f"{name}=={version}\n" for name, version in sorted(needed().items())]
    (PROJECT / "deploy" / "constraints.txt").write_text(HEAD + "".join(lines), encoding="utf-8")
    print(f"{len(lines)} packages are pinned in deploy/constraints.txt")
