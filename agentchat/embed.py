"""The public path of the view for CSRF_FAILURE_VIEW; the embedded pages are in `agentchat.web.views.embed`."""

from agentchat.web.views.embed import csrf_failure

__all__ = ["csrf_failure"]
