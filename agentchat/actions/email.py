"""E-mail to those whom a question is for, or to staff: `AGENTCHAT = {"NOTIFY": "agentchat.actions.email.send"}`.

By Django's mail, in the site's language. One message for each question, with a link to it, and with nothing of what is
asked unless `NOTIFY_CONTENT` says so: mail is read by whoever reads it.
"""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.utils import translation
from django.utils.translation import gettext

from agentchat import conf
from agentchat.actions.notifications import Notification
from agentchat.core.text import title_of
from agentchat.presentation.chat_list import agent_title

MAX_RECIPIENTS = 50  # of one message: mail servers have limits
TIMEOUT_SECONDS = 20  # where EMAIL_TIMEOUT is not set; smtplib would wait for ever
MAX_CONTENT_CHARS = 2_000


def send(notification: Notification) -> None:
    """Send it to all who have an address, none of whom reads those of the others. Raises what Django's mail raises."""
    addresses = [address for user in notification.users if (address := _address_of(user))]
    connection: Any = get_connection()
    if getattr(connection, "timeout", 0) is None:
        connection.timeout = TIMEOUT_SECONDS
    with translation.override(settings.LANGUAGE_CODE):
        subject = gettext("A question is waiting for you")
        if notification.budget is not None:
            subject = gettext("A budget is nearly used up")
        body = _body(notification)
    for start in range(0, len(addresses), MAX_RECIPIENTS):
        EmailMessage(
            subject,
            body,
            bcc=addresses[start : start + MAX_RECIPIENTS],
            headers={
                # The same at each attempt: who gets it twice is shown it once.
                "Message-ID": f"<agentchat.{notification.id}@{urlsplit(notification.url).hostname}>",
                "To": "undisclosed-recipients:;",
                "Auto-Submitted": "auto-generated",
            },
            connection=connection,
        ).send()


def _address_of(user: object) -> str:
    field = getattr(type(user), "get_email_field_name", lambda: "email")()
    return str(getattr(user, field, "") or "")


def _body(notification: Notification) -> str:
    if (budget := notification.budget) is not None:
        lines = [gettext("80 percent of this budget is used:"), f"{budget} ({budget.amount_text(budget.used)})"]
    elif notification.is_escalated:
        lines = [gettext("A question in a chat was passed on to you, since nobody has answered it yet:")]
    else:
        lines = [gettext("A question in a chat is waiting for your answer:")]
    lines += ["", notification.url]
    question = notification.question
    if conf.app.notify_content and question is not None:
        lines += ["", agent_title(question.session.agent), question.tool]
        lines += [f"{name}: {value}" for name, value in question.arguments.items()]
        lines += [title_of(question.prompt, MAX_CONTENT_CHARS)]
    return "\n".join(lines).rstrip() + "\n"
