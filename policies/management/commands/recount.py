"""`manage.py recount CLUSTER`: do the stored numbers equal those of the raw reports?"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from policies.actions.recount import SHOWN, recount
from policies.cluster.errors import ClusterError
from policies.models import Cluster


class Command(BaseCommand):
    help = (
        "Reads every report of a cluster once more, counts it by other code than the collection's, and compares the"
        " result with what is stored. Exits with 1 when anything differs."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("cluster", help="name of the cluster")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            cluster = Cluster.objects.get(name=options["cluster"])
        except Cluster.DoesNotExist:
            names = ", ".join(Cluster.objects.order_by("name").values_list("name", flat=True))
            raise CommandError(
                f"There is no cluster {options['cluster']}; there are: {names or 'none'}."
            ) from None
        try:
            found = recount(cluster)
        except ClusterError as error:
            raise CommandError(error.message) from error
        for difference in found.differences[:SHOWN]:
            self.stdout.write(difference)
        self.stdout.write(
            f"{found.reports} reports, {found.results} results;"
            f" {found.tallies} tallies and {found.rows} rows compared:"
            f" {len(found.differences)} differences"
        )
        if found.differences:
            raise CommandError("The stored numbers are not those of the cluster.")
