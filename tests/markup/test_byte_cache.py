"""A cache bounded by bytes: it forgets what was not asked for the longest, and what is too large does not enter it."""

from agentchat.markup.byte_cache import OVERHEAD, cached_up_to

KIB = 1024


def repeated(max_bytes):
    calls = []

    @cached_up_to(max_bytes)
    def repeat(text, times=1):
        calls.append((text, times))
        return text * times

    return repeat, calls


def test_a_text_is_made_once():
    repeat, calls = repeated(16 * KIB)
    assert [repeat("ab", 2), repeat("ab", 2), repeat("ab", 3)] == ["abab", "abab", "ababab"]
    assert calls == [("ab", 2), ("ab", 3)]


def test_it_keeps_as_many_texts_as_its_bytes_allow():
    size = KIB - OVERHEAD - str.__sizeof__("")
    repeat, calls = repeated(16 * KIB)
    for letter in "abcdefghijklmnopq":
        repeat(letter, size)
    calls.clear()
    repeat("b", size)
    repeat("q", size)
    assert calls == []
    repeat("a", size)  # seventeen of a KiB do not fit into sixteen
    assert calls == [("a", size)]


def test_a_character_counts_as_the_bytes_that_it_takes():
    repeat, calls = repeated(16 * KIB)
    for letter in "😀😁😂😃😄😅😆😇😈😉":
        repeat(letter, 400)  # four bytes each
    calls.clear()
    repeat("😀", 400)
    assert calls == [("😀", 400)]


def test_a_text_that_would_push_out_all_others_is_not_kept():
    repeat, calls = repeated(16 * KIB)
    repeat("a")
    repeat("b", 4 * KIB)
    repeat("b", 4 * KIB)
    repeat("a")
    assert calls == [("a", 1), ("b", 4 * KIB), ("b", 4 * KIB)]


def test_a_lone_surrogate_is_no_obstacle():
    repeat, calls = repeated(16 * KIB)
    assert repeat("\ud800") == repeat("\ud800") == "\ud800"
    assert len(calls) == 1
