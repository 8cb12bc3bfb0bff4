"""Who may answer, as a value: what `to=` takes, and what it refuses when it is written."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from agentchat import group, owner, staff
from agentchat.core import addressees
from agentchat.core.addressees import Addressee, Delegation, addressee_of, delegation_of, editable_names
from agentchat.errors import ConfigError


def may_refund(user, question):
    return True


@pytest.mark.parametrize(
    ("to", "addressee"),
    [
        (group("support"), Addressee(kind="group", value="support")),
        (staff(), Addressee(kind="staff")),
        ("auth.change_user", Addressee(kind="permission", value="auth.change_user")),
        (f"{__name__}.may_refund", Addressee(kind="function", value=f"{__name__}.may_refund")),
        (SimpleNamespace(pk=7, get_username=lambda: "ada"), Addressee(kind="user", value="7")),
    ],
)
def test_an_addressee_is_a_value_that_every_process_can_read(to, addressee):
    assert addressee_of(to) == addressee


@pytest.mark.parametrize(
    ("to", "reason"),
    [
        (lambda user, question: True, "has no lambdas"),
        (may_refund, "Give the path of a function"),
        ("support", "use a permission"),
        ("", "use a permission"),
        (7, "use a permission"),
        (SimpleNamespace(pk=None, get_username=lambda: "nobody yet"), "use a permission"),
        ("tests.core.test_addressees.no_such_function", "there is no such function"),
        ("no.such.module", "there is no such function"),
        ("tests.core.test_addressees.__name__", "is no function"),
    ],
)
def test_what_no_other_process_could_judge_is_refused(to, reason):
    with pytest.raises(ConfigError, match=reason):
        addressee_of(to)


def test_a_permission_of_an_app_that_the_site_does_not_have_is_refused():
    with pytest.raises(ConfigError, match="no app 'shopp'"):
        addressee_of("shopp.refund_order")


def test_without_django_any_permission_is_taken(monkeypatch):
    monkeypatch.setattr(addressees, "check_permission", addressees._accept)
    assert addressee_of("shopp.refund_order").kind == "permission"


@pytest.mark.parametrize("name", ["", "x" * 201, None, 7])
def test_a_group_has_a_name(name):
    with pytest.raises(ConfigError):
        group(name)


def test_a_delegation_has_who_is_asked_later():
    hour = timedelta(hours=1)
    expected = Delegation(to=staff(), shown=True, escalate_after=hour, escalate_to=group("leads"))
    assert delegation_of(staff(), shown=True, escalate=(hour, group("leads"))) == expected


def test_without_an_addressee_the_user_is_asked():
    assert delegation_of(None) is None
    assert delegation_of(owner()) is None


@pytest.mark.parametrize(
    ("to", "options"),
    [
        (None, {"shown": True}),
        (owner(), {"escalate": (timedelta(hours=1), staff())}),
        (staff(), {"escalate": timedelta(hours=1)}),
        (staff(), {"escalate": (timedelta(), staff())}),
        (staff(), {"escalate": (timedelta(hours=1), owner())}),
        (staff(), {"escalate": (timedelta(hours=1), lambda user, question: True)}),
    ],
)
def test_what_makes_no_sense_is_refused(to, options):
    with pytest.raises(ConfigError):
        delegation_of(to, **options)


def test_the_names_of_what_may_be_changed():
    assert editable_names(None) is None
    assert editable_names(False) == ()
    assert editable_names(["amount"]) == ("amount",)
    for wrong in (True, "amount", [1]):
        with pytest.raises(ConfigError):
            editable_names(wrong)
