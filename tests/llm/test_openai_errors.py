"""Handlers that were written for the OpenAI SDK catch what models raise here."""

import copy
import json
import pickle
import socket
import subprocess
import sys

import openai
import pytest

from agentchat import errors
from agentchat.llm.errors import error_again
from agentchat.runs.failures import recorded_failure
from agentchat.testing import cut, fail, hang, raw
from agentchat.testing.llm_server import KEY


def nowhere():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}/v1"


def in_the_stream(error):
    return raw(b"data: " + json.dumps({"error": error}).encode() + b"\n\n")


HANGS = hang()
ANSWERS = [
    (fail(400, "no"), errors.LLMRefused, openai.BadRequestError),
    (fail(400, "x", code="context_length_exceeded"), errors.LLMContextTooLong, openai.BadRequestError),
    (fail(401, "no"), errors.LLMAuthError, openai.AuthenticationError),
    (fail(402, "no"), errors.LLMQuotaExceeded, openai.APIStatusError),
    (fail(403, "no"), errors.LLMPermissionDenied, openai.PermissionDeniedError),
    (fail(404, "no"), errors.LLMNotFound, openai.NotFoundError),
    (fail(409, "no"), errors.LLMUnavailable, openai.ConflictError),
    (fail(422, "no"), errors.LLMRefused, openai.UnprocessableEntityError),
    (fail(429, "no"), errors.LLMRateLimited, openai.RateLimitError),
    (fail(429, "no", code="insufficient_quota"), errors.LLMQuotaExceeded, openai.RateLimitError),
    (fail(503, "no"), errors.LLMUnavailable, openai.InternalServerError),
    (in_the_stream({"message": "no", "code": 429}), errors.LLMRateLimited, openai.RateLimitError),
    (in_the_stream({"message": "no"}), errors.LLMError, openai.APIError),
    (cut("Half"), errors.LLMStreamTruncated, openai.APIConnectionError),
    (HANGS, errors.LLMTimeout, openai.APITimeoutError),
]


def config_for(answer, scripted_llm):
    """One that does not wait long where nothing comes, and long enough on a busy machine where something does."""
    return scripted_llm.llm_config(max_retries=0, timeout=0.2 if answer is HANGS else 60)


def raised_by(ask, config):
    with pytest.raises(errors.LLMError) as raised:
        ask(config)
    return raised.value


@pytest.mark.parametrize(("answer", "ours", "theirs"), ANSWERS)
def test_what_a_model_raises_is_ours_and_the_sdk_s(scripted_llm, ask, answer, ours, theirs):
    scripted_llm.always(answer)
    error = raised_by(ask, config_for(answer, scripted_llm))
    assert isinstance(error, ours)
    assert isinstance(error, theirs)
    assert error.code == ours.code
    assert (type(error).__name__, type(error).__module__) == (ours.__name__, "agentchat.errors")
    assert error.message == str(error)
    assert str(error.request.url).startswith("http://127.0.0.1:")


def test_a_service_that_is_not_there_is_a_connection_error(ask):
    error = raised_by(ask, {"model": "m", "api_key": KEY, "base_url": nowhere(), "max_retries": 0})
    assert isinstance(error, errors.LLMUnreachable)
    assert isinstance(error, openai.APIConnectionError)


def test_handlers_find_the_status_the_body_and_the_headers(scripted_llm, ask):
    scripted_llm.always(fail(429, f"slow down, {KEY}", code="slow", headers={"retry-after": "30", "set-cookie": "a=b"}))
    error = raised_by(ask, scripted_llm.llm_config(max_retries=0))
    assert (error.status_code, error.body["code"], error.response.headers["retry-after"]) == (429, "slow", "30")
    assert "set-cookie" not in error.response.headers
    assert KEY not in json.dumps(error.origin)


def test_the_address_in_an_error_has_no_password(ask):
    address = nowhere().replace("http://", "http://me:secret@")
    error = raised_by(ask, {"model": "m", "base_url": f"{address}?key=secret", "max_retries": 0})
    assert "secret" not in str(error.request.url) + json.dumps(error.origin)


@pytest.mark.parametrize(("answer", "ours", "theirs"), ANSWERS)
def test_a_recorded_error_is_raised_as_it_was(scripted_llm, ask, answer, ours, theirs):
    scripted_llm.always(answer)
    error = raised_by(ask, config_for(answer, scripted_llm))
    kept = json.loads(json.dumps(recorded_failure(error)))
    again = error_again(ours(kept["error"]), kept["origin"])
    assert type(again) is type(error)
    assert {key: value for key, value in vars(again).items() if key not in ("request", "response")} == {
        key: value for key, value in vars(error).items() if key not in ("request", "response")
    }


def test_an_error_can_be_copied_and_pickled(scripted_llm, ask):
    scripted_llm.always(fail(429, "slow down"))
    error = raised_by(ask, scripted_llm.llm_config(max_retries=0))
    for copied in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
        assert isinstance(copied, openai.RateLimitError)
        assert (copied.code, str(copied), copied.status_code) == ("llm_rate_limited", str(error), 429)


def test_a_process_without_the_sdk_raises_our_class():
    check = (
        "import sys; sys.modules['openai'] = None\n"
        "from agentchat.errors import LLMRateLimited\n"
        "from agentchat.llm.errors import error_again\n"
        "error = error_again(LLMRateLimited('slow'), {'kind': 'RateLimitError', 'status': 429, 'url': 'http://x/'})\n"
        "print(type(error) is LLMRateLimited, error.code, error.status_code, error.body, error)"
    )
    run = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert run.stdout == "True llm_rate_limited 429 None slow\n"


def test_error_classes_of_the_sdk_are_no_error_classes_of_ours(scripted_llm, ask):
    """What is looked up by its code must not depend on what has failed before."""
    scripted_llm.always(fail(429))
    raised_by(ask, scripted_llm.llm_config(max_retries=0))
    assert errors.error_class_of("llm_rate_limited") is errors.LLMRateLimited
    assert [each for each in errors.error_classes() if issubclass(each, openai.OpenAIError)] == []


def test_a_config_error_is_a_value_error():
    assert issubclass(errors.ConfigError, ValueError)
