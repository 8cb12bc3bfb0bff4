"""How values lie in a cache that several processes share: as JSON. Nothing that comes from there is ever unpickled.

For `OPTIONS["serializer"]` of Django's RedisCache, whose own serializer pickles: whoever can write to such a Redis can
run code in every process that reads it.
"""

import json
from typing import Any


class JSONSerializer:
    """Takes what JSON can say, and raises TypeError for the rest. Whole numbers stay such, so incr() works."""

    def dumps(self, value: Any) -> bytes:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")

    def loads(self, data: bytes) -> Any:
        return json.loads(data.decode("utf-8", "surrogatepass"))
