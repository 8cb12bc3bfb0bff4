"""Where an event comes from: phases and indexes in memory, one integer in the database."""

import pytest

from agentchat.runs.origins import QUESTION_ORDINALS, Origin, OriginSequence, Phase


@pytest.mark.parametrize(
    ("ordinal", "phase", "index"),
    [
        (0, Phase.WITHIN, 0),
        (7, Phase.WITHIN, 7),
        (399_999, Phase.WITHIN, 399_999),
        (400_000, Phase.RESULT, 0),
        (500_001, Phase.ASKED_AGAIN, 1),
        (1_000_000, Phase.AFTER, 0),
        (1_000_009, Phase.AFTER, 9),
    ],
)
def test_a_stored_ordinal_is_a_phase_and_an_index_and_the_other_way_round(ordinal, phase, index):
    origin = Origin(step=3, phase=phase, index=index)
    assert Origin.stored(3, ordinal) == origin
    assert origin.ordinal == ordinal


def test_a_sequence_counts_within_its_phase():
    origins = OriginSequence(2, Phase.AFTER, start=5)
    assert [next(origins).ordinal for _ in range(3)] == [1_000_005, 1_000_006, 1_000_007]


def test_an_index_beyond_its_phase_is_the_origin_that_is_read_again():
    beyond = next(OriginSequence(2, Phase.WITHIN, start=400_000))
    assert beyond == Origin.stored(2, beyond.ordinal) == Origin(step=2, phase=Phase.RESULT, index=0)


def test_the_question_of_an_input_step_is_its_first_event():
    assert next(OriginSequence(1)).is_question
    assert Origin(step=1).ordinal == QUESTION_ORDINALS[0]
    assert Origin(step=1, phase=Phase.ASKED_AGAIN).is_question
    assert not Origin(step=1, phase=Phase.ASKED_AGAIN, index=1).is_question
