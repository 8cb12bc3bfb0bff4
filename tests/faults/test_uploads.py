"""Uploads to a server that is killed, and what they cost it."""

import hashlib
import json
import re
import shutil
import signal
import urllib.error
import urllib.request
import uuid
from http.cookiejar import CookieJar

import psutil
import pytest

from tests.sites import Site

MIB = 1024 * 1024
PART = 256 * 1024


@pytest.fixture(scope="module")
def site(empty_database, tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("site"), DJANGO_SETTINGS_MODULE="tests.uploading_site")
    shutil.copy(empty_database, site.database)
    site.start()
    yield site
    site.close()


class Browser:
    """A guest's."""

    def __init__(self, site):
        self.site = site
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        with self.opener.open(f"{site.url}/chat/") as page:
            self.token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page.read().decode())[1]

    def ask(self, path, data=None, **headers):
        headers |= {"X-CSRFToken": self.token, "Content-Type": "application/octet-stream"}
        request = urllib.request.Request(f"{self.site.url}{path}", data, headers)
        with self.opener.open(request, timeout=60) as answer:
            return json.load(answer)

    def begin(self, upload_id, name, size):
        asked = {"id": str(upload_id), "agent": "clerk", "name": name, "size": size}
        return self.ask("/uploads/", json.dumps(asked).encode())

    def part(self, upload_id, offset, data):
        return self.ask(f"/uploads/{upload_id}", data, **{"Upload-Offset": str(offset)})


def test_a_kill_loses_nothing_that_was_acknowledged(site):
    browser, upload_id, content = Browser(site), uuid.uuid4(), bytes(range(256)) * 1024 * 3
    browser.begin(upload_id, "kept.bin", len(content))
    assert browser.part(upload_id, 0, content[:PART])["offset"] == PART
    assert browser.part(upload_id, PART, content[PART : 2 * PART])["offset"] == 2 * PART
    site.stop(signal.SIGKILL)
    with pytest.raises(urllib.error.URLError):
        browser.part(upload_id, 2 * PART, content[2 * PART :])
    site.start()
    assert browser.ask(f"/uploads/{upload_id}")["offset"] == 2 * PART
    assert browser.part(upload_id, 2 * PART, content[2 * PART :])["state"] == "ready"
    [(sha256,)] = site.rows("SELECT sha256 FROM agentchat_storedfile WHERE name = 'kept.bin'")
    assert sha256 == hashlib.sha256(content).hexdigest()


def test_fifty_megabytes_cost_the_server_five_megabytes_of_memory_at_most(site):
    browser = Browser(site)

    def upload(name, size):
        upload_id = uuid.uuid4()
        answer = browser.begin(upload_id, name, size)
        process = psutil.Process(site.process.pid)
        most = 0
        while answer["state"] == "uploading":
            offset = answer["offset"]
            answer = browser.part(upload_id, offset, b"\0\xff" * (min(PART, size - offset) // 2))
            most = max(most, process.memory_info().rss)
        assert answer["state"] == "ready"
        return most

    before = upload(
        "first.bin", 50_000_000
    )  # what a server that was just started loads, and keeps, is none of its cost
    assert upload("large.bin", 50_000_000) - before <= 5 * MIB
