"""What takes effect on a node for a declared profile, and how well it confines. Never a gate: policies see declarations alone.

The rules are those of containerd and CRI-O, in the order in which they decide.
"""

from policies.domain.facts import CRI_O, ClusterFacts
from policies.domain.objects import Container, ObjectMeta
from policies.domain.parameters import LOCALHOST, RUNTIME_DEFAULT, is_unconfined
from policies.domain.posture.declared import UNCONFINED, Declared, DeclaredContainer
from policies.domain.posture.records import Effective, Grade, ProfilePosture, Source

_Outcome = tuple[Source, str, Grade]

_TRACE_PROFILE = "log-enricher-trace"
_ARTIFACT_PREFIX = "seccomp-profile.kubernetes.cri-o.io/"
# Of the runtimes' lists: each of these lets more system calls through than the default set does.
_WIDENING = frozenset(
    {
        "ALL", "BPF", "DAC_READ_SEARCH", "PERFMON", "SYS_ADMIN", "SYS_BOOT", "SYS_MODULE", "SYS_NICE",
        "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_TIME", "SYS_TTY_CONFIG", "SYSLOG",
    }
)  # fmt: skip
_PRIVILEGED = (Source.PRIVILEGED, Effective.PRIVILEGED, Grade.NONE)
_UNSET = (Source.NOTHING, Effective.UNSET, Grade.NONE)
_NOT_KNOWN = (Source.NOTHING, Effective.UNKNOWN, Grade.UNKNOWN)

NOT_APPLICABLE = ProfilePosture(
    "", None, Source.NOTHING, Effective.NOT_APPLICABLE, Grade.NOT_APPLICABLE
)


def seccomp_posture(
    of: DeclaredContainer,
    declared: Declared | None,
    metadata: ObjectMeta,
    facts: ClusterFacts,
    installed: tuple[str, ...] | None,
) -> ProfilePosture:
    """Say which seccomp profile a container gets; `declared` is its own, or else the pod's."""
    if of.is_privileged:
        return _posture(declared, _PRIVILEGED)
    outcome = _seccomp(declared, of.container, facts, installed)
    if facts.runtime == CRI_O and outcome[1] in (Effective.UNCONFINED, Effective.UNSET):
        annotations = metadata.annotations or {}
        if any(_ARTIFACT_PREFIX + key in annotations for key in (of.container.name, "POD")):
            # CRI-O then pulls a profile as an artifact, if its configuration allows that.
            outcome = (Source.ANNOTATION, Effective.UNKNOWN, Grade.UNKNOWN)
    return _posture(declared, outcome)


def _seccomp(
    declared: Declared | None,
    container: Container,
    facts: ClusterFacts,
    installed: tuple[str, ...] | None,
) -> _Outcome:
    if declared is None:
        return _seccomp_default(container, facts)
    if declared.type == RUNTIME_DEFAULT:
        if widening(container):
            return declared.source, Effective.WIDER_DEFAULT, Grade.WEAK
        return declared.source, Effective.RUNTIME_DEFAULT, Grade.GOOD
    if declared.type == LOCALHOST and _TRACE_PROFILE in (declared.reference or ""):
        return declared.source, Effective.AUDIT_ONLY, Grade.WEAK
    return _other(declared, installed)


def _seccomp_default(container: Container, facts: ClusterFacts) -> _Outcome:
    if facts.seccomp_default is None:
        return _NOT_KNOWN
    if not facts.seccomp_default:
        return _UNSET
    if widening(container):
        return Source.KUBELET, Effective.WIDER_DEFAULT, Grade.WEAK
    return Source.KUBELET, Effective.KUBELET_DEFAULT, Grade.IMPLICIT


def apparmor_posture(
    of: DeclaredContainer,
    declared: Declared | None,
    facts: ClusterFacts,
    installed: tuple[str, ...] | None,
) -> ProfilePosture:
    """Say which AppArmor profile a container gets; `declared` is its own, or else the pod's."""
    if declared is None:
        return _posture(None, _PRIVILEGED if of.is_privileged else _apparmor_default(facts))
    if declared.type in (RUNTIME_DEFAULT, LOCALHOST):
        return _posture(declared, _apparmor_confined(of, declared, facts, installed))
    return _posture(declared, _other(declared, installed))


def _apparmor_default(facts: ClusterFacts) -> _Outcome:
    if facts.apparmor_nodes is None:
        return _NOT_KNOWN
    if not facts.apparmor_nodes:
        return _UNSET
    return Source.KUBELET, Effective.IMPLICIT_DEFAULT, Grade.IMPLICIT


def _apparmor_confined(
    of: DeclaredContainer,
    declared: Declared,
    facts: ClusterFacts,
    installed: tuple[str, ...] | None,
) -> _Outcome:
    if facts.apparmor_nodes is False:
        # The kubelet does not run a pod that asks for what its node does not have.
        return declared.source, Effective.DOES_NOT_START, Grade.UNKNOWN
    # containerd keeps a profile of one's own on privileged containers; CRI-O drops that too.
    if of.is_privileged and (declared.type == RUNTIME_DEFAULT or facts.runtime == CRI_O):
        return _PRIVILEGED
    if facts.apparmor_nodes is None:
        return declared.source, Effective.UNKNOWN, Grade.UNKNOWN
    if declared.type == RUNTIME_DEFAULT:
        return declared.source, Effective.RUNTIME_DEFAULT, Grade.GOOD
    if is_unconfined(declared.reference):
        # CRI-O hands the word on; containerd looks for a profile of that name.
        own = f"{LOCALHOST}:{declared.reference}"
        return declared.source, Effective.UNCONFINED if facts.runtime == CRI_O else own, Grade.NONE
    return _other(declared, installed)


def _other(declared: Declared, installed: tuple[str, ...] | None) -> _Outcome:
    """Judge what is no RuntimeDefault."""
    if declared.type == UNCONFINED:
        return declared.source, Effective.UNCONFINED, Grade.NONE
    if declared.type != LOCALHOST:
        return declared.source, Effective.UNKNOWN, Grade.UNKNOWN
    if not declared.reference:
        return declared.source, Effective.DOES_NOT_START, Grade.UNKNOWN
    is_there = installed is not None and declared.reference in installed
    grade = Grade.STRONG if is_there else Grade.UNKNOWN
    return declared.source, f"{LOCALHOST}:{declared.reference}", grade


def widening(container: Container) -> tuple[str, ...]:
    """Give the added capabilities that widen the runtime's default seccomp profile."""
    context = container.security_context
    if context is None or context.capabilities is None or not context.capabilities.add:
        return ()
    names = (name.upper().removeprefix("CAP_") for name in context.capabilities.add)
    return tuple(name for name in names if name in _WIDENING)


def _posture(declared: Declared | None, outcome: _Outcome) -> ProfilePosture:
    source, effective, grade = outcome
    if declared is None:
        return ProfilePosture("", None, source, effective, grade)
    return ProfilePosture(declared.type, declared.reference, source, effective, grade)
