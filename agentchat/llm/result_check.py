"""Whether an answer is the result that its request has asked for, and if not, whether to ask again."""

from dataclasses import replace
from typing import NamedTuple

from agentchat.core.secrets import mask
from agentchat.errors import LLMContentFiltered, LLMDeclined, LLMError, LLMResultInvalid
from agentchat.llm.request import ModelRequest
from agentchat.llm.response import ModelResponse
from agentchat.llm.results import Misfit

MAX_WORDS_CHARS = 500  # of the model's own, in an error


class Unusable(NamedTuple):
    """An answer that is no result. `misfit` is what to tell the model; None: it would not answer otherwise."""

    error: LLMError
    misfit: Misfit | None


def checked(request: ModelRequest, response: ModelResponse) -> ModelResponse | Unusable:
    """The answer, with the JSON of the result as its text; as it is, if it calls tools, or none was asked for.

    Calls the validators of the result's model, which may block.
    """
    result, entry = request.result, request.entry
    if result is None:
        return response
    response = request.with_result_as_text(response)
    if response.calls:
        return response
    wanted = f"{entry} gave no {result.name}"
    if response.declined:
        words = mask(response.content[:MAX_WORDS_CHARS])
        return Unusable(LLMDeclined(f"{wanted}: it declined with the words {words!r}"), None)
    try:
        return replace(response, content=result.json_in(response.content))
    except Misfit as misfit:
        match response.cut_off:
            case "length":
                hint = "raise 'max_completion_tokens' (or 'max_tokens'), or ask for less"
                return Unusable(LLMResultInvalid(f"{wanted}: it was cut off at its maximum length; {hint}"), None)
            case "content_filter":
                return Unusable(LLMContentFiltered(f"{wanted}: a filter of its service ended the answer"), None)
        return Unusable(LLMResultInvalid(mask(f"{wanted}, asked several times: {misfit}")), misfit)
