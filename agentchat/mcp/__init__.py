"""Tools of MCP servers, for agents: an extra, `agentchat[mcp]`, without which nothing of the SDK is imported.

    servers.py       which servers there are: the setting MCP_SERVERS, and addresses in agents' code
    tools.py         `mcp_tools()`: what a server offers, as tools of an agent
    definitions.py   what a server says of its tools, and what has changed in it
    results.py       what a call has returned
    connection.py    one connection to a server; the only file that knows the SDK

Names, descriptions, schemas and results are texts of somebody else: they are bounded, they are never instructions to
this code, and whether users see a call is not theirs to say.
"""
