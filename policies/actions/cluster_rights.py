"""Ask the API server what our credential may do there, and note it on the cluster.

By self-subject reviews: a question that every credential may ask, and that stores nothing and does nothing.
"""

from collections.abc import Iterator
from datetime import datetime

from policies.actions.catching_up import FOLLOWED
from policies.cluster.errors import ClusterError
from policies.cluster.gateway import (
    CLUSTER_POLICIES,
    CLUSTER_POLICY_REPORTS,
    EVENTS,
    NAMESPACES,
    NATIVE_BINDINGS,
    NATIVE_POLICIES,
    OPEN_CLUSTER_REPORTS,
    OPEN_REPORTS,
    PODS,
    POLICY_REPORTS,
    PROFILE_KINDS,
    VALIDATING_POLICIES,
    VALIDATING_WEBHOOKS,
    WORKLOADS,
    Gateway,
    Resource,
)
from policies.domain.cluster_rights import Asked, Mode
from policies.models import Cluster

POLICIES = (CLUSTER_POLICIES, VALIDATING_POLICIES, NATIVE_POLICIES, NATIVE_BINDINGS)
LISTED = (
    NAMESPACES,
    *WORKLOADS,
    *POLICIES,
    POLICY_REPORTS,
    CLUSTER_POLICY_REPORTS,
    OPEN_REPORTS,
    OPEN_CLUSTER_REPORTS,
    EVENTS,
    VALIDATING_WEBHOOKS,
    *PROFILE_KINDS,
)
SECRETS = Resource("", "v1", "secrets", "Secret")

RIGHTS: tuple[tuple[Mode, str, Resource], ...] = (
    *((Mode.READ, "list", resource) for resource in LISTED),
    *((Mode.READ, "watch", resource) for resource in FOLLOWED),
    *((Mode.READ, "get", resource) for resource in POLICIES),
    *(
        (Mode.FLIP, verb, resource)
        for resource in POLICIES
        for verb in ("create", "update", "delete")
    ),
    (Mode.PROBE, "create", PODS),
    (Mode.NEVER, "list", SECRETS),
    (Mode.NEVER, "get", SECRETS),
)
"""What each mode takes, in every namespace. deploy/rbac grants this, and a test holds both together."""


def note_rights(gateway: Gateway, cluster: Cluster, *, now: datetime) -> None:
    """Ask for every right and note the answers; what could not be asked is noted as unknown."""
    cluster.rights = [each.to_json() for each in _ask(gateway)]
    cluster.rights_checked_at = now
    cluster.save(update_fields=["rights", "rights_checked_at"])


def forget_rights(cluster: Cluster) -> None:
    """Take back what was noted, for another credential. The caller saves `rights` and `rights_checked_at`."""
    cluster.rights, cluster.rights_checked_at = [], None


def _ask(gateway: Gateway) -> Iterator[Asked]:
    is_silent = False
    for mode, verb, resource in RIGHTS:
        answer = None
        if not is_silent:
            try:
                answer = gateway.may(verb, resource)
            except ClusterError:
                # The next question would fare no better.
                is_silent = True
        yield Asked(mode, f"{verb} {resource.full_name}", answer)
