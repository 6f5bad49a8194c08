"""`manage.py sign_trail_head`: the audit trail's head, signed, for keeping outside; or the key to check it with."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from policies.actions.errors import Refused
from policies.actions.trail import sign_head, trail_key
from policies.domain.authority import SYSTEM


class Command(BaseCommand):
    help = "Write the trail's head as signed JSON. Keep it where those who own the database cannot change it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--public-key", action="store_true", help="write the public key in PEM instead"
        )

    def handle(self, *_: object, **options: object) -> None:
        key = trail_key()
        if options["public_key"] and key is not None:
            self.stdout.write(key.public_pem, ending="")
            return
        try:
            signed = sign_head(by=SYSTEM, now=timezone.now())
        except Refused as error:
            raise CommandError(error.message) from error
        self.stdout.write(signed.to_text())
