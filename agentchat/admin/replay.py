"""A chat as it was at one of its events: what was shown then, and the events around it."""

from collections.abc import Sequence
from dataclasses import dataclass

from agentchat.models import ChatSession, Event
from agentchat.presentation.pagination import TranscriptPage, page_of
from agentchat.runs.branching.tree import Tree

AROUND = 8  # events listed on each side
ENDS = ("TEXT_MESSAGE_END", "INPUT_ANSWERED", "RUN_FINISHED", "RUN_ERROR")  # where a reader would stop


@dataclass(frozen=True, kw_only=True)
class Moment:
    """The chat after the event `at`, the last of which has the number `last`; both are 0 if there is none.

    `earlier_end` and `later_end` are the nearest events with which a message, a question or a run ends.
    """

    at: int
    last: int
    page: TranscriptPage
    is_newest_part: bool
    event: Event | None
    around: Sequence[Event]
    earlier_end: int | None
    later_end: int | None

    @property
    def previous(self) -> int | None:
        return self.at - 1 if self.at > 1 else None

    @property
    def following(self) -> int | None:
        return self.at + 1 if self.at < self.last else None


def moment_of(session: ChatSession, at: int | None, before: int | None = None) -> Moment:
    """The chat as it was after this event, on the branch that the event is in; None: after the last one.

    `before`: the page of the transcript before this event. A fixed number of queries, however long the chat is.
    """
    last = session.next_seq - 1
    at = last if at is None else max(min(at, last), min(last, 1))
    events = Event.objects.filter(session=session)
    ends = events.filter(type__in=ENDS)
    around = list(events.filter(seq__gte=at - AROUND, seq__lte=at + AROUND).select_related("run").order_by("seq"))
    tree = Tree.of(session.pk)
    newest = events.filter(seq__lte=at, run__isnull=False).order_by("-seq").values_list("run", flat=True).first()
    shown = events.filter(tree.condition(newest), seq__lte=at)
    return Moment(
        at=at,
        last=last,
        page=page_of(shown, at + 1, before=before),
        is_newest_part=before is None,
        event=next((each for each in around if each.seq == at), None),
        around=around,
        earlier_end=ends.filter(seq__lt=at).order_by("-seq").values_list("seq", flat=True).first(),
        later_end=ends.filter(seq__gt=at).order_by("seq").values_list("seq", flat=True).first(),
    )
