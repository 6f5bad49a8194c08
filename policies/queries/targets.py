"""What the last collection tells about the kinds of policies that a cluster takes, without asking it again."""

from policies.domain.library import API_VERSIONS, Target
from policies.domain.library.targets import TargetFacts, version_of
from policies.models import Cluster, KindSnapshot
from policies.queries.evidence import POLICY_KINDS

_SERVED_SINCE = {
    "policies.kyverno.io/v1alpha1": (1, 14),
    "policies.kyverno.io/v1beta1": (1, 16),
    "policies.kyverno.io/v1": (1, 17),
}
"""By Kyverno's version (kyverno-facts 1.4). Which versions of a kind are served is not collected."""


def target_facts(cluster: Cluster) -> TargetFacts | None:
    """Gather the facts of one cluster; None before its first collection."""
    kubernetes = version_of(cluster.kubernetes_version)
    kyverno = version_of(cluster.kyverno_version)
    served = dict(
        KindSnapshot.objects.filter(
            cluster=cluster, kind__in=[kind for kinds in POLICY_KINDS.values() for kind in kinds]
        ).values_list("kind", "served")
    )
    if kubernetes is None or not served:
        return None
    return TargetFacts(
        kubernetes=kubernetes[:2],
        kyverno=kyverno,
        has_kyverno=bool(cluster.kyverno_version),
        served=frozenset(
            (target, version)
            for target in Target
            if all(served.get(kind, False) for kind in POLICY_KINDS[target.value])
            for version in API_VERSIONS[target]
            if (kyverno or (0, 0))[:2] >= _SERVED_SINCE.get(version, (0, 0))
        ),
    )
