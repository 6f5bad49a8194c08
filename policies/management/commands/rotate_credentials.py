"""`manage.py rotate_credentials`: encrypt every stored credential and second factor with the newest key."""

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from policies.actions.clusters import rotate_credentials
from policies.actions.errors import Refused
from policies.actions.factors import rotate_factor_secrets
from policies.domain.authority import SYSTEM


class Command(BaseCommand):
    help = "Encrypt stored credentials anew. Afterwards the older keys may leave SECPROF_CREDENTIAL_KEYS."

    def handle(self, *_: object, **__: object) -> None:
        try:
            factors = rotate_factor_secrets()
            count = rotate_credentials(by=SYSTEM, now=timezone.now())
        except Refused as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{count} credentials are encrypted with the newest key.")
        if factors:
            self.stdout.write(f"So are the secrets of {factors} second factors.")
