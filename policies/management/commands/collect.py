"""`manage.py collect NAME`: one collection run in the foreground."""

import json
from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from policies.actions.collection import collect
from policies.actions.errors import Busy
from policies.domain.authority import SYSTEM
from policies.models import Cluster, CollectionRun


class Command(BaseCommand):
    help = "Collect one cluster in the foreground; exits with 1 when nothing could be read."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the cluster's name")
        parser.add_argument("--json", action="store_true", help="end with one line of JSON")

    def handle(self, *_: object, **options: object) -> None:
        cluster = Cluster.objects.filter(name=options["name"]).first()
        if cluster is None:
            raise CommandError(f"There is no cluster {options['name']}.")
        try:
            run = collect(cluster_id=cluster.pk, by=SYSTEM, now=timezone.now())
        except Busy as error:
            raise CommandError(error.message) from error
        self.stdout.write(_line(run) if options["json"] else _sentence(run))
        if run.state == CollectionRun.State.FAILED:
            raise CommandError(run.error_message, returncode=1)


def _line(run: CollectionRun) -> str:
    return json.dumps(
        {
            "state": run.state,
            "counts": run.counts,
            "problems": run.problem_count,
            "seconds": run.seconds,
            "requests": run.request_count,
            "bytes": run.received_bytes,
            "peak_mb": run.peak_mb,
            "error": run.error_message,
        },
        sort_keys=True,
    )


def _sentence(run: CollectionRun) -> str:
    read = sum(run.counts.values())
    why = f" {run.error_message}" if run.error_message else ""
    return (
        f"{run.state}: {read} objects in {run.seconds:.1f} s, {run.request_count} requests,"
        f" {run.received_bytes} bytes, {run.problem_count} objects not understood.{why}"
    )
