"""What services say when they do not answer, and what users read of it."""

import pytest

from agentchat import errors
from agentchat.errors import (
    LLMAuthError,
    LLMContentFiltered,
    LLMContextTooLong,
    LLMError,
    LLMNotFound,
    LLMPermissionDenied,
    LLMQuotaExceeded,
    LLMRateLimited,
    LLMRefused,
    LLMUnavailable,
)
from agentchat.llm.errors import is_transient, kind_of, words_of
from agentchat.testing import Scripted, raw, say

# The service, the status, the error as the SDK gives it, and what it means.
SAID = [
    ("OpenAI", 400, {"message": "too long", "code": "context_length_exceeded"}, LLMContextTooLong),
    ("OpenAI", 400, {"message": "Your input exceeds the context window of this model."}, LLMContextTooLong),
    ("OpenAI", 429, {"message": "Request too large for gpt-4 on tokens per min (TPM)"}, LLMContextTooLong),
    ("OpenAI", 429, {"message": "Rate limit reached for gpt-4 on tokens per min (TPM): Limit 1"}, LLMRateLimited),
    ("OpenAI", 429, {"message": "You exceeded your quota", "code": "insufficient_quota"}, LLMQuotaExceeded),
    ("OpenAI", 404, {"message": "The model `x` does not exist", "code": "model_not_found"}, LLMNotFound),
    ("OpenAI", 403, {"message": "Project has no access to model `x`", "code": "model_not_found"}, LLMPermissionDenied),
    ("OpenAI", 400, {"message": "max_tokens is too large: 9. This model supports at most 4 tokens"}, LLMRefused),
    ("OpenAI", 400, {"message": "Invalid value for 'messages[1].content'"}, LLMRefused),
    ("Azure", 400, {"message": "our content management policy", "code": "content_filter"}, LLMContentFiltered),
    ("Azure", 404, {"message": "The API deployment does not exist.", "code": "DeploymentNotFound"}, LLMNotFound),
    ("Mistral", 400, {"object": "error", "message": "Invalid model: x", "type": "invalid_model"}, LLMNotFound),
    ("Mistral", 400, {"message": "9 tokens, too large for model with 5 maximum context length"}, LLMContextTooLong),
    ("DeepSeek", 402, {"message": "Insufficient Balance"}, LLMQuotaExceeded),
    ("DeepSeek", 400, {"message": "Content Exists Risk"}, LLMContentFiltered),
    ("DeepSeek", 400, {"message": "Model Not Exist"}, LLMNotFound),
    ("Kimi", 429, {"message": "Your account is suspended", "type": "exceeded_current_quota_error"}, LLMQuotaExceeded),
    ("Kimi", 400, {"message": "Your request exceeded model token limit: 8192"}, LLMContextTooLong),
    ("Gemini", 400, [{"error": {"code": 400, "message": "API key not valid.", "status": "x"}}], LLMAuthError),
    ("Gemini", 400, {"message": "The input token count (9) exceeds the maximum number of tokens"}, LLMContextTooLong),
    ("Gemini", 429, {"message": "You exceeded your current quota. Please retry in 22s."}, LLMRateLimited),
    ("Groq", 413, {"message": "Request too large for model `x`", "code": "rate_limit_exceeded"}, LLMContextTooLong),
    ("xAI", 400, "Incorrect API key provided: x", LLMAuthError),
    ("xAI", 403, "Your team has used all available credits", LLMQuotaExceeded),
    ("Anthropic", 400, {"message": "Your credit balance is too low to access the API"}, LLMQuotaExceeded),
    ("Anthropic", 400, {"message": "prompt is too long: 9 tokens > 5 maximum"}, LLMContextTooLong),
    ("Anthropic", 529, {"message": "Overloaded", "type": "overloaded_error"}, LLMUnavailable),
    ("OpenRouter", 402, {"message": "This request requires more credits", "code": 402}, LLMQuotaExceeded),
    ("OpenRouter", 403, {"message": "Your input was flagged", "code": 403}, LLMContentFiltered),
    ("OpenRouter", 400, {"message": "x/y is not a valid model ID", "code": 400}, LLMNotFound),
    ("OpenRouter", 403, {"message": "Key limit exceeded (daily limit)"}, LLMQuotaExceeded),
    ("Anthropic", 400, {"message": "You have reached your specified API usage limits."}, LLMQuotaExceeded),
    ("DashScope", 400, {"message": "Access denied", "code": "Arrearage"}, LLMQuotaExceeded),
    ("DashScope", 400, {"message": "Range of input length should be [1, 30720]"}, LLMContextTooLong),
    ("Zhipu", 429, {"code": "1113", "message": "余额不足或无可用资源包"}, LLMQuotaExceeded),
    ("Zhipu", 400, {"code": "1261", "message": "Prompt 超长"}, LLMContextTooLong),
    ("Zhipu", 400, {"code": "1301", "message": "输入或生成内容可能包含不安全或敏感内容"}, LLMContentFiltered),
    ("Azure", 429, {"message": "You have exceeded token rate limit of your tier", "code": "429"}, LLMRateLimited),
    ("TGI", 422, {"error": "Input validation error: `inputs` must have less than 4096 tokens."}, LLMContextTooLong),
    ("vLLM", 400, {"message": "The prompt is longer than the maximum model length of 5."}, LLMContextTooLong),
    ("vLLM", 400, {"message": "max_tokens must be at least 1, got -904."}, LLMContextTooLong),
    ("vLLM", 400, {"message": "max_tokens must be at least 1, got 0."}, LLMRefused),
    ("LM Studio", 400, "Trying to keep the first 9 tokens when context the overflows.", LLMContextTooLong),
    ("a proxy", 400, {"message": "Header names are case-sensitive"}, LLMRefused),
    ("llama.cpp", 500, {"message": "the request exceeds the available context size"}, LLMContextTooLong),
    ("Ollama", 404, "model 'x' not found", LLMNotFound),
    ("LM Studio", 400, "No models loaded. Please load a model", LLMNotFound),
    ("vLLM", 422, {"detail": [{"loc": ["body", "n"], "msg": "too small", "input": "prompt is too long"}]}, LLMRefused),
    ("a proxy", 502, "<html><body><h1>502 Bad Gateway</h1></body></html>", LLMUnavailable),
    ("a proxy", 404, None, LLMNotFound),
    ("a web server", 405, "Method Not Allowed", LLMNotFound),
    ("a proxy", 418, None, LLMRefused),
    ("a stream", None, {"message": "context length exceeded"}, LLMContextTooLong),
    ("a stream", None, {"message": "slow", "code": "rate_limit_exceeded"}, LLMRateLimited),
    ("a stream", None, {"message": "slow", "code": "429"}, LLMRateLimited),
    ("a stream", None, {"message": "upstream died", "code": 502}, LLMError),
    ("a stream", None, "who knows", LLMError),
]  # fmt: skip


@pytest.mark.parametrize(("service", "status", "body", "kind"), SAID)
def test_what_a_service_says_is_understood(service, status, body, kind):
    assert kind_of(body, status) is kind


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"message": "No.", "code": 1}, "No."),
        ({"message": {"detail": [{"loc": ["body", "x"], "msg": "Extra", "input": "?"}]}}, "body.x: Extra"),
        ([{"error": {"message": "No."}}, {"error": "Never."}], "No.; Never."),
        ({"detail": "Not Found"}, "Not Found"),
        ({"error_description": "expired"}, "expired"),
        ("<html><style>b {}</style><h1>502</h1>\n<p>Bad Gateway</p>", "502 Bad Gateway"),
        ({"strange": 1}, '{"strange": 1}'),
        (None, ""),
        ("x" * 9_999, "x" * 500),
    ],
)  # fmt: skip
def test_its_own_words_are_found_in_whatever_shape_it_writes_them(body, words):
    assert words_of(body) == words


LASTING = {LLMAuthError, LLMPermissionDenied, LLMNotFound, LLMRefused, LLMContextTooLong, LLMContentFiltered}
LASTING |= {errors.LLMDeclined}


def test_only_what_may_pass_is_asked_again_and_users_are_told_so():
    kinds = [each for each in errors.error_classes(LLMError) if each.__module__ == errors.__name__]
    assert {kind for kind in kinds if not is_transient(kind)} == LASTING | {LLMQuotaExceeded, errors.LLMTimeout}
    told = {kind for kind in kinds if "try again" in kind.user_message.lower()}
    assert told == set(kinds) - LASTING - {LLMQuotaExceeded}
    assert {kind for kind in kinds if not kind.may_retry} == {
        LLMRefused,
        LLMContextTooLong,
        LLMContentFiltered,
        errors.LLMDeclined,
    }


def test_each_kind_has_words_and_a_code_of_its_own():
    kinds = {each for each in errors.error_classes(LLMError) if each.__module__ == errors.__name__}
    assert len({kind.user_message for kind in kinds}) == len({kind.code for kind in kinds}) == len(kinds) == 15
    reached = [kind for kind in kinds if "reached" in kind.user_message]
    assert reached == [errors.LLMUnreachable]


def test_a_proxy_s_page_is_not_taken_for_words(scripted_llm, ask):
    page = raw(b"<html><h1>504 Gateway Time-out</h1></html>", content_type="text/html")
    page.status = 504
    assert isinstance(page, Scripted)
    scripted_llm.always(page)
    with pytest.raises(LLMUnavailable, match=r"out of order \(HTTP 504\): 504 Gateway Time-out$"):
        ask(scripted_llm.llm_config(max_retries=0))


def test_a_web_page_instead_of_an_answer_means_another_address(scripted_llm, ask):
    scripted_llm.always(raw(b"<!doctype html>\n<title>Welcome</title>\n", content_type="text/html; charset=utf-8"))
    with pytest.raises(LLMNotFound, match=r"answered with a web page.*check the entry's 'base_url'"):
        ask(scripted_llm.llm_config())
    assert len(scripted_llm.requests) == 1


def test_an_answer_that_is_called_a_web_page_is_an_answer(scripted_llm, ask):
    answer = say("Hi")
    answer.headers["content-type"] = "text/html"
    scripted_llm.replies(answer)
    assert ask(scripted_llm.llm_config()).content == "Hi"
