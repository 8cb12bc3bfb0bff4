"""Frames are cut where an event is very large; programs get the whole."""

from uuid import UUID

from agentchat.infra.database import retry_until_available
from agentchat.infra.db_threads import in_read_thread
from agentchat.realtime.frames import Frame, visible_frame, whole_frames_after
from agentchat.visitors import Visitor


async def whole_frame(frame: Frame, session_id: UUID, visitor: Visitor) -> Frame:
    """The frame with all of its event, as this visitor may see it."""
    if not frame.get("cut"):
        return frame

    def read() -> Frame:
        [whole] = whole_frames_after(session_id, frame["seq"] - 1, limit=1)
        return visible_frame(whole, shows_usage=visitor.may_see_usage, shows_details=visitor.may_see_details)

    return await retry_until_available(lambda: in_read_thread(read)())
