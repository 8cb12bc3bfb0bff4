"""Projects of somebody else. Each test here starts several processes; the plainest one stays in the fast loop."""

from pathlib import Path

import pytest

from tests.faults.conftest import guest
from tests.foreign.project import Project

__all__ = ["guest"]

IN_THE_FAST_LOOP = "test_one_process"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.name != IN_THE_FAST_LOOP:
            item.add_marker("slow")


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a plain project. Projects that have the same tables begin with a copy."""
    plain = Project(tmp_path_factory.mktemp("plain"))
    plain.manage("migrate", "--verbosity", "0")
    return plain.folder / "db.sqlite3"
