"""The pages of the examples, in Chromium: a person asks, and the answer grows in one bubble."""

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from agentchat.testing import call, say
from tests.examples.processes import page_from

PAGES = ["fastapi_page", "http_server_page"]


@pytest.fixture
def page(context: BrowserContext):
    problems = []
    page = context.new_page()
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    yield page
    assert problems == []


def ask(page: Page, question: str) -> None:
    page.get_by_role("textbox", name="Message").fill(question)
    page.get_by_role("button", name="Send").click()


@pytest.mark.parametrize("name", PAGES)
def test_an_answer_grows_in_one_bubble(name, tmp_path, scripted_llm, page):
    answer = say("The sky over Paris is blue. TERMINATE").paused(after=2)
    scripted_llm.replies(call("weather_forecast", city="Paris"), answer)
    with page_from(name, tmp_path, **scripted_llm.environment()) as address:
        page.goto(address)
        expect(page.get_by_text("Demo model")).to_have_count(0)
        ask(page, "How is Paris?")
        bubbles = page.get_by_role("log").get_by_role("listitem")
        growing = bubbles.filter(has_text="chatbot to user_proxy").last
        expect(growing).to_have_text("chatbot to user_proxyThe sky")
        so_far = bubbles.count()
        answer.release(1)
        expect(growing).to_have_text("chatbot to user_proxyThe sky over")
        answer.release()
        expect(growing).to_have_text("chatbot to user_proxyThe sky over Paris is blue. TERMINATE")
        expect(page.get_by_role("status")).to_contain_text("The chat is over")
        assert bubbles.count() == so_far
        expect(bubbles.first).to_have_text("YouHow is Paris?")
        expect(bubbles.filter(has_text="Response from calling tool")).to_contain_text("The weather forecast for Paris")


@pytest.mark.parametrize("name", PAGES)
def test_without_a_key_the_demo_model_answers_and_the_next_message_begins_another_chat(name, tmp_path, page):
    with page_from(name, tmp_path) as address:
        page.goto(address)
        expect(page.get_by_text("Demo model: scripted, no AI.")).to_be_visible()
        page.get_by_role("button", name="Send").click()  # the question is there already
        answers = page.get_by_role("listitem").filter(has_text="the poem")
        expect(answers).to_contain_text("the roofs of Paris")
        expect(page.get_by_role("status")).to_contain_text("The chat is over")
        ask(page, "And a poem about the weather in Rome?")
        expect(answers.last).to_contain_text("the roofs of Rome")
        expect(page.get_by_role("status")).to_contain_text("The chat is over")


def test_what_a_model_writes_does_not_become_part_of_the_page(tmp_path, scripted_llm, page):
    scripted_llm.replies(say("<img src=x onerror=alert(1)><b>bold</b> TERMINATE"))
    with page_from("http_server_page", tmp_path, **scripted_llm.environment()) as address:
        page.goto(address)
        ask(page, "Hello")
        expect(page.get_by_role("log")).to_contain_text("<b>bold</b> TERMINATE")
        assert page.get_by_role("log").locator("img, b").count() == 0


def test_a_failure_is_told(tmp_path, page):
    with page_from("http_server_page", tmp_path, OAI_CONFIG_LIST="[{}]") as address:
        page.goto(address)
        ask(page, "Hello")
        expect(page.get_by_role("log")).to_contain_text("This agent isn't set up correctly.")
        expect(page.get_by_role("status")).to_contain_text("1011")


@pytest.mark.parametrize("name", PAGES)
def test_the_page_may_be_opened_by_the_name_localhost(name, tmp_path, page):
    with page_from(name, tmp_path) as address:
        page.goto(address.replace("127.0.0.1", "localhost"))
        ask(page, "Hello")
        expect(page.get_by_role("status")).to_contain_text("The chat is over")
