"""What a model reads of a chat when it replies: all of it, the last messages, or a summary and the last messages.

A summary is made by the agent's own model, once in a while: when what is not summed up yet has become long. It is a
step, so a resumed run has it from its journal, and an event, so users can read it and later runs go on with it.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, TypeAlias

from agentchat.agents.history import text_of
from agentchat.agents.protocols import Message
from agentchat.agents.replying_agent import ReplyingAgent
from agentchat.core.files import files_of_text
from agentchat.core.summaries import HistorySummarized, Summary, digest_of, keep_together
from agentchat.errors import ConfigError
from agentchat.io.base import IOStream, send_to
from agentchat.llm.condensing import MAX_PART_CHARS, summary_in, summary_request

HistoryChoice: TypeAlias = bool | int | Literal["summary"]
"""True: the whole chat. False: what the user has said since the last answer. A number: that many messages. "summary": a
summary of the older part, and the newest messages."""

MAX_MESSAGES, MAX_CHARS = 24, 16_000  # that are not summed up yet; with more, they are
KEPT_MESSAGES, KEPT_CHARS = 8, 8_000  # the newest, which are told as they are
MAX_REQUEST_CHARS = 48_000  # of messages that are summed up by one request


def check_history(choice: HistoryChoice) -> None:
    """Raise ConfigError for anything else."""
    is_number = isinstance(choice, int) and not isinstance(choice, bool) and choice > 0
    if not (isinstance(choice, bool) or is_number or choice == "summary"):
        raise ConfigError(f"history={choice!r}: use True, False, a number of messages of at least 1, or 'summary'")


def messages_to_read(
    choice: HistoryChoice, agent: ReplyingAgent, stream: IOStream, said: Sequence[Message]
) -> list[Message]:
    """The messages that the agent's model reads. Blocks while a summary is made. Raise LLMError if none can be."""
    if choice is False:
        return _last_words(said)
    messages: list[Message] = [*stream.history, *said]
    if choice is True:
        return messages
    if choice == "summary":
        return _with_summary(agent, stream, messages)
    return messages[keep_together(messages, max(0, len(messages) - choice)) :]


def _last_words(said: Sequence[Message]) -> list[Message]:
    """What the user has said since the last answer."""
    last = max((n for n, each in enumerate(said) if each["role"] == "assistant"), default=-1)
    return list(said[last + 1 :]) or list(said[-1:])


def _with_summary(agent: ReplyingAgent, stream: IOStream, messages: list[Message]) -> list[Message]:
    summary: Summary | None = vars(stream).get("_summary") or getattr(stream.history, "summary", None)
    known, before = (summary.text, summary.messages) if summary is not None else ("", 0)
    if _is_long(messages[before:]) and (place := _cut(messages, before)) > before:
        text = known
        for part in _parts(messages[before:place]):
            text = _summed_up(agent, text, part) or text
        if text != known:
            known, before = text, place
            vars(stream)["_summary"] = Summary(text=text, messages=place)
            kept = messages[place:]
            send_to(
                stream,
                HistorySummarized(summary=text, messages=place, kept=len(kept), first=digest_of(kept[0])),
            )
    return [*_as_messages(known, before), *messages[before:]]


def _as_messages(summary: str, count: int) -> Iterator[Message]:
    """The summary as the model reads it. As a user's message: what was said in a chat has no more authority here."""
    if summary:
        yield {
            "role": "user",
            "content": f"[Instead of the first {count} messages of this chat, a summary:]\n\n{summary}",
        }


def _is_long(messages: Sequence[Message]) -> bool:
    return len(messages) > MAX_MESSAGES or _length(messages) > MAX_CHARS


def _length(messages: Iterable[Message]) -> int:
    return sum(len(text_of(each["content"])) for each in messages)


def _cut(messages: Sequence[Message], before: int) -> int:
    """The place of the first message that is kept as it is. What is to be answered always is."""
    place = len(messages) - 1
    while place > before and messages[place - 1]["role"] == "user" == messages[place]["role"]:
        place -= 1  # what the user has said since the last answer
    while place > before and len(messages) - place < KEPT_MESSAGES and _length(messages[place - 1 :]) <= KEPT_CHARS:
        place -= 1
    return max(before, keep_together(messages, place))


def _parts(messages: Sequence[Message]) -> Iterator[list[Message]]:
    """The messages in parts for one request each; a long one in several pieces, so that nothing is left out."""
    part: list[Message] = []
    for message in messages:
        text = _with_file_names(message["content"])
        for start in range(0, len(text), MAX_PART_CHARS):
            piece = text[start : start + MAX_PART_CHARS]
            if part and _length(part) + len(piece) > MAX_REQUEST_CHARS:
                yield part
                part = []
            part.append({"role": message["role"], "content": piece})
    if part:
        yield part


def _with_file_names(content: Any) -> str:
    """The text of a message, and the names of its files: what is in them is not summed up."""
    files = (f"[File {file.name} ({file.content_type}, {file.size_text})]" for file in files_of_text(content))
    return "\n".join(filter(None, [text_of(content), *files]))


def _summed_up(agent: ReplyingAgent, earlier: str, messages: Sequence[Message]) -> str:
    if agent.client is None:
        return ""  # who is asked to reply is about to raise that
    client = agent.client.for_text()
    return summary_in(
        client.ask(lambda: summary_request(earlier, messages), name="summary", to="", silent=True).content
    )
