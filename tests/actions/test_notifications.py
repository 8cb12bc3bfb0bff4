"""Notifying those whom a question is for: at least once, after the commit, in no request, and with nothing secret."""

import smtplib
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.db import transaction

from agentchat import group, owner, staff
from agentchat.actions import notifications
from agentchat.checks.site import check_settings
from agentchat.core.log import LineFormatter
from agentchat.infra import moments
from agentchat.models import DelegatedQuestion, OutboxItem
from agentchat.runs import delegated_questions, supervisor
from tests.factories import account

pytestmark = pytest.mark.django_db(transaction=True)

SITE = "https://chat.example"
SECRET = "CANARY-Umbrella-Corp"
PASSWORD = "CANARY-mail-password"

called = []


def note(notification):
    called.append(notification)


def explode(notification):
    raise RuntimeError(f"{notification.question.prompt} {[user.email for user in notification.users]} {PASSWORD}")


def nobody_knows(user, question):
    return user.username == "grace"


@pytest.fixture(autouse=True)
def site(settings, monkeypatch):
    """Nothing is delivered but what a test delivers."""
    settings.AGENTCHAT = {"NOTIFY": "agentchat.actions.email.send", "SITE_URL": SITE}
    settings.DEFAULT_FROM_EMAIL = "desk@chat.example"
    monkeypatch.setattr(supervisor, "CHORES", [])
    called.clear()


@pytest.fixture
def grace():
    user = account("grace", email="grace@chat.example")
    user.groups.add(Group.objects.create(name="support"))
    return user


@pytest.fixture
def ask(agent_function, agent_chat):
    """A chat in which something is asked of somebody else."""

    def ask(**options):
        def asks(iostream):
            iostream.input()
            iostream.input(f"May {SECRET} pay later?", **{"to": group("support"), **options})

        chat = agent_chat(agent_function(asks))
        chat.send("Hello")
        chat.wait_for("INPUT_REQUESTED", colleague=True)
        return chat

    return ask


def deliver():
    """As the supervisor has it done, in that thread."""
    notifications._POOL.submit(notifications._deliver_all).result(20)


def message_ids():
    return [message.message()["Message-ID"] for message in mail.outbox]


# --- the e-mail -----------------------------------------------------------------------------------------------------


def test_one_message_with_a_link_and_no_content_goes_to_all_who_may_answer(grace, ask, mailoutbox):
    heidi = account("heidi", email="heidi@chat.example")
    heidi.groups.add(Group.objects.get())
    account("eve", email="eve@chat.example")
    for name, fields in (("ivan", {"email": ""}), ("judy", {"email": "judy@chat.example", "is_active": False})):
        account(name, **fields).groups.add(Group.objects.get())
    chat = ask()
    assert mailoutbox == []
    deliver()
    [message] = mailoutbox
    assert sorted(message.recipients()) == ["grace@chat.example", "heidi@chat.example"]
    assert f"{SITE}/inbox/{DelegatedQuestion.objects.get().pk}/" in message.body
    whole = message.message().as_string()
    assert SECRET not in whole
    assert chat.session.agent not in whole
    assert "heidi" not in whole
    assert message.message()["Auto-Submitted"] == "auto-generated"
    deliver()
    assert len(mailoutbox) == 1
    assert not OutboxItem.objects.exists()


def test_what_is_asked_is_in_it_where_the_site_wants_that(grace, ask, mailoutbox, settings):
    settings.AGENTCHAT = {**settings.AGENTCHAT, "NOTIFY_CONTENT": True}
    ask()
    deliver()
    assert f"May {SECRET} pay later?" in mailoutbox[0].body


def test_it_is_in_the_language_of_the_site(grace, ask, mailoutbox, settings):
    settings.LANGUAGE_CODE = "de"
    ask()
    deliver()
    assert mailoutbox[0].subject == "Eine Frage wartet auf Sie"


def test_many_are_told_in_several_messages_with_one_id(grace, ask, mailoutbox, monkeypatch):
    monkeypatch.setattr("agentchat.actions.email.MAX_RECIPIENTS", 2)
    for number in range(4):
        account(f"u{number}", email=f"u{number}@chat.example").groups.add(Group.objects.get())
    ask()
    deliver()
    assert sorted(len(message.bcc) for message in mailoutbox) == [1, 2, 2]
    assert len(set(message_ids())) == 1


# --- when it is sent ------------------------------------------------------------------------------------------------


def test_what_was_rolled_back_is_never_sent(grace, ask, mailoutbox):
    chat = ask()
    OutboxItem.objects.all().delete()
    question = DelegatedQuestion.objects.get()
    with transaction.atomic():
        delegated_questions._notify(question)
        transaction.set_rollback(True)
    deliver()
    assert (mailoutbox, chat.session.outbox.count()) == ([], 0)


def test_a_mail_server_that_is_down_is_tried_again_later_and_later_with_the_same_id(
    grace, ask, mailoutbox, monkeypatch, time_passes
):
    sent = []

    def refuse(self, messages):
        sent.extend(message.message()["Message-ID"] for message in messages)
        raise ConnectionRefusedError(111, "Connection refused")

    ask()
    pauses = []
    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", refuse)
        for _ in range(9):
            deliver()
            deliver()  # not before it is due
            item = OutboxItem.objects.get()
            pauses.append(round((item.due_at - moments.now()).total_seconds()))
            time_passes(item.due_at - moments.now() + timedelta(seconds=1))
    assert pauses == [pytest.approx(seconds, abs=2) for seconds in (30, 60, 120, 240, 480, 960, 1920, 3600, 3600)]
    deliver()
    assert set(sent) == set(message_ids())
    assert len(sent) == 9
    assert not OutboxItem.objects.exists()


def test_it_is_given_up_in_the_end(grace, ask, settings, caplog):
    settings.AGENTCHAT = {**settings.AGENTCHAT, "NOTIFY": f"{__name__}.explode"}
    ask()
    OutboxItem.objects.update(attempts=notifications.MAX_ATTEMPTS - 1)
    deliver()
    assert OutboxItem.objects.get().error == "not_notified"
    assert "given up" in caplog.text
    OutboxItem.objects.update(due_at=moments.now())
    deliver()
    assert OutboxItem.objects.get().attempts == notifications.MAX_ATTEMPTS


def test_a_process_that_dies_after_it_has_sent_sends_it_again_with_the_same_id(grace, ask, mailoutbox, monkeypatch):
    ask()
    with monkeypatch.context() as patch:
        patch.setattr("django.db.models.query.QuerySet.delete", lambda self: None)
        deliver()
    OutboxItem.objects.update(due_at=moments.now())
    deliver()
    first, second = message_ids()
    assert first == second
    assert not OutboxItem.objects.exists()


def test_two_processes_do_not_both_take_it(grace, ask):
    ask()
    assert notifications._take() is not None
    assert notifications._take() is None


def test_a_question_that_was_answered_meanwhile_is_announced_to_nobody(grace, ask, mailoutbox):
    chat = ask()
    chat.answer(chat.wait_for("INPUT_REQUESTED", colleague=True)["request"], "Yes", by=grace)
    deliver()
    assert mailoutbox == []
    assert not OutboxItem.objects.exists()


def test_escalation_tells_those_whom_it_is_for_then(grace, ask, mailoutbox, time_passes):
    account("boss", email="boss@chat.example", is_staff=True)
    ask(escalate=(timedelta(hours=1), staff()))
    deliver()
    time_passes(timedelta(hours=2))
    assert delegated_questions.escalate_due() == 1
    assert delegated_questions.escalate_due() == 0
    deliver()
    assert [message.bcc for message in mailoutbox] == [["grace@chat.example"], ["boss@chat.example"]]
    assert "passed on to you" in mailoutbox[1].body
    assert len(set(message_ids())) == 2


def test_those_whom_it_was_for_are_not_told_once_it_is_for_others(grace, ask, mailoutbox, time_passes):
    account("boss", email="boss@chat.example", is_staff=True)
    ask(escalate=(timedelta(hours=1), staff()))
    time_passes(timedelta(hours=2))
    delegated_questions.escalate_due()
    deliver()
    assert [message.bcc for message in mailoutbox] == [["boss@chat.example"]]


def test_who_is_told_is_who_may_answer_when_it_is_sent(grace, ask, mailoutbox):
    ask()
    grace.groups.clear()
    account("heidi", email="heidi@chat.example").groups.add(Group.objects.get())
    deliver()
    assert [message.bcc for message in mailoutbox] == [["heidi@chat.example"]]


# --- a function of one's own ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "users"),
    [
        (group("support"), ["grace"]),
        (staff(), ["root"]),
        ("agentchat.view_run", ["root"]),
        (f"{__name__}.nobody_knows", []),
    ],
)
def test_a_function_of_the_site_gets_the_question_and_those_who_can_be_listed(grace, ask, settings, to, users):
    account("root", is_staff=True, is_superuser=True)
    settings.AGENTCHAT = {**settings.AGENTCHAT, "NOTIFY": f"{__name__}.note"}
    ask(to=to)
    deliver()
    [notification] = called
    assert [user.username for user in notification.users] == users
    assert notification.question.prompt == f"May {SECRET} pay later?"
    assert not notification.is_escalated


def test_questions_to_the_owner_and_sites_without_the_setting_write_no_row(ask, settings, agent_chat, agent_function):
    settings.AGENTCHAT = {}
    ask()
    settings.AGENTCHAT = {"NOTIFY": f"{__name__}.note", "SITE_URL": SITE}
    chat = agent_chat(agent_function(lambda iostream: iostream.input("Well?", to=owner()), name="own"))
    chat.send("Hello")
    chat.wait_for("RUN_FINISHED")
    assert not OutboxItem.objects.exists()


def test_the_supervisor_has_it_delivered(grace, ask, monkeypatch, settings):
    settings.AGENTCHAT = {**settings.AGENTCHAT, "NOTIFY": f"{__name__}.note"}
    ask()
    notifications.deliver_due()
    notifications._POOL.submit(lambda: None).result(20)
    assert len(called) == 1


# --- what must not be said ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", ["in a function", "at the mail server"])
def test_no_log_has_what_is_asked_of_whom_or_the_password(grace, ask, settings, caplog, monkeypatch, failure):
    if failure == "in a function":
        settings.AGENTCHAT = {**settings.AGENTCHAT, "NOTIFY": f"{__name__}.explode"}
    else:

        def refuse(self, messages):
            text = f"{messages[0].body} {messages[0].bcc} {PASSWORD}"
            raise smtplib.SMTPAuthenticationError(535, text.encode())

        monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", refuse)
    with caplog.at_level("DEBUG"):
        ask()
        deliver()
    written = "\n".join(map(LineFormatter("%(message)s").format, caplog.records))
    assert "nobody was notified of question" in written
    assert ("RuntimeError" if failure == "in a function" else "SMTPAuthenticationError 535") in written
    for secret in (SECRET, PASSWORD, "grace@chat.example"):
        assert secret not in "".join(line for line in written.splitlines() if "notified" in line)


@pytest.mark.parametrize("path", ["no.such.function", "agentchat.actions.email.sent", "agentchat.actions.email", "x"])
def test_a_path_that_leads_nowhere_is_an_error_at_start(settings, path):
    settings.AGENTCHAT = {"NOTIFY": path, "SITE_URL": SITE}
    [error] = check_settings()[:1]
    assert (error.id, path in error.msg) == ("agentchat.E017", True)


def test_a_link_needs_the_sites_address(settings):
    settings.AGENTCHAT = {"NOTIFY": "agentchat.actions.email.send"}
    [error] = check_settings()[:1]
    assert (error.id, "SITE_URL" in error.msg) == ("agentchat.E017", True)
    settings.AGENTCHAT = {"NOTIFY": "agentchat.actions.email.send", "SITE_URL": SITE}
    assert not [error for error in check_settings() if error.id == "agentchat.E017"]
