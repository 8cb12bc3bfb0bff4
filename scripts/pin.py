"""Write deploy/constraints.txt: what the image holds, in the versions that this environment has.

Run it in an environment that has just passed all tests: `make test && .venv/bin/python scripts/pin.py`. Everything that
the wheel with its extras `scale` and `site` needs is followed to its end; what only tests or checks need is left out.
"""

import tomllib
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).resolve().parent.parent
HEAD = """\
# The packages in the image, in versions that all tests have passed with. Written by scripts/pin.py: raise them by
#
#   make clean test && .venv/bin/python scripts/pin.py

"""


def needed() -> dict[str, str]:
    """Names and installed versions."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [Requirement(line) for line in (*project["dependencies"], *extras["scale"], *extras["site"])]
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
