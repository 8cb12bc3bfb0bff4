"""A program's call outlives the death of the process that it was sent to: the SDK asks again, and loses nothing."""

import json
import signal
from concurrent.futures import ThreadPoolExecutor

import httpx2
import openai
import pytest

from agentchat.testing import say

MAKE_KEY = """
from django.contrib.auth import get_user_model
from agentchat.actions import api_keys
user = get_user_model().objects.create_user("ada")
print(api_keys.make(user, name="p", agents=None, may_write=True, expires_at=None)[1])
"""


def test_a_call_outlives_a_kill_and_another_node_streams_it_on(make_site, llm, eventually):
    first, second = (make_site(name, AGENTCHAT_APIS="openai,agui", AGENTCHAT_LEASE_S="1") for name in ("one", "two"))
    key = first.manage("shell", "-v", "0", "-c", MAKE_KEY).split()[-1]
    first.start()
    held = say("Once upon a time there was a parcel. TERMINATE").paused(after=3)
    llm.replies(held, say("Once upon a time there was a parcel. TERMINATE"))

    def ask(site, **more):
        client = openai.OpenAI(base_url=f"{site.url}/v1", api_key=key, max_retries=20, timeout=60)
        messages = [{"role": "user", "content": "tell me"}]
        named = {"Idempotency-Key": "the same"}
        return client.chat.completions.create(model="postman", messages=messages, extra_headers=named, **more)

    with ThreadPoolExecutor(2) as pool:
        whole = pool.submit(ask, first)
        held.wait_until_paused()
        second.start()
        streamed = pool.submit(lambda: [*ask(second, stream=True)])
        first.stop(signal.SIGKILL)
        held.release()
        first.start()
        chunks = streamed.result(60)
        answer = whole.result(60)
    story = "Once upon a time there was a parcel.\n\nNext?"
    assert answer.choices[0].message.content == story
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == story
    assert answer.id == chunks[0].id
    assert first.rows("SELECT count(*) FROM agentchat_inboxitem") == [(1,)]
    assert len(llm.requests) == 2


def test_an_agui_stream_that_a_kill_cuts_goes_on_at_another_node(make_site, llm):
    first, second = (make_site(name, AGENTCHAT_APIS="agui", AGENTCHAT_LEASE_S="1") for name in ("one", "two"))
    headers = {"Authorization": f"Bearer {first.manage('shell', '-v', '0', '-c', MAKE_KEY).split()[-1]}"}
    first.start()
    story = "Once upon a time there was a parcel"
    held = say(f"{story} TERMINATE").paused(after=4)
    llm.replies(held, say(f"{story} TERMINATE"))
    said = {"threadId": "t", "runId": "r", "messages": [{"id": "1", "role": "user", "content": "tell me"}]}
    text, last_id = "", ""

    def read(answer):
        nonlocal text, last_id
        assert answer.status_code == 200
        for line in answer.iter_lines():
            if line.startswith("id: "):
                last_id = line[4:]
            elif '"TEXT_MESSAGE_CONTENT"' in line:
                text += json.loads(line[6:])["delta"]
                if text == "Once upon a time":
                    first.stop(signal.SIGKILL)

    second.start()
    run = httpx2.stream("POST", f"{first.url}/agui/postman/", json=said, headers=headers, timeout=60)
    with pytest.raises(httpx2.TransportError), run as answer:
        read(answer)
    held.release()
    assert text == "Once upon a time"
    headers["Last-Event-ID"] = last_id
    with httpx2.stream("GET", f"{second.url}/agui/postman/t/events", headers=headers, timeout=60) as answer:
        read(answer)
    assert text == story
    assert first.rows("SELECT count(*) FROM agentchat_inboxitem") == [(1,)]
