"""Who writes a policy object again if somebody edits it: secprof, Helm, Argo CD, Flux, or nobody that left a mark."""

from policies.domain.lint.policy import Policy
from policies.domain.lint.reading import word

_LABELS = (
    ("helm.toolkit.fluxcd.io/name", "Flux release"),
    ("kustomize.toolkit.fluxcd.io/name", "Flux"),
    ("argocd.argoproj.io/instance", "Argo CD"),
)
_HELM_RELEASE = "meta.helm.sh/release-name"
_ARGO_ID = "argocd.argoproj.io/tracking-id"


def owner_of(policy: Policy) -> str:
    """Name the tool that owns a policy, and what it calls it; empty when nothing says."""
    if policy.is_ours:
        return "secprof"
    for label, tool in _LABELS:
        if name := word(policy.labels.get(label)):
            return f"{tool} {name}"
    if tracked := word(policy.annotations.get(_ARGO_ID)):
        return f"Argo CD {tracked.partition(':')[0]}"
    if release := word(policy.annotations.get(_HELM_RELEASE)):
        return f"Helm {release}"
    by = word(policy.labels.get("app.kubernetes.io/managed-by"))
    return by if by in ("Helm", "kyverno") else ""
