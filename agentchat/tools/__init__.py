"""Tools: plain functions that a model may call.

    schema.py      how a function is described to the model, and whether the arguments it sends are valid
    execution.py   calling it, and what the model reads when that fails

Tools do not know agents, models or streams; `agentchat.agents` joins them.
"""

from agentchat.tools.schema import Tool, as_function, tool_of

__all__ = ["Tool", "as_function", "tool_of"]
