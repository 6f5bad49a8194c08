"""What both sides are asked about: every case of the tables in all nine kinds, and objects that Hypothesis makes up."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from policies.domain.objects import WorkloadKind
from policies.domain.posture.pods import POD_PATH
from tests.unit.domain.apparmor_cases import APPARMOR_CASES, PREFIX
from tests.unit.domain.localhost_cases import LOCALHOST_CASES, LocalhostCase
from tests.unit.domain.seccomp_cases import CASES, pod, wrapped

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Subject:
    """One object that is sent."""

    id: str
    kind: WorkloadKind
    manifest: Manifest
    debug: tuple[Manifest, ...] = ()
    """Ephemeral containers: they are added to the pod once it stands."""

    @property
    def whole(self) -> Manifest:
        """The object as it stands in the end."""
        if not self.debug:
            return self.manifest
        spec = self.manifest["spec"] | {"ephemeralContainers": list(self.debug)}
        return self.manifest | {"spec": spec}


def named() -> Iterator[Subject]:
    """Give every case of the tables, as it stands and in the other kinds."""
    for case in (*CASES, *APPARMOR_CASES, *LOCALHOST_CASES):
        annotations = _annotations(case)
        own = getattr(case, "kind", WorkloadKind.POD)
        if isinstance(case, LocalhostCase):
            manifest = wrapped(own, case.spec, annotations=annotations)
        else:
            manifest = case.manifest()
        if case.spec.get("ephemeralContainers"):
            yield _debugged(case.id, manifest)
            continue
        yield Subject(case.id, own, manifest)
        for kind in WorkloadKind:
            if kind is not own:
                again = wrapped(kind, case.spec, annotations=annotations)
                yield Subject(f"{case.id}-{kind}", kind, again)


def _annotations(case: Any) -> dict[str, str]:
    given_ = dict(case.annotations)
    return {key if "/" in key else PREFIX + key: value for key, value in given_.items()}


def _debugged(name: str, manifest: Manifest) -> Subject:
    spec = dict(manifest["spec"])
    debug = tuple(spec.pop("ephemeralContainers"))
    return Subject(name, WorkloadKind.POD, manifest | {"spec": spec}, debug)


def generated(count: int, *, start: int) -> list[Subject]:
    """Make up so many different objects; the same start gives the same ones."""
    found: dict[str, Subject] = {}

    @seed(start)
    @settings(
        max_examples=count * 2,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(_subjects())
    def collect(subject: Subject) -> None:
        key = json.dumps([subject.kind, subject.whole], sort_keys=True)
        if len(found) < count:
            found.setdefault(key, subject)

    collect()
    return [
        Subject(f"G{number:04}-{subject.kind}", subject.kind, subject.manifest, subject.debug)
        for number, subject in enumerate(found.values(), start=1)
    ]


_PATHS = (
    "operator/a.json", "operator/b.json", "operator/ns/a.json", "profiles/web-1.json", "Operator/a.json",
    "./operator/a.json", "operator//a.json", "operator/log-enricher-trace.json", "", "a.json",
    "operator/a.json\n", "operator/é.json", f"operator/{'x' * 250}.json",
)  # fmt: skip
_NAMES = (
    "k8s-web", "k8s-old-web", "K8s-web", "unconfined", "UNCONFINED", ":ns:k8s-a", "docker-default",
    "k8s-a/b", "k8s-web\nk8s", "k8s-é", f"k8s-{'x' * 250}",
)  # fmt: skip
_TEXTS = ("", "runtime/default", "unconfined", "localhost/", "localhost/unconfined", "localhost/k8s-web", "localhost/other")  # fmt: skip
_LABELS = ({}, {}, {}, {"exempt": "yes"}, {"exempt": "no"}, {"tier": "node"})


def _profiles(references: tuple[str, ...]) -> st.SearchStrategy[Manifest | None]:
    plain = st.sampled_from(({"type": "RuntimeDefault"}, {"type": "Unconfined"}))
    named_ = st.sampled_from(references).map(
        lambda reference: {"type": "Localhost", "localhostProfile": reference}
    )
    return st.one_of(st.none(), st.none(), plain, plain, named_, named_)


_SECCOMP, _APPARMOR = _profiles(_PATHS), _profiles(_NAMES)


@st.composite
def _containers(draw: st.DrawFn, prefix: str, least: int, most: int) -> list[Manifest]:
    built = []
    for number in range(draw(st.integers(least, most))):
        context: Manifest = {}
        for field, profiles in (("seccompProfile", _SECCOMP), ("appArmorProfile", _APPARMOR)):
            if (profile := draw(profiles)) is not None:
                context[field] = profile
        if draw(st.integers(0, 9)) == 0:
            context["privileged"] = True
        one: Manifest = {"name": f"{prefix}{number}", "image": "secprof.invalid/case:none"}
        if context:
            one["securityContext"] = context
        if prefix == "init" and draw(st.booleans()):
            one["restartPolicy"] = "Always"
        built.append(one)
    return built


@st.composite
def _subjects(draw: st.DrawFn) -> Subject:
    kind = draw(st.sampled_from(WorkloadKind))
    spec = pod(
        *draw(_containers("c", 1, 3)),
        profile=draw(_SECCOMP),
        init=tuple(draw(_containers("init", 0, 2))),
    )
    if (apparmor := draw(_APPARMOR)) is not None:
        spec.setdefault("securityContext", {})["appArmorProfile"] = apparmor
    annotations = draw(_annotated(kind, spec))
    if draw(st.integers(0, 19)) == 0:
        spec = _windows(spec)
    manifest = wrapped(kind, spec, annotations=annotations)
    labels = draw(st.sampled_from(_LABELS))
    _pod_of(kind, manifest)["metadata"]["labels"] |= labels
    debug = ()
    if kind is WorkloadKind.POD and "os" not in spec and draw(st.booleans()):
        debug = tuple(draw(_containers("debug", 1, 2)))
    return Subject("", kind, manifest, debug)


@st.composite
def _annotated(draw: st.DrawFn, kind: WorkloadKind, spec: Manifest) -> dict[str, str]:
    """Annotate containers without a field; in a template the API server wants them to agree with the pod's field."""
    on_pod = spec.get("securityContext", {}).get("appArmorProfile")
    if kind is not WorkloadKind.POD and on_pod is not None:
        return {}
    every = [*spec["containers"], *spec.get("initContainers", ())]
    bare = [c["name"] for c in every if "appArmorProfile" not in c.get("securityContext", {})]
    chosen = [name for name in bare if draw(st.booleans())]
    return {PREFIX + name: draw(st.sampled_from(_TEXTS)) for name in chosen}


def _windows(spec: Manifest) -> Manifest:
    """Take away what a Windows pod may not have."""
    plain = {key: value for key, value in spec.items() if key != "securityContext"}
    for key in ("containers", "initContainers"):
        if key in plain:
            plain[key] = [
                {field: value for field, value in c.items() if field != "securityContext"}
                for c in plain[key]
            ]
    return plain | {"os": {"name": "windows"}}


def _pod_of(kind: WorkloadKind, manifest: Manifest) -> Manifest:
    holder = manifest
    for key in POD_PATH[kind]:
        holder = holder[key]
    return holder
