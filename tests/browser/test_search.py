"""What was found, in the hands of a person: an excerpt of what they read, and the words marked where they stand."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.axe import assert_accessible
from tests.browser.long_chats import messages, tell
from tests.factories import said

ANSWER = """> Here is the **Straße** nach *Gieß*en:

1. take the `STRASSE`, see [the strasse
   map](https://x.example/strasse)

| Straße | No |
|---|---|
| grey **heron** | $x^2$ |

```python
strasse = "grey heron"
```
"""


@pytest.fixture
def tab(make_tab, shared_site):
    tab = make_tab(shared_site)
    tab.open_agent("Chat with Assistant")
    return tab


def search(tab, query):
    tab.page.goto(f"{tab.site.url}/chat/")
    tab.page.get_by_role("searchbox").fill(query)
    tab.page.get_by_role("searchbox").press("Enter")
    return tab.page.locator(".results")


def test_the_words_are_marked_in_the_message_across_bold_and_code(tab):
    tell(tab.site, tab.session_id, [*messages(2), *said("answer", ANSWER), *messages(160, first=2)])
    result = search(tab, 'strasse "grey heron" giessen')
    expect(result.locator("p").first).to_contain_text(
        "Here is the Straße nach Gießen: take the STRASSE, see the strasse"
    )
    assert_accessible(tab.page)
    result.get_by_role("link").click()
    message = tab.transcript.locator('[data-id="answer"]')
    expect(message).to_be_focused()
    expect(message).to_be_in_viewport()
    marks = ["Straße", "Gieß", "en", "STRASSE", "strasse", "Straße", "grey ", "heron", "strasse", "grey heron"]
    expect(message.locator("mark")).to_have_text([re.compile(f"^{each}$") for each in marks])
    assert not re.search("[?#]", tab.page.url)  # loaded again, it shows the end of the chat
    assert_accessible(tab.page)


def test_what_is_found_nowhere_says_what_to_try(tab):
    search(tab, "no such word")
    expect(tab.page.get_by_role("heading", name="No results found.")).to_be_visible()
    expect(tab.page.get_by_text("Check the spelling")).to_be_visible()
    assert_accessible(tab.page)
