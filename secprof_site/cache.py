"""How cached values lie in Redis: as JSON, because whoever can write there must not run code here, as pickles would."""

import json
from typing import Any


class JsonSerializer:
    """What Django's Redis cache asks to write and read values; numbers stay plain, so that Redis can count."""

    def dumps(self, value: Any) -> bytes | int:
        """Write a value that JSON knows."""
        if type(value) is int:
            return value
        return json.dumps(value, separators=(",", ":")).encode()

    def loads(self, stored: bytes) -> Any:
        """Read a value back."""
        return json.loads(stored)
