"""`manage.py add_cluster NAME --kubeconfig FILE`: take in a cluster from a script."""

import sys
from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from policies.actions.clusters import add_cluster
from policies.actions.errors import Refused
from policies.cluster.kubeconfig import InvalidKubeconfig
from policies.domain.authority import SYSTEM


class Command(BaseCommand):
    help = "Take in a cluster by a kubeconfig with inline credentials."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="a DNS label, unique")
        parser.add_argument("--kubeconfig", required=True, help="a file, or - for standard input")
        parser.add_argument("--context", help="if the file has several")

    def handle(self, *_: object, **options: str) -> None:
        try:
            cluster = add_cluster(
                name=options["name"],
                kubeconfig=_read(options["kubeconfig"]),
                context=options["context"] or None,
                by=SYSTEM,
                now=timezone.now(),
            )
        except (Refused, InvalidKubeconfig) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{cluster.name} added: {cluster.server}")


def _read(path: str) -> str:
    if path == "-":
        return sys.stdin.read()
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"The kubeconfig {path} cannot be read: {error}.") from error
