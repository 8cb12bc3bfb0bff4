"""Answers that have a type: an instance of a pydantic model, whatever way its service has to be asked for one.

`result_format` is what is wanted, `request_form` how a request asks for it, `model_schema` the JSON schema that
services take, and `readable` what users see of it. `llm.client` asks, and asks again for what does not fit.
"""

from agentchat.llm.results.readable import GrowingResult
from agentchat.llm.results.result_format import Misfit, ResultFormat, result_format

__all__ = ["GrowingResult", "Misfit", "ResultFormat", "result_format"]
