"""docs/protocol.md names every address that the app answers."""

import re
from pathlib import Path

from agentchat import urls

PROTOCOL = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"
NAMES = {
    "<uuid:chat_id>": "<id>",
    "<str:agent_name>": "<agent>",
    "<str:token>": "<token>",
    "<int:seq>": "<seq>",
    "<int:question_id>": "<number>",
    "<str:model_name>": "<agent>",
    "<uuid:file_id>": "<file>",
    "<path:thread_id>": "<thread>",
}


def test_every_address_is_in_the_table():
    table = PROTOCOL.read_text(encoding="utf-8").partition("\n## HTTP\n")[2]
    addresses = [re.sub("<[^>]+>", lambda part: NAMES[part[0]], f"/{each.pattern}") for each in urls.urlpatterns]
    assert len(addresses) > 15

    def is_named(address):
        """Of a chat session's own, the second in a row may be written as …/ and its end."""
        end = address.removeprefix("/chat/<id>/")
        return re.search(rf"( {re.escape(address)}|`…/{re.escape(end)})[`? ]", table)

    assert [address for address in addresses if not is_named(address)] == []
