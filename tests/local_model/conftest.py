"""A small real model behind the real SDK. What it says is nobody's claim: tests assert how it is said.

`make model` installs it. Without it these tests are skipped, with one line that says why; with
AGENTCHAT_REQUIRE_MODEL=1 (CI) they fail.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentchat.llm import config
from tests.local_model.server import LocalModel, start


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("model")


@pytest.fixture(scope="session")
def running_model() -> Iterator[LocalModel]:
    model = start()
    yield model
    model.close()


@pytest.fixture
def model(running_model: LocalModel, monkeypatch: pytest.MonkeyPatch) -> LocalModel:
    """The model that `llm_config()` finds, with nothing to do."""
    monkeypatch.setattr(config, "_source", None)  # a model in Django's settings would come first
    monkeypatch.setenv("OAI_CONFIG_LIST", running_model.config_list)
    running_model.wait_until(lambda slots: not slots)
    return running_model


@pytest.fixture
def mortal_model(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], LocalModel]]:
    """Starts a model that the test may kill; `llm_config()` finds it."""
    started: list[LocalModel] = []

    def begin() -> LocalModel:
        started.append(model := start())
        monkeypatch.setattr(config, "_source", None)
        monkeypatch.setenv("OAI_CONFIG_LIST", model.config_list)
        return model

    yield begin
    for model in started:
        model.close()
