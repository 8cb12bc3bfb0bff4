"""Ids that arrive as text: from addresses, frames and stored events."""

from uuid import UUID


def parse_uuid(text: str) -> UUID | None:
    """The UUID, or None if the text is not one."""
    try:
        return UUID(text)
    except ValueError:
        return None
