"""What was said in a chat session before a run."""

from collections.abc import Callable, Mapping
from typing import Any

from agentchat.core.file_references import references_in
from agentchat.core.files import File, MessageText
from agentchat.core.handovers import staff_content
from agentchat.core.summaries import History, HistorySummarized
from agentchat.events import TextMessageEnd, TextMessageStart
from agentchat.models import Event, InboxItem
from agentchat.runs.branching.tree import Tree
from agentchat.runs.leases import Claim


def history_before(claim: Claim, find_file: Callable[[Mapping[str, Any]], File | None]) -> History:
    """The messages of the branch before this run, oldest first: role, name and content of each, which may have files.

    The same at every execution of the run: neither its own messages nor those of other branches are in it, nor is a
    message that this run may still read from its inbox.
    """
    if claim.number == 1:
        return History()
    tree = Tree.of(claim.session_id)
    parent = tree.lineage(claim.run_id)[0].node.parent  # a retried run has the history of the run that it forked from
    before = {segment.node.pk for segment in tree.branch(parent)}
    emitted = Event.objects.filter(tree.condition(parent), session=claim.session_id, run__in=before)
    later = InboxItem.objects.filter(session=claim.session_id).exclude(run__in=before)
    to_be_read = {str(client_id) for client_id in later.values_list("client_id", flat=True)}
    starts: dict[str, dict[str, str]] = {}
    messages = History()
    read = (TextMessageStart.type, TextMessageEnd.type, HistorySummarized.type)
    for event in emitted.filter(type__in=read).order_by("seq"):
        if event.type == TextMessageStart.type:
            starts[event.payload["messageId"]] = event.payload
        elif event.type == HistorySummarized.type:
            messages.note(event.payload)
        elif event.type == TextMessageEnd.type and event.payload["messageId"] not in to_be_read:
            start = starts.get(event.payload["messageId"])
            files = [find_file(each) for each in references_in(event.payload.get("files"))]
            if start is None or not (event.payload["content"] or files):
                continue
            role, name, content = start["role"], start["name"], event.payload["content"]
            if role == "staff":  # in a handover; a model has no such role
                role, content = "assistant", staff_content(name, content)
            if files:
                content = MessageText(content, filter(None, files))
            messages.append({"role": role, "name": name, "content": content})
    return messages
