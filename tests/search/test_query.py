# ruff: noqa: RUF001  (letters that look alike are what this is about)
"""Search: what is found, what is not, and that queries are data."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from agentchat.models import ChatSession
from agentchat.search import query as search
from agentchat.visitors import Visitor
from tests.search.chats import add_messages, chat_of, create_chat, found, urls

NASTY = (
    *('"', "'", '"unclosed', "a AND", "NEAR(", "NEAR/2 xyz", "content:xyz", "xyz*", "*", "^xyz", "-xyz", "(xyz", "x)"),
    *("\\", "\\'", "'; DROP TABLE agentchat_event; --", "a & | ! b", "abc:*", "<->", "%", "_", "[", "(?P<", "{a b}: c"),
    *("\0", "\ud800", "🦄🦄🦄", "🦄", "x" * 10_000, "ein wort " * 1_000, "\u202e abc", "ß", "a\tb\nc", "!!!", "' ' '"),
)


# --- matches --------------------------------------------------------------------------------------------------------


def test_a_chat_is_found_by_its_messages(ada):
    chat = create_chat(ada, "Hello", "The grey heron weighs 42.5 times what ibises do. Ärger!")
    create_chat(ada, "A stork, and nothing else")
    for query in ("heron", "HERON", "the heron", "heron grey", "grey her", "Ibises", "42.5", "Ärger", "ärger"):
        assert found(ada, query) == urls(chat), query


def test_all_words_must_be_in_one_message(ada):
    create_chat(ada, "The grey heron", "A stork")
    for query in ("heron stork", "flamingo", "heronry"):
        assert found(ada, query) == [], query


def test_short_words_and_scripts_without_spaces_are_found_too(ada):
    chat = create_chat(ada, "a piece of it", "苍鹭是一种鸟")
    create_chat(ada, "nothing here")
    for query in ("of", "it", "of it", "piece of", "是", "鹭是", "鹭是一种"):
        assert found(ada, query) == urls(chat), query


def test_a_chat_is_found_by_its_title(ada):
    chat = create_chat(ada, "Hello", title="Trip by boat, Ärzte")
    create_chat(ada, "Hello", title="By train")
    for query in ("boat", "ÄRZTE", "Trip bo"):
        assert found(ada, query) == urls(chat), query


def test_a_result_links_to_the_newest_matching_message(ada):
    chat = create_chat(ada, "a heron", "a stork", "the heron again", "a stork again", title="On birds")
    [hit] = search.find(Visitor(user=ada), "heron").chats
    assert hit.url == f"{chat.get_absolute_url()}#message-3"
    [hit] = search.find(Visitor(user=ada), "birds").chats
    assert hit.url == chat.get_absolute_url()


def test_hidden_messages_are_not_found(ada):
    chat = create_chat(ada, "Terminate the lease?", "Yes, terminate it.", "TERMINATE", " TERMINATE\n")
    [hit] = search.find(Visitor(user=ada), "terminate").chats
    assert hit.url == f"{chat.get_absolute_url()}#message-2"
    create_chat(ada, "TERMINATE")
    assert found(ada, "terminate") == urls(chat)


def test_the_newest_chat_comes_first_with_a_snippet(ada):
    old, new = (
        create_chat(ada, "a heron, once"),
        create_chat(ada, "word " * 100 + "another heron " + "word " * 100, title="On birds"),
    )
    results = search.find(Visitor(user=ada), "heron")
    assert [chat_of(each) for each in results.chats] == urls(new, old)
    snippet = results.chats[0].snippet
    assert [fragment.text for fragment in snippet if fragment.is_hit] == ["heron"]
    text = "".join(fragment.text for fragment in snippet)
    assert text.startswith("…")
    assert text.endswith("…")
    assert "another heron word" in text
    assert len(text) < 300


def test_the_number_of_results_is_limited(ada, monkeypatch):
    monkeypatch.setattr(search, "MAX_FOUND", 2)
    for _ in range(3):
        create_chat(ada, "heron")
    results = search.find(Visitor(user=ada), "heron")
    assert (len(results.chats), results.has_more) == (2, True)


ALIKE = [  # what was written, and how others write it
    ("Die Straße nach Gießen", ["strasse", "STRASSE", "straße", "Giessen", "STRAẞE"]),
    ("In İstanbul und ISPARTA", ["istanbul", "ISTANBUL", "İSTANBUL", "ısparta", "isparta"]),
    ("Crème brûlée, naïve façade", ["creme brulee", "CRÈME", "cre\u0300me", "naive", "façade"]),
    ("Cre\u0300me bru\u0302le\u0301e", ["crème", "brulee", "Brûlée"]),
    ("Don’t, l’été, O‘Hara", ["don't", "don’t", "l'ete", "l’été", "o'hara", "o´hara"]),
    ("She said “hello” to «them»", ['"hello"', "“hello”", "„them“"]),
    ("well‑known, 2020–2024", ["well-known", "well‐known", "2020-2024", "2024", "known"]),
    ("Ｆｕｌｌ ｗｉｄｔｈ １２３", ["full width", "width 123", "ＦＵＬＬ"]),
    ("مُحَمَّدٌ كتـــب الرسالة", ["محمد", "كتب", "الرساله", "مُحمد"]),
    ("أحمد إلى مدرسة", ["احمد", "الي", "مدرسه"]),
    ("ｶﾞｲﾄﾞﾌﾞｯｸ", ["ガイドブック", "ｶﾞｲﾄﾞ", "ガイド"]),
    ("サービスの説明", ["ｻｰﾋﾞｽ", "説明"]),
    ("한국어 설명", ["한국어", "\u1112\u1161\u11ab\u1100\u116e\u11a8"]),
    ("ΟΔΟΣ και Αθήνα", ["οδος", "οδός", "αθηνα"]),
    ("Ёлка и ЩУКА", ["елка", "ёлка", "щука"]),
    ("Smørrebrød på Łódź, Ægir, cœur", ["smorrebrod", "lodz", "aegir", "coeur"]),
    ("٤٢ كتابا and ۷ more", ["42", "7"]),
    ("ﬁnancial ofﬁce", ["financial", "office"]),
    ("so\u00adft hy\u200bphen", ["soft", "hyphen"]),
    ("**W**eather is *very* `un`stable, snake\\_case", ["weather", "unstable", "snake_case", "very"]),
]


@pytest.mark.parametrize(("written", "queries"), ALIKE, ids=[written[:12] for written, _ in ALIKE])
def test_what_is_written_alike_is_found_alike(ada, written, queries):
    create_chat(ada, "Something else", title="And a title")
    chat = create_chat(ada, f"Before it\n\n{written}\n\nand after it")
    titled = create_chat(ada, "-", title=written)
    for query in queries:
        assert set(found(ada, query)) == set(urls(chat, titled)), query
        assert all(each.marked for each in search.find(Visitor(user=ada), query).chats[-1:]), query


@pytest.mark.parametrize("query", ["kul", "गा"])
def test_vowels_of_scripts_that_write_them_as_marks_are_not_accents(ada, query):
    create_chat(ada, "कुल गीत")
    assert found(ada, query) == []


def test_a_phrase_is_found_in_its_order_only(ada):
    chat = create_chat(ada, "The **grey** heron,\nand the [white](https://x.example/a) stork. It's `one two`-ish.")
    for query in (
        *('"grey heron"', "“Grey  Heron”", '"the grey heron and"', '"white stork"', "stork “grey heron”", '"grey her'),
        *('"it\'s one two"', '"" heron', '"heron"', '" grey heron "'),
    ):
        assert found(ada, query) == urls(chat), query
    for query in ('"heron grey"', '"grey stork"', '"the heron"', '"grey heron" flamingo', '""', '"', '"  "', '"*"'):
        assert found(ada, query) == [], query
    titled = create_chat(ada, "-", title="A white, slow heron")
    assert found(ada, '"slow heron"') == urls(titled)
    assert found(ada, '"white heron"') == []


def test_a_result_says_what_to_mark_as_it_is_written(ada):
    content = "Über die **Straße** und über\ndie STRASSE: `Strassen`, [Straße](https://x.example/strasse)"
    create_chat(ada, content)
    [hit] = search.find(Visitor(user=ada), 'strasse "uber die"').chats
    assert list(hit.marked) == ["Über die", "Straße", "über die", "STRASSE", "Strasse"]
    assert hit.marking_url == hit.url.replace(
        "#", "?mark=%C3%9Cber+die&mark=Stra%C3%9Fe&mark=%C3%BCber+die&mark=STRASSE&mark=Strasse#"
    )
    assert "".join(part.text for part in hit.snippet) == "Über die Straße und über die STRASSE: Strassen, Straße"


def test_an_excerpt_of_a_long_message_is_around_the_first_hit(ada):
    create_chat(ada, "A paragraph of words.\n\n" * 3_000 + "> The **gray Hérons** fly\n\n" + "More.\n\n" * 3_000)
    [hit] = search.find(Visitor(user=ada), "heron").chats
    text = "".join(part.text for part in hit.snippet)
    assert "words. The gray Hérons fly More." in text
    assert [part.text for part in hit.snippet if part.is_hit] == ["Héron"]


# --- access and hostile queries -------------------------------------------------------------------------------------


def test_chats_of_others_are_not_found(ada):
    create_chat(ada, "The grey heron", title="heron")
    guests = ChatSession.objects.create(guest_key="g1", agent="oracle", title="heron")
    add_messages(guests, "heron")
    mallory = get_user_model().objects.create_user("mallory")
    assert found(mallory, "heron") == []
    assert search.find(Visitor(guest_key="g2"), "heron").chats == []
    assert search.find(Visitor(), "heron").chats == []
    assert [chat_of(each) for each in search.find(Visitor(guest_key="g1"), "heron").chats] == urls(guests)


def test_a_deleted_chat_is_not_found(ada):
    chat = create_chat(ada, "The grey heron", deleted=True)
    assert found(ada, "heron") == []
    ChatSession.objects.filter(pk=chat.pk).update(deleted_at=None)
    assert found(ada, "heron") == urls(chat)


def test_queries_are_data(ada):
    chat = create_chat(ada, "abc xyz")
    for query in NASTY:
        search.find(Visitor(user=ada), query)  # raises nothing
    assert found(ada, "xyz") == urls(chat)


def test_symbols_are_literal(ada):
    queries = ('say "hi"', "it's", "100%", "a_b", "C:\\dir", "x*y", "foo-bar", "x@example.com")
    chats = [create_chat(ada, f"So: {query} and so on") for query in queries]
    for query, chat in zip(queries, chats, strict=True):
        assert found(ada, query) == urls(chat), query


def test_an_empty_query_finds_nothing(ada):
    create_chat(ada, "heron")
    assert found(ada, "  \n ") == []


# --- the page -------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_page_shows_results_escaped(settings):
    settings.AGENTCHAT = {"GUESTS": True}
    ada = get_user_model().objects.create_user("ada")
    chat = create_chat(ada, "see <script>alert(1)</script> heron <b>", title="<i>heron</i>")
    client = Client()
    client.force_login(ada)
    body = client.get("/chat/", {"q": "heron"}).content.decode()
    assert "&lt;i&gt;<mark>heron</mark>&lt;/i&gt;" in body
    assert "&lt;script&gt;alert(1)&lt;/script&gt; <mark>heron</mark>" in body
    assert "<script>alert" not in body
    assert chat.get_absolute_url() in body
    assert 'value="&quot;&gt;&lt;script&gt;"' in client.get("/chat/", {"q": '"><script>'}).content.decode()
    stranger = Client()
    stranger.force_login(get_user_model().objects.create_user("mallory"))
    assert "No results found." in stranger.get("/chat/", {"q": "heron"}).content.decode()
    assert client.get("/chat/", {"q": "x" * 10_000}).status_code == 200


@pytest.mark.django_db
def test_the_number_of_database_queries_is_constant(django_assert_num_queries):
    ada = get_user_model().objects.create_user("ada")
    for _ in range(20):
        create_chat(ada, "heron", "heron")
    assert len(found(ada, "heron")) == 20
    # Is there an index; what is not in it yet; the chats; their newest message; what it says.
    with django_assert_num_queries(5):
        assert len(found(ada, "heron")) == 20
