"""Titles of chats by a model (TITLES = "model"): asked for after the first answer, by no run and in no request.

A row of the outbox says that a chat wants one (`models/title_request.py`). Whoever makes it takes the row by moving the
time at which it is due: if that process dies, another one takes it. The title is set once, and only where nobody has
given one meanwhile: so it is made again or left, and never replaces a user's.

The supervisor has it done in a thread of its own. What goes wrong is logged, and the first message stays the title.
"""

from datetime import timedelta

from django.db import connections
from django.db.models import QuerySet

from agentchat import conf
from agentchat.budgets import metering
from agentchat.core.async_bridge import Bridge, ThreadBridge, bridge_of
from agentchat.core.log import get_logger
from agentchat.core.text import title_of
from agentchat.errors import AgentChatError
from agentchat.events import TextMessageEnd, TextMessageStart, Usage
from agentchat.infra import moments
from agentchat.infra.database import USER_TIMEOUT_SECONDS, close_connections, retry_transaction
from agentchat.infra.loop_scope import current_scope
from agentchat.infra.thread_pool import DaemonPool
from agentchat.llm.client import complete
from agentchat.llm.condensing import MAX_TITLE_CHARS, title_in, title_request
from agentchat.llm.config import llm_config
from agentchat.llm.response import ModelResponse
from agentchat.models import ChatSession, ClientThread, Event, OutboxItem, Run
from agentchat.models.title_request import TitleBy
from agentchat.realtime import chat_list
from agentchat.runs.session_lock import lock_session
from agentchat.runs.transactions import add_usage

logger = get_logger("agentchat.titles")

TIMEOUT_SECONDS = 30.0
MAX_TOKENS = 1_000  # of an answer: some models think before they write a few words
LEASE = timedelta(seconds=45)  # until another process takes the row
MAX_ATTEMPTS = 3
MAX_READ = 20  # events in which the first message and its answer are looked for
THREADS = 2

_POOL = DaemonPool("agentchat-titles", lambda: THREADS, at_end=connections.close_all)


def make_due() -> None:
    """Have the titles made that are wanted. For the supervisor: never waits for a model."""
    if conf.app.titles == "model" and _POOL.busy < THREADS and _due().exists():
        _POOL.submit(make_all)


def make_all() -> None:
    """Make one after the other, until none is due that no other thread or process makes."""
    try:
        while (item := _take()) is not None:
            _make(item)
    except Exception:
        logger.exception("titles of chats will be made later")
    finally:
        close_connections()


def _due() -> "QuerySet[OutboxItem]":
    return OutboxItem.objects.filter(kind=OutboxItem.Kind.TITLE, error="", due_at__lte=moments.now())


def _take() -> OutboxItem | None:
    while (item := _due().order_by("due_at", "pk").first()) is not None:
        unchanged = OutboxItem.objects.filter(pk=item.pk, due_at=item.due_at)
        if unchanged.update(due_at=moments.now() + LEASE, attempts=item.attempts + 1):
            item.attempts += 1
            return item
    return None


def _make(item: OutboxItem) -> None:
    if item.attempts > MAX_ATTEMPTS:  # whatever they have ended with
        _settle(item, None, by=TitleBy.MESSAGE)
        return
    session = ChatSession.objects.filter(pk=item.session_id, deleted_at=None).first()
    beginning = _beginning_of(session) if session is not None and not session.title_by else []
    if session is None or not beginning:
        OutboxItem.objects.filter(pk=item.pk).delete()  # it is asked for again when there is an answer
        return
    if session.title and session.title != title_of(beginning[0]["content"], MAX_TITLE_CHARS):
        _settle(item, None, by=TitleBy.USER)  # given before it was recorded who gave it
        return
    is_programs = ClientThread.objects.filter(session=session).exists()  # which may begin one with each request
    if is_programs or metering.used_up(metering.spender_of(session), ("tokens", "cost")) is not None:
        _settle(item, None, by=TitleBy.MESSAGE)
        return
    try:
        config = llm_config(max_tokens=MAX_TOKENS, max_retries=0)
        response = _bridge().run(
            lambda: complete(config, title_request(beginning), on_delta=lambda delta: None), timeout=TIMEOUT_SECONDS
        )
    except (AgentChatError, TimeoutError, OSError) as error:
        given_up = item.attempts >= MAX_ATTEMPTS
        logger.warning(
            "chat session %s got no title, which is %s: %s: %s",
            item.session_id,
            "given up" if given_up else "tried again",
            type(error).__name__,
            error,
        )
        if given_up:
            _settle(item, None, by=TitleBy.MESSAGE)
        return
    title = title_in(response.content)
    _settle(item, response, title=title, by=TitleBy.MODEL if title else TitleBy.MESSAGE)


def _settle(item: OutboxItem, response: ModelResponse | None, *, by: str, title: str = "") -> None:
    """Set the title, unless it has been decided meanwhile, and count what it has cost; the row has done its work."""

    def settle(is_retry: bool) -> bool:
        with lock_session(item.session_id) as session:
            row, _ = OutboxItem.objects.filter(pk=item.pk).delete()
            if not row:
                return is_retry  # another attempt has done it all
            # Not `updated_at`: a title does not move a chat up the list.
            undecided = ChatSession.objects.filter(pk=session.pk, title_by="")
            changed = undecided.update(title_by=by, **({"title": title} if title else {}))
            if response is not None and (run := Run.objects.filter(session=session).order_by("number").first()):
                add_usage(run, [_usage_of(each) for each in response.paid_for])
            return bool(changed)

    try:
        changed = retry_transaction(settle, timeout=USER_TIMEOUT_SECONDS)
    except ChatSession.DoesNotExist:
        return  # deleted meanwhile
    if changed and title:
        chat_list.notify_owner_of(item.session_id)


def _usage_of(response: ModelResponse) -> Usage:
    return Usage(
        model=response.model,
        prompt_tokens=response.prompt_tokens,
        completion_tokens=response.completion_tokens,
        cost=response.cost,
    )


def _beginning_of(session: ChatSession) -> list[dict[str, str]]:
    """The first message of the user and the first answer to it; nothing if there is no answer yet."""
    starts = (TextMessageStart.type, TextMessageEnd.type)
    found: dict[str, dict[str, str]] = {}
    wanted = ["user", "assistant"]
    for event in Event.objects.filter(session=session, type__in=starts).order_by("seq")[:MAX_READ]:
        if event.type == TextMessageStart.type:
            found[event.payload["messageId"]] = {"role": event.payload["role"]}
        elif event.type == TextMessageEnd.type and (start := found.get(event.payload["messageId"])):
            names = (file["name"] for file in event.payload.get("files") or ())
            start["content"] = event.payload["content"].strip() or ", ".join(names)
    texts = [each for each in found.values() if each.get("content")]
    first = [next((each for each in texts if each["role"] == role), None) for role in wanted]
    return [each for each in first if each is not None] if all(first) else []


def _bridge() -> Bridge:
    """To the server's loop, whose connections to models it shares; elsewhere to one of the process's own."""
    scope = current_scope()
    return ThreadBridge(scope.loop) if scope is not None else bridge_of(None)
