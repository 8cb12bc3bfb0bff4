"""No module imports itself, not even by way of others: imports for types and late ones in functions count, too.

A module is a file, `__init__.py` too. Only import statements count, and not that Python runs the `__init__.py` of a
package before its modules.
"""

import ast
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import agentchat

PACKAGE = Path(agentchat.__file__).parent


def cycle_in(package: Path) -> list[str] | None:
    """The modules of a cycle of imports, the first one again at the end; None if there is no cycle."""
    try:
        TopologicalSorter(imports_of(package)).prepare()
    except CycleError as error:
        return error.args[1]
    return None


def imports_of(package: Path) -> Mapping[str, set[str]]:
    """Module → the modules of the package that it imports."""
    paths = {name_of(path, package): path for path in package.rglob("*.py") if "migrations" not in path.parts}
    graph = {}
    for name, path in paths.items():
        parent = name if path.name == "__init__.py" else name.rpartition(".")[0]
        found = imported(ast.parse(path.read_text("utf-8")), parent, set(paths))
        graph[name] = {module for module in found if module in paths} - {name}
    return graph


def imported(tree: ast.AST, package: str, known: set[str]) -> Iterable[str]:
    """The names of the modules that a module of `package` imports anywhere."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                base = ".".join([*parents[: len(parents) - node.level + 1], *([node.module] if node.module else [])])
            for alias in node.names:
                submodule = f"{base}.{alias.name}"
                yield submodule if submodule in known else base


def name_of(path: Path, package: Path) -> str:
    return ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")


def test_no_module_imports_itself_by_way_of_others():
    assert cycle_in(PACKAGE) is None


def test_imports_for_types_and_late_imports_count(tmp_path):
    package = tmp_path / "planted"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("from planted.late import late\n")
    (package / "inner" / "__init__.py").write_text("")
    (package / "typed.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from planted.inner import relative\n"
    )
    (package / "inner" / "relative.py").write_text("from .. import late\n")
    (package / "late.py").write_text("def late():\n    import os, planted.typed\n")
    cycle = cycle_in(package)
    assert cycle is not None
    assert set(cycle) == {"planted.typed", "planted.inner.relative", "planted.late"}
    (package / "late.py").write_text("import os\n")
    assert cycle_in(package) is None
