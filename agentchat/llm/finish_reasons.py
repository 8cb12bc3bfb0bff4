"""Why a model stopped, in OpenAI's words: services have many for the same."""

from typing import Any

from agentchat.errors import LLMStreamTruncated

_MEANINGS = {
    "stop": ("end_turn", "stop_sequence", "eos", "eos_token", "end", "complete", "completed", "finished"),
    "length": ("max_tokens", "max_output_tokens", "model_length", "max_length", "token_limit", "truncated"),
    "tool_calls": ("tool_call", "tool_use"),
    "content_filter": (
        *("content_filtered", "content_policy", "filtered", "moderation", "refusal", "safety", "sensitive"),
        *("blocklist", "image_safety", "prohibited_content", "recitation", "spii", "guardrail_intervened"),
    ),
}
_FAILURES = (
    *("error", "network_error", "insufficient_system_resource", "abort", "aborted", "cancelled", "canceled"),
    *("malformed_function_call", "unexpected_tool_call", "malformed_response", "timeout"),
)
_OPENAI_REASON = {word: reason for reason, words in _MEANINGS.items() for word in words}


def finish_reason_of(word: Any) -> str | None:
    """OpenAI's word for a service's; None if it is none yet. An unknown word stays as it is.

    Raise LLMStreamTruncated if it means that the service gave up on its answer.
    """
    if not isinstance(word, str) or word.strip().lower() in ("", "null", "none"):
        return None
    # Gemini's begin with a kind: "content_filter: RECITATION", "function_call_filter: MALFORMED_FUNCTION_CALL".
    words = [part.strip().lower() for part in word.split(":")]
    if any(each in _FAILURES for each in words):
        raise LLMStreamTruncated(f"the service gave up on its answer: {word}")
    return next((_OPENAI_REASON[each] for each in words if each in _OPENAI_REASON), words[0])
