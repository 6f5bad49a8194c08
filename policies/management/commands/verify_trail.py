"""`manage.py verify_trail`: does the audit trail hold from its first row to its last, in the database or in an export."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from policies.actions.trail import trail_key, verify_here
from policies.domain.trail import (
    BadHead,
    BadTrailKey,
    KnownHead,
    TrailRecord,
    Unreadable,
    Verification,
    check_signature,
    heads_of_text,
    public_keys,
    read_line,
    verify,
)

BROKEN, NOT_JUDGED = 1, 2


class Command(BaseCommand):
    help = (
        "Verify the audit trail. Exits with 0 when it is whole, 1 when it is broken (the first broken row is named),"
        " 2 when it could not be judged."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--head",
            action="append",
            default=[],
            metavar="FILE",
            help="a signed head that was kept outside, or a file with one in each line; may be repeated",
        )
        parser.add_argument(
            "--public-key",
            metavar="FILE",
            help="public keys in PEM that heads may be signed with; this installation's own without it",
        )
        parser.add_argument(
            "--file",
            metavar="FILE",
            help="verify an export in JSON lines, unfiltered, instead of the database; - is stdin",
        )
        parser.add_argument("--json", action="store_true", help="answer with one line of JSON")

    def handle(self, *_: object, **options: Any) -> None:
        heads = tuple(_known_heads(options["head"], options["public_key"]))
        with ExitStack() as opened:
            if options["file"]:
                found = verify(_rows_of(_lines(options["file"], opened)), heads)
            else:
                found = verify_here(heads)
        self.stdout.write(_json(found) if options["json"] else _words(found, options["file"]))
        if not found.is_whole:
            sys.exit(BROKEN)


def _known_heads(files: Iterable[str], key_file: str | None) -> Iterator[KnownHead]:
    """Read heads that somebody vouches for. Raises CommandError for any other."""
    for name in files:
        try:
            signed_heads = heads_of_text(_text(name))
            keys = public_keys(_text(key_file) if key_file else _own_key())
            for signed in signed_heads:
                check_signature(signed, keys)
                head = signed.head
                yield KnownHead(head.sequence, head.hash, f"{head.name} of {head.installation}")
        except (BadHead, BadTrailKey) as error:
            raise CommandError(f"{name}: {error}", returncode=NOT_JUDGED) from error
        if not signed_heads:
            raise CommandError(f"{name} holds no head.", returncode=NOT_JUDGED)


def _own_key() -> str:
    key = trail_key()
    if key is None:
        raise CommandError(
            "Name the file with the public key by --public-key: this installation has no key of its own.",
            returncode=NOT_JUDGED,
        )
    return key.public_pem


def _text(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{name} cannot be read.", returncode=NOT_JUDGED) from error


def _lines(name: str, opened: ExitStack) -> Iterable[str]:
    if name == "-":
        return sys.stdin
    try:
        return opened.enter_context(
            Path(name).open(encoding="utf-8", errors="replace", newline="\n")
        )
    except OSError as error:
        raise CommandError(f"{name} cannot be read.", returncode=NOT_JUDGED) from error


def _rows_of(lines: Iterable[str]) -> Iterator[TrailRecord | Unreadable]:
    """Read rows; what is none takes the place that it stands at."""
    for number, line in enumerate(lines, 1):
        try:
            yield read_line(line)
        except ValueError as error:
            yield Unreadable(number, str(error))


def _words(found: Verification, file: str | None) -> str:
    if found.broken is None:
        last = f", the last with hash {found.last_hash}" if found.count else ""
        heads = f" {found.head_count} heads agree." if found.head_count else ""
        alone = "" if found.head_count else " No head says whether rows are missing at the end."
        return f"whole: {found.count} rows{last}.{heads}{alone}"
    hint = " Is the export unfiltered?" if file and found.broken.fault == "deleted" else ""
    return f"broken: {found.broken.sentence}{hint} {found.count} rows before it hold."


def _json(found: Verification) -> str:
    broken = found.broken
    return json.dumps(
        {
            "whole": found.is_whole,
            "rows": found.count,
            "last_hash": found.last_hash,
            "heads": found.head_count,
            "first_broken_row": broken.sequence if broken else None,
            "fault": broken.fault.value if broken else "",
            "sentence": broken.sentence if broken else "",
        },
        sort_keys=True,
    )
