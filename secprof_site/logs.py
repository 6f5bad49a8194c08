"""How log lines look: time, level, logger, the event's name, then its fields as key=value. Standard library only."""

import json
import logging
import time
from collections.abc import Iterable

SHORTEST_SECRET = 8

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Objects that Django and Celery hang onto their records; they say nothing that the message does not.
_SKIPPED = frozenset({"request", "server_time", "data", "_context"})


class EventFormatter(logging.Formatter):
    """Write `extra` fields behind the message, quoted where a reader would stumble."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self, hidden: Iterable[str] = ()) -> None:
        """Take the texts that must stand in no line, tracebacks included; short ones would hide too much."""
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")
        self.converter = time.gmtime
        wanted = sorted({text for text in hidden if len(text) >= SHORTEST_SECRET}, key=len)
        self._hidden = tuple(reversed(wanted))

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        for secret in self._hidden:
            line = line.replace(secret, "***")
        return line

    def formatMessage(self, record: logging.LogRecord) -> str:
        fields = sorted(vars(record).keys() - _OWN - _SKIPPED)
        tail = "".join(f" {name}={_shown(getattr(record, name))}" for name in fields)
        return super().formatMessage(record) + tail


def _shown(value: object) -> str:
    text = str(value)
    plain = text.isprintable() and not any(character in text for character in ' "=')
    return text if plain and text else json.dumps(text)
