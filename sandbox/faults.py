"""What can be broken in a sandbox cluster on purpose, and what a caller then gets."""

import time
from dataclasses import dataclass
from enum import StrEnum

from policies.cluster import errors
from policies.cluster.gateway import Resource
from sandbox.refused import refused
from sandbox.store import Store

HOST = "sandbox"


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
                raise errors.Unreachable(
                    f"The API server {HOST} is unreachable: nothing listens there (connection refused)."
                )
            case Fault.WRONG_CA:
                raise errors.TlsFailed(
                    f"The API server {HOST} is not trusted: "
                    "its certificate is not signed by the CA that we were given."
                )
            case Fault.WRONG_CREDENTIALS:
                raise refused(401, "Unauthorized")


def meet_authorisation(store: Store, resource: Resource, verb: str) -> None:
    """Raise Forbidden when this resource is forbidden."""
    for found in read_faults(store):
        if found.fault is Fault.FORBIDDEN and found.target in ("", resource.plural):
            raise refused(
                403,
                f'{resource.full_name} is forbidden: User "secprof" cannot {verb} resource '
                f'"{resource.plural}" in API group "{resource.group}" at the cluster scope',
            )


def meet_page(store: Store, resource: Resource, number: int) -> None:
    """Raise what breaks the page with this number, counted from 1."""
    for found in read_faults(store):
        if (
            found.fault is Fault.BROKEN_PAGE
            and found.target == resource.plural
            and int(found.amount) == number
        ):
            raise errors.Unreachable(
                f"The connection to {HOST} was cut off in the middle of an answer."
            )
