"""A canary in each secret of an entry: whatever fails, no text that leaves the process has it."""

import base64
import json
import logging
import traceback

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from agentchat import ConversableAgent
from agentchat.checks.models import check_models
from agentchat.conf import app
from agentchat.core.log import LineFormatter
from agentchat.errors import ConfigError, LLMError
from agentchat.i18n import system_messages
from agentchat.io.websockets import IOWebsockets
from agentchat.llm import config
from agentchat.llm.config import llm_config
from agentchat.llm.config_entries import entries_of
from agentchat.models import Event, Run, Step
from agentchat.runs.failures import recorded_failure
from agentchat.testing import call, cut, fail, raw
from tests.llm.chunks import event

KEY = "sk-CANARY-0123456789abcdefghij"
PASSWORD = "CANARY-password/1+2"
BASIC = base64.b64encode(f"ada:{PASSWORD}".encode()).decode()
SECRETS = {
    "api_key": KEY,
    "default_headers": {"X-Gateway": f"token {KEY}-header", "Authorization": f"Bearer {KEY}-bearer"},
    "default_query": {"key": f"{KEY}&query", "plain": f"{KEY}-plain"},
}
ECHO = (
    f"Incorrect key {KEY}, {KEY}-header, {KEY}&query, {KEY}%26query, {PASSWORD}, Basic {BASIC}, 'Bearer {KEY}-bearer'"
)
ANSWERS = {
    "a status": fail(401, {"error": {"message": ECHO, "code": ECHO, "param": ECHO}}),
    "another status": fail(400, ECHO),
    "a strange status": fail(418, {"detail": [{"loc": ["header", ECHO], "msg": ECHO}]}),
    "no JSON": fail(500, f"<html>{ECHO}</html>"),
    "an error in the stream": raw(event({"error": {"message": ECHO}})),
    "words in the stream": raw(f"data: {ECHO}\n\n".encode()),
    "an odd chunk": raw(event(ECHO)),
    "an odd field": raw(event({"choices": ECHO})),
    "a reason to stop": raw(event({"choices": [{"delta": {}, "finish_reason": f"error: {ECHO}"}]})),
    "a break": cut(ECHO),
}


def written(caplog):
    """The whole log, as this project writes it; our own records as any project does."""
    ours = [record for record in caplog.records if record.name.startswith("agentchat")]
    plain, safe = logging.Formatter("%(message)s"), LineFormatter("%(message)s")
    return "\n".join([*map(plain.format, ours), *map(safe.format, caplog.records)])


def texts_of(error):
    """What is made of an error: for the log, the journal, pages, and code that catches it."""
    handled = LineFormatter("%(message)s").formatException((type(error), error, error.__traceback__))
    stored = json.dumps(recorded_failure(error)) if isinstance(error, LLMError | ConfigError) else ""
    shown = system_messages.run_error(error, error_id="e")
    return "\n".join([str(error), handled, stored, repr(shown), str(vars(error).get("origin"))])


def assert_silent(text):
    for secret in ("CANARY", KEY, PASSWORD, BASIC):
        assert secret not in text


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_what_a_service_repeats_is_masked(scripted_llm, ask, caplog, answer):
    caplog.set_level(logging.DEBUG)
    scripted_llm.always(answer)
    address = scripted_llm.config_list[0]["base_url"].replace("://", f"://ada:{PASSWORD.replace('/', '%2F')}@")
    with pytest.raises(LLMError) as raised:
        ask({"config_list": [{"model": "m", "base_url": address, **SECRETS}], "max_retries": 0})
    assert_silent(texts_of(raised.value))
    assert_silent(written(caplog))


@pytest.mark.parametrize(
    "address",
    [
        "http://ada:CANARY-password@127.0.0.1:1/v1",
        "http://127.0.0.1:1/v1?key=CANARY-password",
        "http://CANARY-password@127.0.0.1:1/v1",
    ],
)
def test_an_address_that_does_not_answer_is_masked(ask, caplog, address):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(LLMError) as raised:
        ask({"model": "m", "base_url": address, "max_retries": 0, **SECRETS})
    assert_silent(texts_of(raised.value))
    assert_silent(written(caplog))


WRONG_KEYS = [
    *(f"{KEY}\n", f" {KEY}", f"{KEY} {KEY}", f"{KEY}\r\nX-Evil: 1", f"{KEY}é", f"{KEY}\x00", f"{KEY}…"),
    [KEY],
    {"k": KEY},
]
WRONG_URLS = f"http://a:{KEY}@h:{KEY}/", f"http://h/?k={KEY}\n", KEY, f"http://a:{KEY} @h/", f"[{KEY}"
WRONG_ENTRIES = [
    *({"api_key": key} for key in WRONG_KEYS),
    *({"default_headers": {"X-Key": key}} for key in (f"{KEY}\n", f" {KEY}", f"{KEY}é", f"{KEY}\r\nX: 1")),
    *({"default_headers": headers} for headers in (f"X-Key: {KEY}", [KEY], {f"X {KEY}": "x"}, {f"X\n{KEY}": "x"})),
    {"default_query": KEY},
    {"extra_headers": {"X-Key": f"{KEY}\n"}},
    {"organization": f"{KEY}\n"},
    {"project": f"{KEY}\n"},
    *(
        {"base_url": url}
        for url in (f"http://a:{KEY}@h:{KEY}/", f"http://h/?k={KEY}\n", KEY, f"http://a:{KEY} @h/", f"[{KEY}")
    ),
    {"http_client": KEY},
    {"extra_body": KEY},
    {"azure_ad_token": KEY},
]


@pytest.mark.parametrize("wrong", WRONG_ENTRIES, ids=range(len(WRONG_ENTRIES)))
def test_an_entry_that_is_wrong_is_refused_without_its_secrets(wrong, settings):
    entry = {"model": "m", "api_key": "sk-fine", **wrong}
    with pytest.raises(ConfigError) as raised:
        entries_of({"config_list": [entry]})
    assert_silent(texts_of(raised.value))
    settings.AGENTCHAT = {"LLM": [entry]}
    assert_silent(repr(check_models()))


@pytest.mark.parametrize("value", [KEY, {"model": "m", "api_key": KEY}, [KEY], [{"api_key": KEY}], 5])
def test_a_setting_that_is_wrong_is_reported_without_its_value(settings, value):
    settings.AGENTCHAT = {"LLM": value}
    problems = [*app.problems()]
    assert "AGENTCHAT['LLM'] is not valid: use a list of dicts" in problems[0]
    assert_silent(repr([problems, check_models()]))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_API_KEY", f"{KEY}\n"),
        ("OPENAI_BASE_URL", f"http://ada:{KEY}@h:x/"),
        ("OAI_CONFIG_LIST", f'[{{"model": "m", "api_key": "{KEY}"'),
        ("OAI_CONFIG_LIST", f'{{"model": "m", "api_key": "{KEY}"}}'),
        ("OAI_CONFIG_LIST", f'["{KEY}"]'),
        ("OAI_CONFIG_LIST", KEY),
        ("OAI_CONFIG_LIST", "[" * 100_000 + KEY),
    ],
)
def test_an_environment_that_is_wrong_is_reported_without_its_value(monkeypatch, name, value):
    monkeypatch.setattr(config, "_source", None)
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as raised:
        entries_of(llm_config())
    assert_silent(texts_of(raised.value))
    assert_silent(repr(check_models()))
    assert "".join(traceback.format_exception(raised.value)).count("CANARY") == 0


# --- and through a run ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [f"{KEY}\n", KEY], ids=["a key that cannot be sent", "a key that is repeated"])
def test_a_run_that_fails_leaves_no_secret_behind(
    scripted_llm, agent_function, agent_chat, caplog, admin_client, wrong
):
    def ask_it(iostream):
        entry = {**scripted_llm.config_list[0], "api_key": wrong, "default_headers": SECRETS["default_headers"]}
        agent = ConversableAgent("agent", llm_config={"config_list": [entry], "max_retries": 0})
        agent.generate_reply([{"role": "user", "content": iostream.input()}])

    caplog.set_level(logging.DEBUG)
    scripted_llm.always(fail(401, {"error": {"message": f"Incorrect key {KEY}, {KEY}-header, {KEY}-bearer"}}))
    chat = agent_chat(agent_function(ask_it))
    chat.send("go")
    chat.wait_for("RUN_ERROR")
    assert_silent(written(caplog))
    assert_silent(repr([*Step.objects.values(), *Event.objects.values(), *Run.objects.values()]))
    run = Run.objects.get()
    for page in (f"/admin/agentchat/run/{run.pk}/change/", f"/admin/agentchat/chatsession/{run.session_id}/change/"):
        assert_silent(admin_client.get(page).content.decode())


# --- and to a client without Django -----------------------------------------------------------------------------------

FAILURES = {name: answer for name, answer in ANSWERS.items() if name != "a break"}  # what it has said before is its own


@pytest.mark.parametrize("answer", FAILURES.values(), ids=FAILURES)
def test_a_client_of_a_bare_websocket_reads_no_secret(scripted_llm, caplog, answer):
    def ask_it(iostream):
        entry = {**scripted_llm.config_list[0], **SECRETS, "base_url": address}
        agent = ConversableAgent("agent", llm_config={"config_list": [entry], "max_retries": 0})
        agent.register_for_llm(description="Look.")(look := wrong_tool())
        agent.register_for_execution()(look)
        user = ConversableAgent("user", llm_config=False, human_input_mode="NEVER", max_consecutive_auto_reply=1)
        user.register_for_execution()(look)
        user.initiate_chat(agent, message=iostream.input())

    def wrong_tool():
        def look() -> str:
            raise RuntimeError(f"401 for {KEY}")

        return look

    caplog.set_level(logging.DEBUG)
    address = scripted_llm.config_list[0]["base_url"].replace("://", f"://ada:{PASSWORD.replace('/', '%2F')}@")
    scripted_llm.replies(call("look"), answer)
    with (
        IOWebsockets.run_server_in_thread(port=0, on_connect=ask_it) as uri,
        connect(uri, max_size=None) as client,
    ):
        client.send("go")
        read: list[str] = []
        with pytest.raises(ConnectionClosedError) as closed:
            read.extend(client)
    assert closed.value.rcvd.code == 1011
    assert "401 for sk-…ghij" in "".join(read)  # what its tool has said
    assert_silent("".join(read))
    assert_silent(written(caplog))
