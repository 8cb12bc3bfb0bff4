"""Placeholders for secrets are reported before a site is public."""

import re
import secrets
from pathlib import Path

import pytest

from agentchat.checks.secrets import check_secrets

ROOT = Path(__file__).resolve().parents[2]
GOOD = "QCLnPkqYy3eBdcu5xfdWm1UsR9OEVqECmD2GU3Y5jXTaI4Evk-4H8ZSMTZsgOqn_shQ"


@pytest.fixture
def found(settings):
    def found(secret_key=GOOD, *fallbacks, api_key="sk-0123456789abcdef", **entry):
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = secret_key, list(fallbacks)
        settings.AGENTCHAT = {"LLM": [{"model": "gpt-4o", "api_key": api_key, **entry}]}
        messages = check_secrets()
        assert not [each for each in messages if secret_key in str(each) or api_key in str(each)]
        return [message.id for message in messages]

    return found


def documented(name):
    texts = [(ROOT / each).read_text() for each in ("docs/deploying.md", "deploy/.env.example")]
    return {value for text in texts for value in re.findall(rf"^{name}=(\S+)$", text, re.MULTILINE)}


def test_random_secrets_are_fine(found):
    assert found() == []
    assert not [key for key in (secrets.token_urlsafe(50) for _ in range(200)) if found(key)]


def test_each_secret_of_the_documentation_is_a_placeholder(found):
    keys, api_keys = documented("SECRET_KEY"), documented("OPENAI_API_KEY")
    assert keys
    assert api_keys
    assert [key for key in keys if found(key) != ["agentchat.W021"]] == []
    assert [key for key in api_keys if found(api_key=key) != ["agentchat.W022"]] == []


@pytest.mark.parametrize(
    "key", [f"django-insecure-{GOOD}", "short", "k" * 60, f"change-me-{GOOD}", f"your-secret-key-{GOOD}", GOOD[:49]]
)
def test_a_secret_key_that_can_be_guessed_is_one_too(found, key):
    assert found(key) == ["agentchat.W021"]
    assert found(GOOD, key) == ["agentchat.W021"]


@pytest.mark.parametrize(
    "key", ["sk-replace-this", "sk-...", "your-api-key", "changeme", "sk-xxxxxxxxxxxx", "<placeholder>"]
)
def test_a_key_of_a_model_that_is_none_is_reported(found, key):
    assert found(api_key=key) == ["agentchat.W022"]


def test_a_local_server_needs_no_key(found):
    assert found(base_url="http://127.0.0.1:11434/v1", api_key="ollama") == []
