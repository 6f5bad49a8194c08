"""Second factors at rest: their secrets are sealed with the keys of cluster credentials; forgetting and rotating them.

Adding one and checking a code is allauth's.
"""

from datetime import datetime

from allauth.mfa.models import Authenticator
from cryptography.fernet import InvalidToken, MultiFernet
from django.conf import settings
from django.db import transaction

from policies.actions import audit
from policies.actions.errors import Refused
from policies.actions.sessions import end_all_sessions, find_user
from policies.cluster.credentials import fernet_of
from policies.domain.authority import Act, Actor, require
from policies.domain.sign_in import SignInEvent

_SEALED = {"totp": "secret", "recovery_codes": "seed"}
"""Where each kind of second factor keeps what must not be read."""


def seal(text: str) -> str:
    """Encrypt a secret with the newest key."""
    return _keys().encrypt(text.encode()).decode("ascii")


def unseal(sealed: str) -> str:
    """Read a sealed secret with any key at hand. Raises Refused."""
    try:
        return _keys().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Refused(
            "This second factor was stored with a key that secprof no longer has. An admin has to forget it:"
            " manage.py forget_factors NAME."
        ) from None


def forget_factors(*, user_name: str, by: Actor, now: datetime) -> int:
    """Take all second factors from somebody who lost them, end their sessions, and return the factors' number."""
    require(by, Act.MANAGE_SIGN_IN)
    user = find_user(user_name)
    with transaction.atomic():
        found = Authenticator.objects.filter(user=user)
        kinds = sorted(found.values_list("type", flat=True))
        found.delete()
        audit.record(
            SignInEvent.FACTOR_REMOVED.value,
            by=by,
            now=now,
            details={"value": f"the second factors of {user_name}", "kinds": kinds},
        )
    end_all_sessions(user_name=user_name, by=by, now=now)
    return len(kinds)


def rotate_factor_secrets() -> int:
    """Seal every secret anew with the newest key, and return their number. Raises Refused, with nothing changed."""
    keys = _keys()
    with transaction.atomic():
        found = list(Authenticator.objects.select_for_update().filter(type__in=_SEALED))
        for row in found:
            name = _SEALED[row.type]
            try:
                row.data[name] = keys.rotate(row.data[name].encode()).decode("ascii")
            except InvalidToken:
                raise Refused(
                    f"Nothing was changed. No key opens the second factor of user {row.user_id}:"
                    " forget it with manage.py forget_factors."
                ) from None
            row.save(update_fields=["data"])
    return len(found)


def _keys() -> MultiFernet:
    return fernet_of(settings.SECPROF_CREDENTIAL_KEYS)
