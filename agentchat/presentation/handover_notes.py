"""What happened in a handover, in a sentence: for exports. Pages have a template for it."""

from django.utils.translation import gettext as _

from agentchat.presentation.items import HandoverNote


def handover_text(note: HandoverNote) -> str:
    match note.what:
        case "asked":
            return _("A colleague has been asked to join.")
        case "taken":
            return _("The agent pauses: a colleague answers here.")
        case "joined":
            return _("%(name)s has joined (staff).") % {"name": note.name}
        case "returned":
            return _("%(name)s has left, and the agent continues.") % {"name": note.name}
        case "expired":
            return _("No one could join. The agent continues.")
        case "ended":
            return _("The conversation with staff has ended.")
