"""The catalogues: whole, in step with the code, and safe to fill in. And that pages, sockets and errors speak them."""

import ast
import gettext
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib import admin
from django.http import Http404
from django.utils import translation
from django.utils.functional import Promise

from agentchat import errors
from agentchat.core import registry
from agentchat.i18n.language import choices, language_of

ROOT = Path(__file__).resolve().parents[2]
LOCALE = ROOT / "agentchat" / "locale"
LANGUAGES = ["ar", "de"]
GETTEXT = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext"}
KEYS = {"Ctrl", "Shift", "Enter", "Esc"}  # as Arabic keyboards have them
PLACEHOLDER = re.compile(r"%\(\w+\)[\d.]*[sdf]|%[sd]|\{\w+\}|<[^>]+>")


@pytest.fixture(autouse=True)
def _guests_may_chat(settings):
    settings.AGENTCHAT = {"GUESTS": True}


@dataclass
class Entry:
    msgid: str = ""
    plural: str = ""
    translations: dict[int, str] = field(default_factory=dict)
    is_fuzzy: bool = False
    is_obsolete: bool = False


def entries(path: Path) -> list[Entry]:
    """What is in a .po file; the first entry is its header."""
    return [_entry(block) for block in path.read_text(encoding="utf-8").split("\n\n") if 'msgid "' in block]


def _entry(block: str) -> Entry:
    entry = Entry(is_fuzzy="\n#, fuzzy" in f"\n{block}", is_obsolete="#~" in block)
    at = ""
    texts: dict[str, str] = {}
    for line in block.splitlines():
        line = line.removeprefix("#~ ")
        if line.startswith("msg"):
            at, line = line.split(" ", 1)
        if line.startswith('"'):
            texts[at] = texts.get(at, "") + ast.literal_eval(line)
    assert "msgctxt" not in texts, "this reader knows no contexts"
    entry.msgid, entry.plural = texts.pop("msgid"), texts.pop("msgid_plural", "")
    entry.translations = {int((re.search(r"\d+", key) or [0])[0]): text for key, text in texts.items()}
    return entry


def po(language: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / "django.po"


def words(language: str) -> list[Entry]:
    return entries(po(language))[1:]


def translated(language: str) -> Iterator[tuple[str, str]]:
    return ((each.msgid, text) for each in words(language) for text in each.translations.values())


# --- the files ------------------------------------------------------------------------------------------------------


def test_the_site_offers_what_there_are_catalogues_for(settings):
    assert sorted(code for code, _ in settings.LANGUAGES) == sorted([*LANGUAGES, "en"])
    assert sorted(folder.name for folder in LOCALE.iterdir()) == LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_untranslated_fuzzy_or_left_over(language):
    forms = {"ar": 6, "de": 2}[language]
    assert len(words(language)) > 300
    for each in words(language):
        assert not each.is_fuzzy, each
        assert not each.is_obsolete, each
        assert len(each.translations) == (forms if each.plural else 1), each
        assert all(text.strip() for text in each.translations.values()), each


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_has_the_placeholders_and_the_markup_of_its_original(language):
    for each in words(language):
        wanted = sorted(PLACEHOLDER.findall(each.msgid))
        for number, text in each.translations.items():
            found = sorted(PLACEHOLDER.findall(text))
            if each.plural and language == "ar" and number < 3:  # "one chat", "two chats": the word says the number
                assert set(found) <= set(wanted), each
            else:
                assert found == wanted, each


def test_the_arabic_has_arabic_punctuation_and_letters():
    for msgid, text in translated("ar"):
        assert not set(",;?") & set(PLACEHOLDER.sub("", text)), text
        assert re.search(r"[\u0600-\u06ff]", text) or text in KEYS, msgid


def test_the_german_has_german_quotes():
    for _, text in translated("de"):
        assert not set("«»'") & set(text), text
        assert text.count("„") == text.count("“"), text
        assert "”" not in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_catalogue_matches_its_source(language):
    with po(language).with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)._catalog
    wanted = {each.msgid: each.translations[0] for each in words(language) if not each.plural}
    wanted |= {
        (each.msgid, n): text for each in words(language) if each.plural for n, text in each.translations.items()
    }
    assert {key: text for key, text in compiled.items() if key} == wanted, "run `make messages`"


def test_every_column_that_staff_see_has_a_name_that_is_translated():
    """Else Django makes one of the attribute, which is in no catalogue."""
    models = apps.get_app_config("agentchat").get_models()
    pages = [admin.site.get_model_admin(model) for model in models if admin.site.is_registered(model)]
    shown = [field for page in pages for field in page.opts.concrete_fields if field.name in (page.fields or ())]
    assert len(shown) > 20
    names = {field.attname for field in shown if not field.primary_key and not isinstance(field.verbose_name, Promise)}
    assert names == set()


def test_no_translatable_text_is_inside_an_f_string():
    """xgettext does not look into f-strings: such text would be in no catalogue, and nothing else would say so."""
    hidden = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for folder in ("agentchat", "chatsite")
        for path in (ROOT / folder).rglob("*.py")
        for string in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(string, ast.JoinedStr)
        for call in ast.walk(string)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in GETTEXT
    ]
    assert hidden == []


@pytest.mark.slow
def test_every_text_of_code_and_templates_is_in_the_catalogues(tmp_path):
    if shutil.which("xgettext") is None and not os.environ.get("AGENTCHAT_REQUIRE_SERVICES"):
        pytest.skip("no xgettext: install GNU gettext (Debian: apt-get install gettext)")
    for name in ("agentchat", "chatsite", "templates"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, str(ROOT / "scripts" / "messages.py"), str(tmp_path)]
    environment = {**os.environ, "DEBUG": "1", "SECRET_KEY": "x" * 50, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for language in LANGUAGES:
        collected = {each.msgid for each in entries(tmp_path / po(language).relative_to(ROOT))[1:]}
        assert collected == {each.msgid for each in words(language)}, "run `make messages`, and translate what is new"


def test_the_messages_of_errors_are_in_the_catalogues():
    msgids = {each.msgid for each in words("de")}
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and hasattr(each, "user_message")]
    assert len(kinds) > 10
    assert {each.user_message for each in kinds} <= msgids


# --- pages ----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("asked", "language", "direction", "word"),
    [
        ("de", "de", "ltr", "Mit wem möchten Sie chatten?"),
        ("ar,en;q=0.5", "ar", "rtl", "مع من تود المحادثة؟"),
        ("fr", "en", "ltr", "Who would you like to chat with?"),
    ],
)
def test_a_page_is_in_the_browser_s_language(client, asked, language, direction, word):
    page = client.get("/chat/", headers={"Accept-Language": asked})
    assert f'<html lang="{language}" dir="{direction}">' in page.text
    assert word in page.text
    assert {"de": "Wetterdienst", "ar": "مكتب الطقس", "en": "Weather desk"}[language] in page.text


@pytest.mark.django_db
def test_a_guest_chooses_a_language_and_keeps_it(client):
    page = client.get("/chat/").text
    assert 'action="/language/"' in page
    assert '<option value="de" lang="de">Deutsch</option>' in page
    answer = client.post("/language/", {"language": "de", "next": "/chat/"})
    assert (answer.status_code, answer.url) == (302, "/chat/")
    assert "Mit wem möchten Sie chatten?" in client.get("/chat/", headers={"Accept-Language": "ar"}).text
    assert '<option value="de" lang="de" selected>' in client.get("/accounts/login/").text


@pytest.mark.django_db
@pytest.mark.parametrize("next_url", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_choosing_a_language_redirects_to_no_other_site(client, next_url):
    assert client.post("/language/", {"language": "de", "next": next_url}).url == "/"


@pytest.mark.django_db
def test_an_unknown_language_changes_nothing(client):
    client.post("/language/", {"language": "xx", "next": "/chat/"})
    assert '<html lang="en"' in client.get("/chat/").text


@pytest.mark.django_db
def test_a_site_that_does_not_ask_for_languages_offers_none(client, settings):
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if "locale" not in each]
    assert 'action="/language/"' not in client.get("/chat/", headers={"Accept-Language": "de"}).text
    assert language_of({"headers": [(b"accept-language", b"de")]}) == "en"


def test_only_languages_with_a_catalogue_are_offered(settings):
    settings.LANGUAGES = [("en", "English"), ("de", "German"), ("fr", "French")]
    assert [each.name for each in choices()] == ["English", "Deutsch"]
    settings.LANGUAGES = [("en", "English"), ("fr", "French")]
    assert choices() == []


@pytest.mark.django_db
@pytest.mark.parametrize(("language", "word"), [("de", "Seite nicht gefunden"), ("ar", "تعذر العثور على الصفحة")])
def test_the_404_page_is_in_the_reader_s_language(client, language, word):
    page = client.get("/nowhere/", headers={"Accept-Language": language})
    assert page.status_code == 404
    assert f"<h1>{word}</h1>" in page.text


@pytest.mark.django_db
def test_the_500_page_is_in_the_reader_s_language(client, monkeypatch):
    def breaks(*_args, **_kwargs):
        raise RuntimeError("broken")

    monkeypatch.setattr(registry, "open_to", breaks)
    client.raise_request_exception = False
    page = client.get("/chat/", headers={"Accept-Language": "de"})
    assert page.status_code == 500
    assert "Das war unser Fehler" in page.text


@pytest.mark.django_db
def test_the_403_pages_are_in_the_reader_s_language(client, rf):
    from django.test import Client
    from django.views.defaults import permission_denied

    careful = Client(enforce_csrf_checks=True)
    page = careful.post("/chat/", {"agent": "weather"}, headers={"Accept-Language": "de"})
    assert page.status_code == 403
    assert "Bitte versuchen Sie es noch einmal" in page.text
    with translation.override("ar"):
        assert "تم رفض الوصول" in permission_denied(rf.get("/"), Http404()).text


@pytest.mark.django_db
def test_staff_read_admin_in_their_language(admin_client):
    page = admin_client.get("/admin/", headers={"Accept-Language": "de"}).text
    assert "Chats mit Agenten" in page
    assert "Läufe" in page
