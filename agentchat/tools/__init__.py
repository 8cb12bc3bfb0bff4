"""Tools: plain functions that a model may ask for.

    schema.py      what the model is told of a function, and whether the arguments it sends fit
    execution.py   calling it, and what the model reads when that fails

Tools know nothing of agents, models or streams; `agentchat.agents` joins them.
"""

from agentchat.tools.schema import Tool, tool_of

__all__ = ["Tool", "tool_of"]
