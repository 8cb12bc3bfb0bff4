"""A walk through a project that has agentchat in it: what its users, its staff and its load balancer do.

Runs in a process of its own, in the project's folder: `python -m tests.foreign.walk '{"mount": "/", …}'`. Prints the
system checks' ids, and ends with an assertion that names the page where it does not go on.
"""

import asyncio
import importlib
import json
import os
import re
import sys
import uuid
from datetime import datetime
from io import StringIO
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import django
from asgiref.sync import sync_to_async
from django.core.checks import run_checks
from django.core.management import call_command

from tests.foreign.browser import Browser, Page, Socket

PASSWORD = "a long secret"


class Walk:
    """`mount` is where the pages are, `strip` what a proxy in front takes away, `origin` what users see."""

    def __init__(self, *, mount: str = "/", strip: str = "", origin: str = "http://testserver", **options: Any) -> None:
        self.mount, self.strip, self.origin = mount, strip, origin
        self.account: str = options.pop("account", "/accounts/")
        self.admin: str = options.pop("admin", "/admin/")
        self.login_field: str = options.pop("login_field", "username")
        self.root_path: str = options.pop("root_path", "")
        self.languages: dict[str, str] = options.pop("languages", {})
        self.socket_path: str = options.pop("socket_path", f"{mount}ws/")
        self.is_staff_known: bool = options.pop("is_staff_known", True)
        self.headers: dict[str, str] = options.pop("headers", {})
        self.host: str = options.pop("host", urlsplit(origin).netloc)
        assert not options, options
        self.application = importlib.import_module("mysite.asgi").application

    def browser(self) -> Browser:
        def proxy(path: str) -> str:
            return path.removeprefix(self.strip)

        return Browser(
            self.application,
            origin=self.origin,
            host=self.host,
            proxy=proxy,
            root_path=self.root_path,
            **self.headers,
        )

    async def go(self) -> None:
        await self.health()
        visitor = self.browser()
        chat = await self.chat(visitor, "As a guest")
        await self.look_around(visitor, chat)
        signed_in = await self.sign_in(visitor)
        assert "As a guest" in signed_in.text, "a guest's chats are not theirs after the sign-in"
        await self.chat(visitor, "With an account, " + "and at length " * 400, at_once=True)
        if self.is_staff_known:
            await self.administer(visitor)
        await self.sign_out(visitor)
        await sync_to_async(self.operate)()

    # --- a chat ------------------------------------------------------------------------------------------------------

    async def chat(self, browser: Browser, text: str, *, at_once: bool = False) -> Page:
        """Start a chat, say something (`at_once`: with the form that starts it), answer a form, load the page again."""
        start = await browser.get(f"{self.mount}chat/")
        page = await browser.post(f"{self.mount}chat/", on=start, agent="echo", prompt=text if at_once else "")
        assert page.attribute('id="chat" data-socket').startswith(self.socket_path)
        chat = await browser.socket(page.attribute('id="chat" data-socket'))
        await chat.send(type="hello", after=0)
        if not at_once:
            await chat.send(type="send", id=str(uuid.uuid4()), text=text)
        await self.answer(chat, await chat.until("INPUT_REQUESTED"))
        await chat.until("RUN_FINISHED")
        list_ = await browser.socket(page.attribute('id="chats"[^>]* data-socket'))
        await list_.send(type="hello", after=0)
        assert [row["at"] for row in (await list_.until("chats"))["chats"]]
        for socket in (list_, chat):
            await socket.close()
        page = await browser.get(page.path)
        assert f"You said: {text.strip()}" in page.text
        assert "Hello, Ada" in page.text
        assert is_exact(page.attribute("data-now"))
        return page

    async def answer(self, chat: Socket, question: dict[str, Any]) -> None:
        assert is_exact(question["at"]), question
        assert is_exact(question["expiresAt"]), question
        await chat.send(type="answer", id=str(uuid.uuid4()), request=question["request"], value={"name": "Ada"})

    # --- what else one does with it ----------------------------------------------------------------------------------

    async def look_around(self, browser: Browser, chat: Page) -> None:
        found = await browser.get(f"{self.mount}chat/?q=guest")
        assert chat.path in found.text
        assert [code for code in self.languages if f'<option value="{code}"' not in found.text] == []
        for code, words in self.languages.items():
            page = await browser.post(found.form('<select name="language"'), on=found, language=code, next=chat.path)
            assert words in page.text
        assert "As a guest" in (await browser.get(f"{chat.path}export.md")).text
        export = json.loads((await browser.get(f"{chat.path}export.json")).text)
        assert all(is_exact(event["at"]) for event in export["events"]), export
        data = json.loads((await browser.get(f"{self.mount}chat/my-data/download")).text)
        assert is_exact(data["exportedAt"]), data
        events = json.loads((await browser.get(f"{chat.path}events")).text)["events"]
        assert events
        links = await browser.get(f"{chat.path}share/")
        links = await browser.post(links.path, on=links)
        [link] = {urlsplit(url).path for url in re.findall(r"https?://[^\s\"<]*/share/[^\s\"<]+", links.text)}
        anyone = await self.browser().get(link)
        assert "As a guest" in anyone.text
        framed = await browser.get(f"{self.mount}embed/echo/")
        assert "embedded" in framed.text
        await browser.post(f"{chat.path}rename/", on=chat, title="As a guest, renamed")
        await browser.post(f"{chat.path}delete/", on=chat)
        await browser.post(f"{chat.path}take-back/", on=chat)

    # --- accounts ----------------------------------------------------------------------------------------------------

    async def sign_in(self, browser: Browser) -> Page:
        start = await browser.get(f"{self.mount}chat/")
        login = await browser.get(start.link("Sign in"))
        fields = {self.login_field: "ada", "password": PASSWORD}
        return await browser.post(login.path, on=login, next=f"{self.mount}chat/", **fields)

    async def sign_out(self, browser: Browser) -> None:
        start = await browser.get(f"{self.mount}chat/")
        assert start.link("Change password")
        await browser.post(start.form("Sign out"), on=start)
        assert (await browser.get(f"{self.mount}chat/")).link("Sign in")

    async def administer(self, browser: Browser) -> None:
        start = await browser.get(f"{self.mount}chat/")
        assert start.link("Administration")
        chats = await browser.get(f"{self.admin}agentchat/chatsession/")
        chat = await browser.get(chats.link("As a guest"))
        assert "You said: As a guest" in chat.text
        runs = await browser.get(f"{self.admin}agentchat/run/?status__exact=finished")
        await browser.get(re.findall(r'href="([^"]*/agentchat/run/\d+/change/[^"]*)"', runs.text)[0])
        await browser.get(f"{self.admin}agentchat/chatsession/?created_at__gte=2020-01-01")

    def operate(self) -> None:
        """What its operators do in a shell."""
        listed = json.loads(command("agentchat_runs", "list", "--json"))
        assert {run["status"] for run in listed} == {"finished"}
        assert all(is_exact(run["queuedAt"]) for run in listed), listed
        assert "You said" in command("agentchat_export", listed[0]["chat"])
        assert command("agentchat_purge", "--older-than", "1d", "--dry-run")

    async def health(self) -> None:
        for name in ("healthz", "readyz"):
            assert (await self.browser().get(f"{self.mount}{name}")).path.endswith(name)


def command(*arguments: str) -> str:
    output = StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()


def is_exact(text: str) -> bool:
    """Whether a browser in any time zone reads this time as the moment that is meant."""
    at = datetime.fromisoformat(text)
    return at.utcoffset() is not None and abs((datetime.now(at.tzinfo) - at).total_seconds()) < 2 * 3600


def main(options: dict[str, Any]) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
    # A server loads the model's client as it starts. That is half of a walk's time, and no agent here asks a model.
    sys.modules["agentchat.llm.openai_client"] = ModuleType("unused")
    django.setup()
    from django.conf import settings
    from django.contrib.auth import get_user_model

    settings.ALLOWED_HOSTS = ["testserver", "public.example"]
    print(json.dumps(sorted(message.id for message in run_checks() if message.id.startswith("agentchat"))))
    users = get_user_model()._default_manager
    if not users.exists():
        users.create_superuser("ada", password=PASSWORD)
    asyncio.run(Walk(**options).go())
    # Threads of a server, such as the one that loads the model's client, are no concern of a walk.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {})
