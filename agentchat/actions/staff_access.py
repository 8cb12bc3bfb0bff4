"""Which staff may see the chats of an agent function: `@on_connect(staff=…)`, besides their permissions.

It is asked of everybody but a chat's owner, superusers included, wherever chats of others are shown or acted in: in
admin, the inbox, staff's pages and sockets, exports. If the function raises, the answer is no. Agents without one cost
nothing.
"""

import inspect
from typing import Any, TypeVar

from django.db.models import Model, QuerySet

from agentchat.core import registry
from agentchat.core.log import get_logger
from agentchat.models import ChatSession

logger = get_logger("agentchat.staff")

M = TypeVar("M", bound=Model)


def may_see_agent(user: Any, name: str) -> bool:
    """Whether this user may see and act in the chats of this agent function, as far as the function decides that."""
    agent = registry.find(name)
    if agent is None or agent.staff is None:
        return True
    if user is None:
        return False
    try:
        answer = agent.staff(user)
        if inspect.isawaitable(answer):
            if inspect.iscoroutine(answer):
                answer.close()  # nothing of it has run
            raise TypeError("it is async: make it a plain function")
        return bool(answer)
    except Exception:
        logger.exception("staff= of agent function %r could not say whether user %s may see its chats", name, user.pk)
        return False


def has_rules() -> bool:
    """Whether any agent function decides which staff may see its chats."""
    return any(agent is not None and agent.staff is not None for agent in map(registry.find, registry.names()))


def may_see(user: Any, session: ChatSession) -> bool:
    """The same of a chat session. Its owner may."""
    is_owner = user is not None and session.owner_id is not None and session.owner_id == user.pk
    return is_owner or may_see_agent(user, session.agent)


def hidden_agents(user: Any) -> list[str]:
    """The agent functions whose chats this user may not see."""
    return [name for name in registry.names() if not may_see_agent(user, name)]


def visible_to(user: Any, rows: QuerySet[M], field: str = "agent") -> QuerySet[M]:
    """Those of the rows that are of agents whose chats this user may see. `field` leads to the agent's name."""
    hidden = hidden_agents(user)
    return rows.exclude(**{f"{field}__in": hidden}) if hidden else rows
