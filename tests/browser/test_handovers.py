"""A customer and staff in one chat, in Chromium before a real site, across a server's death."""

import shutil
import signal

import pytest
from playwright.sync_api import expect

from tests.browser.axe import assert_accessible
from tests.browser.conftest import Tab
from tests.sites import Site

STAFF = """
from django.contrib.auth.models import Group, Permission, User
grace = User.objects.create_user("grace", password="secret", first_name="Grace", last_name="Hopper")
grace.groups.add(Group.objects.create(name="support"))
viewer = User.objects.create_user("viewer", password="secret")
viewer.user_permissions.add(Permission.objects.get(codename="view_chatsession"))
boss = User.objects.create_user("boss", password="secret")
boss.user_permissions.add(Permission.objects.get(codename="take_over_chatsession"))
"""


@pytest.fixture
def site(empty_database, tmp_path):
    site = Site(tmp_path, DJANGO_SETTINGS_MODULE="tests.asking_site", AGENTCHAT_LEASE_S="2")
    shutil.copy(empty_database, site.database)
    site.manage("shell", "-c", STAFF)
    site.start()
    yield site
    site.close()


@pytest.fixture
def sign_in(chromium, site):
    """Opens a page as a member of staff: `sign_in("grace", address)`."""
    contexts = []

    def sign_in(name, address, **options):
        contexts.append(context := chromium.new_context(locale="en", **options))
        tab = Tab(context.new_page(), site)
        tab.page.goto(f"{site.url}{address}")
        tab.page.get_by_label("Username").fill(name)
        tab.page.get_by_label("Password").fill("secret")
        tab.page.get_by_role("button", name="Sign in").click()
        return tab

    yield sign_in
    for context in contexts:
        context.close()


def messages(tab):
    return tab.page.locator(".transcript .message .words, .transcript .message .prose")


def chat_address(tab):
    """Where staff find the customer's chat."""
    return f"/inbox/chats/{tab.page.url.rstrip('/').rpartition('/')[2]}/"


def say(tab, text):
    """Say something as staff, once the page that has just loaded is connected."""
    expect(tab.page.locator("#status")).to_have_text("Connected", timeout=40_000)
    tab.say(text)


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_a_customer_talks_to_staff_across_a_killed_server(make_tab, site, sign_in):
    customer = make_tab(site)
    customer.open_agent("Chat with Help desk")
    customer.say("A person, please.")
    expect(customer.transcript).to_contain_text("A colleague has been asked to join.")
    grace = sign_in("grace", "/inbox/")
    page = grace.page
    expect(page).to_have_title("(1) Inbox")
    page.wait_for_load_state()
    assert_accessible(page)
    page.get_by_role("link", name="Wants: A person, please.").press("Enter")
    expect(page.get_by_text("Wants: A person, please.")).to_be_visible()
    page.get_by_role("button", name="Join").press("Enter")
    expect(page.get_by_role("button", name="Join")).to_have_count(0)
    expect(customer.transcript.locator(".handover", has_text="Grace Hopper has joined")).to_be_visible()
    say(grace, "Hello, I'm Grace.")
    said = customer.transcript.locator(".from-staff")
    expect(said).to_contain_text("Hello, I'm Grace.")
    expect(said.locator(".staff-badge")).to_have_text("Staff")
    assert_accessible(customer.page)
    assert_accessible(page)
    site.stop(signal.SIGKILL)
    site.start()
    expect(grace.page.locator("#status")).to_have_text("Connected", timeout=40_000)
    expect(customer.page.locator("#status")).to_have_text("Connected", timeout=40_000)
    customer.say("Are you still there?")
    expect(messages(grace).last).to_have_text("Are you still there?")
    say(grace, "I am.")
    expect(messages(customer).last).to_have_text("I am.")
    expect(messages(grace).last).to_have_text("I am.")
    page.get_by_role("button", name="Give back to the agent").click()
    expect(page).to_have_url(f"{site.url}/inbox/")
    expect(customer.transcript).to_contain_text("Grace Hopper has left, and the agent continues")
    expect(messages(customer).last).to_have_text("I have heard 3 messages.")
    customer.say("Thanks")
    expect(messages(customer).last).to_have_text("You said: Thanks")
    seqs = [frame["seq"] for frame in customer.facts()]
    assert seqs == sorted(set(seqs))
    shown = messages(customer).all_inner_texts()
    customer.page.reload()
    expect(messages(customer)).to_have_text(shown)
    assert grace.problems == []


@pytest.mark.timeout(300)
def test_staff_look_on_and_take_over(make_tab, site, sign_in):
    customer = make_tab(site)
    customer.open_agent("Chat with Help desk")
    customer.say("Hello")
    expect(customer.transcript).to_contain_text("A colleague has been asked to join.")
    address = chat_address(customer)
    viewer = sign_in("viewer", address)
    expect(viewer.page.get_by_text("You can read this chat, and not answer in it.")).to_be_visible()
    expect(viewer.page.locator("#composer")).to_be_hidden()
    assert_accessible(viewer.page)
    boss = sign_in("boss", address, color_scheme="dark", viewport={"width": 390, "height": 780})
    boss.page.get_by_role("button", name="Join").click()
    expect(boss.page.get_by_role("button", name="Join")).to_have_count(0)
    say(boss, "This is the boss.")
    for tab in (customer, viewer, boss):
        expect(messages(tab).last).to_have_text("This is the boss.")
    assert_accessible(boss.page)
    boss.page.get_by_role("button", name="Give back to the agent").click()
    for tab in (customer, viewer, boss):
        expect(messages(tab).last).to_have_text("I have heard 1 messages.")
    boss.page.get_by_role("button", name="Take over").click()
    for tab in (customer, viewer, boss):
        expect(tab.page.locator(".handover").last).to_have_text("boss has joined Staff")
    customer.say("Am I talking to the agent?")
    for tab in (customer, viewer, boss):
        expect(messages(tab).last).to_have_text("Am I talking to the agent?")
    boss.page.get_by_role("button", name="Give back to the agent").click()
    for tab in (customer, viewer, boss):
        expect(tab.page.locator(".handover").last).to_have_text("boss has left, and the agent continues")
    customer.say("And now?")
    for tab in (customer, viewer, boss):
        expect(messages(tab).last).to_have_text("You said: And now?")
    shown = messages(viewer).all_inner_texts()
    viewer.page.reload()
    expect(messages(viewer)).to_have_text(shown)
    assert viewer.problems == boss.problems == []
