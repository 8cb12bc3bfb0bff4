"""The seams between agents and whatever runs them.

    registry.py      the agent functions that `@on_connect` registers
    steps.py         the step seam, where a run can record what happened
    async_bridge.py  how synchronous agents wait for asynchronous work
    approvals.py     approvals of tool calls, and forms
    classic_imports.py  where imports of AutoGen 0.2 lead
    text.py          lengths in UTF-16, and surrogate pairs

Nothing here needs Django, or knows who implements a protocol.
"""
