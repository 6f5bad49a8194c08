"""What can be broken in a sandbox cluster on purpose, and what a caller then gets."""

import time
from dataclasses import dataclass
from enum import StrEnum

from policies.cluster import errors
from policies.cluster.gateway import Resource
from sandbox.kinds import full_name
from sandbox.store import Store


class Fault(StrEnum):
    API_SERVER_DOWN = "api-server-down"
    WRONG_CREDENTIALS = "wrong-credentials"
    WRONG_CA = "wrong-ca"
    SLOW = "slow"
    """The amount is the seconds that each request takes."""
    FORBIDDEN = "forbidden"
    """The target is a resource's plural, or empty for all."""
    BROKEN_PAGE = "broken-page"
    """The target is a resource's plural; the amount is the number of the page, from 1."""
    ENGINE_DOWN = "engine-down"
    REPORTS_FROZEN = "reports-frozen"


@dataclass(frozen=True, slots=True)
class SetFault:
    fault: Fault
    target: str
    amount: float


def read_faults(store: Store) -> tuple[SetFault, ...]:
    return tuple(SetFault(Fault(name), target, amount) for name, target, amount in store.faults())


def is_set(store: Store, fault: Fault) -> bool:
    return any(found.fault is fault for found in read_faults(store))


def meet_connection(store: Store) -> None:
    """Raise what a request meets before the server looks at it."""
    for found in read_faults(store):
        match found.fault:
            case Fault.SLOW:
                time.sleep(found.amount)
            case Fault.API_SERVER_DOWN:
                raise errors.Unreachable("The API server refused the connection.")
            case Fault.WRONG_CA:
                raise errors.TlsFailed(
                    "The API server's certificate is not signed by the given CA."
                )
            case Fault.WRONG_CREDENTIALS:
                raise errors.Unauthorized(
                    "The API server does not accept the credential: Unauthorized.", status=401
                )


def meet_authorisation(store: Store, resource: Resource, verb: str) -> None:
    """Raise Forbidden when this resource is forbidden."""
    for found in read_faults(store):
        if found.fault is Fault.FORBIDDEN and found.target in ("", resource.plural):
            raise errors.Forbidden(
                f'{full_name(resource)} is forbidden: User "secprof" cannot {verb} resource '
                f'"{resource.plural}" in API group "{resource.group}" at the cluster scope',
                status=403,
            )


def meet_page(store: Store, resource: Resource, number: int) -> None:
    """Raise what breaks the page with this number, counted from 1."""
    for found in read_faults(store):
        if (
            found.fault is Fault.BROKEN_PAGE
            and found.target == resource.plural
            and int(found.amount) == number
        ):
            raise errors.Unreachable("The API server closed the connection midway.")
