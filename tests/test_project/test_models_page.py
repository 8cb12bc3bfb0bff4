"""docs/models.md: its table has each profile, and each of its entries can be asked."""

import asyncio
import json
import re
from pathlib import Path

import pytest

from agentchat.llm.client import complete
from agentchat.llm.config_entries import entries_of
from agentchat.llm.profiles import PROFILES, profile_for
from tests.llm.services import EVERYONE, SERVICES, refusing

PAGE = Path(__file__).parents[2].joinpath("docs", "models.md").read_text(encoding="utf-8")
[SECTION] = re.findall(r"^## Services\n(.*?)^## ", PAGE, re.DOTALL | re.MULTILINE)
ENTRIES = [
    {**json.loads(line), "api_key": "k"}  # the page has "…" in its place
    for block in re.findall(r"```json\n(.*?)```", SECTION, re.DOTALL)
    for line in block.splitlines()
]


def profile_name(entry):
    [parsed] = entries_of(entry)
    return parsed.profile or profile_for(api_type=parsed.api_type, base_url=parsed.base_url, model=parsed.model).name


def test_the_table_has_each_profile():
    assert set(re.findall(r"^\| [^|]+ \| `([a-z.]+)` \|", SECTION, re.MULTILINE)) == set(PROFILES)


def test_there_is_an_entry_for_each_service():
    assert {profile_name(entry) for entry in ENTRIES} == set(PROFILES) - {"generic"}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["model"])
def test_each_entry_can_be_asked(entry, scripted_llm):
    name = profile_name(entry)
    scripted_llm.always(refusing(*EVERYONE, *SERVICES[name]))
    here = scripted_llm.base_url.removesuffix("/v1") if name == "azure" else scripted_llm.base_url
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "name": "desk", "content": "Hello"}]
    config = {**entry, "base_url": here, "profile": name, "api_key": "k"}
    assert asyncio.run(complete(config, messages, on_delta=lambda delta: None)).content == "ok"
    assert len(scripted_llm.requests) == 1
    assert scripted_llm.requests[0]["model"] == entry["model"]
