"""How log lines look: time, level, logger, the event's name, then its fields as key=value. Standard library only."""

import json
import logging
import time

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Objects that Django and Celery hang onto their records; they say nothing that the message does not.
_SKIPPED = frozenset({"request", "server_time", "data", "_context"})


class EventFormatter(logging.Formatter):
    """Write `extra` fields behind the message, quoted where a reader would stumble."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")
        self.converter = time.gmtime

    def formatMessage(self, record: logging.LogRecord) -> str:
        fields = sorted(vars(record).keys() - _OWN - _SKIPPED)
        tail = "".join(f" {name}={_shown(getattr(record, name))}" for name in fields)
        return super().formatMessage(record) + tail


def _shown(value: object) -> str:
    text = str(value)
    plain = text.isprintable() and not any(character in text for character in ' "=')
    return text if plain and text else json.dumps(text)
