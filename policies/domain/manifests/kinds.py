"""Which objects are judged: the nine kinds in the groups that they had over time; and which others hold a pod template."""

from typing import Any

from policies.domain.objects import WorkloadKind

_APPS = (
    WorkloadKind.REPLICA_SET,
    WorkloadKind.DEPLOYMENT,
    WorkloadKind.STATEFUL_SET,
    WorkloadKind.DAEMON_SET,
)
_BATCH = (WorkloadKind.JOB, WorkloadKind.CRON_JOB)
_KINDS: dict[tuple[str, str], WorkloadKind] = {
    **{("", kind): kind for kind in WorkloadKind},
    **{("apps", kind): kind for kind in _APPS},
    **{("extensions", kind): kind for kind in _APPS},
    **{("batch", kind): kind for kind in _BATCH},
}
# These write templates as patterns to compare with; nothing starts from them.
_ABOUT_PODS = frozenset(
    {
        "kyverno.io",
        "policies.kyverno.io",
        "constraints.gatekeeper.sh",
        "mutations.gatekeeper.sh",
        "apiextensions.k8s.io",
    }
)
_DEEPEST = 12


def workload_kind(api_version: str, kind: str) -> WorkloadKind | None:
    """Give the kind, if it is one of the nine. Another group may have a Job as well, and that is none."""
    return _KINDS.get((_group(api_version), kind))


def _group(api_version: str) -> str:
    group, slash, _ = api_version.partition("/")
    return group if slash else ""


def list_kind(kind: str) -> str | None:
    """Give the kind of the items of a List; empty when they say it themselves, None when this is no List."""
    return kind.removesuffix("List") if kind.endswith("List") else None


def starts_pods(api_version: str, value: Any) -> bool:
    """Say whether an object of another kind holds a pod template somewhere."""
    return _group(api_version) not in _ABOUT_PODS and _holds_template(value, 0)


def _holds_template(value: Any, depth: int) -> bool:
    if depth > _DEEPEST:
        return False
    if isinstance(value, list):
        return any(_holds_template(item, depth + 1) for item in value)
    if not isinstance(value, dict):
        return False
    template = value.get("template")
    spec = template.get("spec") if isinstance(template, dict) else None
    if isinstance(spec, dict) and isinstance(spec.get("containers"), list):
        return True
    return any(_holds_template(item, depth + 1) for item in value.values())
