"""JSON serialization for a cache that several processes share: nothing that is read from it is ever unpickled.

For `OPTIONS["serializer"]` of Django's RedisCache, whose own serializer pickles: anyone with write access to such a
Redis could run code in every process that reads it.
"""

import json
from typing import Any

from agentchat.core.log import get_logger

logger = get_logger("agentchat.cache")


class JSONSerializer:
    """Serializes what JSON can represent, and raises TypeError for the rest. Integers stay integers, for incr().

    What is not JSON, from another program or version, is read as None, as if it were not there, and logged.
    """

    def dumps(self, value: Any) -> bytes:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")

    def loads(self, data: bytes) -> Any:
        try:
            return json.loads(data.decode("utf-8", "surrogatepass"))
        except (ValueError, RecursionError) as error:
            logger.warning("a value in the cache is not JSON, and counts as missing: %s", error)
            return None
