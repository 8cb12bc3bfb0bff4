"""One text that only grows, whatever models do in the middle."""

from hypothesis import given
from hypothesis import strategies as st

from agentchat.programs.reply_text import ReplyText


def start(id_="m", role="assistant"):
    return {"type": "TEXT_MESSAGE_START", "messageId": id_, "role": role, "name": "bot"}


def delta(text, offset=0, attempt=1, id_="m"):
    return {"type": "TEXT_MESSAGE_CONTENT", "messageId": id_, "attempt": attempt, "offset": offset, "delta": text}


def end(content, id_="m"):
    return {"type": "TEXT_MESSAGE_END", "messageId": id_, "content": content}


def said(*frames):
    reply = ReplyText()
    return [reply.add(frame) for frame in frames], reply.text


def test_deltas_are_said_as_they_come_and_the_rest_at_the_end():
    assert said(start(), delta("One"), delta(" two", 3), end("One two three")) == (
        ["", "One", " two", " three"],
        "One two three",
    )


def test_messages_are_set_apart_and_empty_ones_leave_nothing():
    frames = [
        start("a"),
        end("", "a"),
        start("b"),
        end("Two", "b"),
        start("c"),
        delta("Three", id_="c"),
        end("Three", "c"),
    ]
    pieces, text = said(*frames)
    assert ("".join(pieces), text) == ("Two\n\nThree", "Two\n\nThree")


def test_what_users_say_and_nested_chats_are_left_out():
    nested = [{"type": "STEP_STARTED"}, start("n"), end("aside", "n"), {"type": "STEP_FINISHED"}]
    assert said(start("u", "user"), end("Hi", "u"), *nested, start(), end("Hello"))[1] == "Hello"


def test_a_second_attempt_goes_on_where_the_first_one_was():
    pieces, text = said(
        start(), delta("Once upon"), delta("Once", 0, 2), delta(" upon a", 4, 2), end("Once upon a time")
    )
    assert (pieces, text) == (["", "Once upon", "", " a", " time"], "Once upon a time")


def test_a_second_attempt_that_says_something_else_begins_anew():
    pieces, text = said(start(), delta("Once upon"), delta("It was", 0, 2), end("It was night"))
    assert ("".join(pieces), text) == ("Once upon\n\nIt was night", "It was night")


def test_the_word_that_ends_a_chat_is_never_said():
    pieces, text = said(start(), delta("Done. "), delta("TERMI", 6), delta("NATE", 11), end("Done. TERMINATE"))
    assert (pieces, text) == (["", "Done.", "", "", ""], "Done.")
    assert "".join(said(start(), delta("The TERM"), delta(" ends", 8), end("The TERM ends"))[0]) == "The TERM ends"


def test_offsets_count_as_in_javascript():
    assert "".join(said(start(), delta("🙂a"), delta("ab", 2), end("🙂ab"))[0]) == "🙂ab"


@given(st.lists(st.text(st.sampled_from("a \nTERMINATE🙂"), min_size=1), min_size=1), st.integers(0, 5))
def test_however_a_message_is_cut_into_deltas_the_whole_is_said(parts, lost):
    content, frames, offset = "".join(parts), [start()], 0
    for part in parts[: len(parts) - lost]:
        frames.append(delta(part, offset))
        offset += len(part.encode("utf-16-le")) // 2
    pieces, text = said(*frames, end(content))
    if content.strip():
        assert "".join(pieces) == text or not text.strip()
