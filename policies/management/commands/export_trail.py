"""`manage.py export_trail`: rows of the audit trail by filter, as JSON lines or CSV, on stdout or in a file."""

from argparse import ArgumentParser
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from policies.actions.trail import FORMATS, note_export
from policies.domain.authority import SYSTEM
from policies.queries.trail import TrailFilter
from policies.queries.trail_exports import exported

_TEXTS = {
    "actor": "who did it",
    "verb": "such as flip.approved",
    "cluster": "name of the cluster",
    "variant": "name of the variant",
    "namespace": "name of a namespace",
    "outcome": "ok, refused or failed",
    "text": "a part of the message, a namespace or a digest",
}


class Command(BaseCommand):
    help = "Export rows of the audit trail, the first first. Without a filter, verify_trail --file can verify them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--format", choices=FORMATS, default=FORMATS[0])
        parser.add_argument("--output", metavar="FILE", help="write there, not to stdout")
        for name, words in _TEXTS.items():
            parser.add_argument(f"--{name}", default="", help=words)
        for name, words in (("since", "from this time on"), ("until", "before this time")):
            parser.add_argument(f"--{name}", help=f"{words}: 2026-03-01T12:00, in UTC")

    def handle(self, *_: object, **options: Any) -> None:
        wanted = TrailFilter(
            **{name: options[name] for name in _TEXTS},
            since=_time("since", options["since"]),
            until=_time("until", options["until"]),
        )
        with ExitStack() as opened:
            # Nothing is noted for a file that cannot be written.
            file = _opened(options["output"], opened) if options["output"] else self.stdout
            before = note_export(
                wanted=wanted, form=options["format"], by=SYSTEM, now=timezone.now()
            )
            for piece in exported(wanted, form=options["format"], before=before):
                file.write(piece)


def _opened(name: str, opened: ExitStack) -> TextIO:
    try:
        return opened.enter_context(Path(name).open("w", encoding="utf-8", newline=""))
    except OSError as error:
        raise CommandError(f"{name} cannot be written: {error}") from error


def _time(name: str, text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(
            f"--{name} is a time such as 2026-03-01T12:00, not {text!r}.", returncode=2
        ) from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)
