"""A guest with an address of their own on loopback: cookies, pages, forms and chats.

Limits by address are part of what is measured, so no two guests share one.
"""

import re
import uuid
from typing import Any

import httpx2

TIMEOUT_SECONDS = 60


def address_of(number: int) -> str:
    """The loopback address of this guest: 127.16.0.0 and the following."""
    return f"127.16.{number // 250}.{number % 250 + 1}"


class Guest:
    def __init__(self, url: str, address: str) -> None:
        self.url, self.address = url, address
        self.cookies: dict[str, str] = {}
        transport = httpx2.AsyncHTTPTransport(local_address=address, verify=False, trust_env=False)
        self._client = httpx2.AsyncClient(
            base_url=url, transport=transport, timeout=TIMEOUT_SECONDS, trust_env=False, verify=False
        )

    @property
    def cookie(self) -> str:
        """The header. A public site's cookies are for TLS only, so no library would send them here."""
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    async def request(self, method: str, path: str, **options: Any) -> httpx2.Response:
        headers = {"Cookie": self.cookie, "Origin": self.url, **options.pop("headers", {})}
        response = await self._client.request(method, path, headers=headers, **options)
        for line in response.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name.strip()] = value.strip()
        return response

    async def get(self, path: str) -> httpx2.Response:
        return await self.request("GET", path)

    async def post(self, path: str, **fields: str) -> httpx2.Response:
        """Send a form, with the token of this guest's cookie."""
        if "csrftoken" not in self.cookies:
            await self.get("/chat/")
        token = self.cookies.get("csrftoken", "")
        return await self.request("POST", path, data={**fields, "csrfmiddlewaretoken": token})

    async def new_chat(self, agent: str) -> uuid.UUID:
        """Make a chat session. Raise Refused if the site does not accept it."""
        response = await self.post("/chat/", agent=agent)
        found = re.search(r"/chat/([0-9a-f-]{36})/", response.headers.get("location", ""))
        if found is None:
            raise Refused(f"{response.status_code}")
        return uuid.UUID(found[1])

    def forget(self) -> None:
        """Come back as somebody else, from the same address."""
        self.cookies.clear()

    async def close(self) -> None:
        await self._client.aclose()


class Refused(Exception):
    """The site did not do what was asked; the text is what it answered instead."""
