"""Addresses and contents of pages, for the tests of views."""

import re
from html import unescape

CHATS = "/chat/"


def text_of(response):
    """The words of a page, without its markup."""
    body = re.sub(r"<template.*?</template>", "", response.content.decode(), flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def body(response):
    return response.getvalue().decode() if response.streaming else response.content.decode()


def url(chat, part=""):
    return f"/chat/{chat.pk}/{part}"
