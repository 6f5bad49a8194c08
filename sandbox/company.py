"""The seed: a believable company of two clusters, the same in every run. The lines stand in sandbox/seed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from sandbox import confinement, engine, nodes, shapes
from sandbox.api_server import ApiServer, timestamp
from sandbox.controllers import NODES, roll_out, suffix, with_token
from sandbox.store import Manifest, Store

Which = Literal["prod", "staging"]
FOLDER = Path(__file__).parent / "seed"
KYVERNO_VERSION = "v1.19.1"
SCHEDULE = "15-*-*-*-*"


@dataclass(frozen=True, slots=True)
class Line:
    """One workload of the seed."""

    namespace: str
    team: str
    kind: str
    name: str
    shape: str
    options: dict[str, str]


def seed(path: Path, which: Which, now: datetime) -> None:
    """Fill a sandbox cluster. Raises Conflict when it was seeded before."""
    store = Store(path)
    try:
        with store.transaction():
            store.set_setting("cluster", which)
            seeder = _Seeder(ApiServer(store, lambda: now), now)
            seeder.run(which)
            seeder.make(nodes.node_manifests())
            if which == "prod":
                nodes.install_operator(store)
                seeder.make(nodes.operator_manifests())
                seeder.make((_left_behind(),))
            seeder.make((_config(which),))
    finally:
        store.close()


class _Seeder:
    def __init__(self, server: ApiServer, now: datetime) -> None:
        self._server = server
        self._now = now

    def run(self, which: Which) -> None:
        for namespace, team in namespaces(which):
            self._make(_namespace(namespace, team))
        for line in lines(which):
            workload = self._make(_workload(line))
            roll_out(workload, self._make, line.options)

    def make(self, manifests: Iterable[Manifest]) -> None:
        for manifest in manifests:
            self._make(manifest)

    def _make(self, manifest: Manifest) -> Manifest:
        metadata = manifest["metadata"]
        days = int(suffix_number(metadata.get("namespace", ""), metadata["name"])) % 400 + 1
        metadata.setdefault("creationTimestamp", timestamp(self._now - timedelta(days=days)))
        return self._server.create(manifest, forced=True).manifest


def suffix_number(*parts: str) -> int:
    """A number that is the same for the same parts."""
    return sum(ord(letter) * (place + 7) for place, letter in enumerate("/".join(parts)))


def manifests(which: Which) -> Iterator[Manifest]:
    """Give what a team would apply: namespaces with a team, and their workloads as written, not as run.

    Mirror pods, debug containers and the engine itself are left out: an API server takes none of them from a team.
    """
    for name, team in namespaces(which):
        if team:
            yield _namespace(name, team)
    for line in lines(which):
        if not line.team or line.kind in ("Mirror", "Kyverno"):
            continue
        workload = _workload(line)
        if line.kind == "Pod":
            spec, _ = _pod_spec(line)
            if "ephemeralContainers" in spec:
                continue
            workload = {**workload, "spec": spec}
            workload.pop("status")
        yield workload


def namespaces(which: Which) -> Iterator[tuple[str, str]]:
    """Give each namespace of a cluster with its team; a system namespace has none."""
    for words in _rows(which):
        if words[0] == "namespace":
            yield words[1], _options(words[2:]).get("team", "")


def lines(which: Which) -> Iterator[Line]:
    """Give each workload of a cluster, in the order of the file."""
    namespace = team = apparmor = ""
    for words in _rows(which):
        if words[0] == "namespace":
            options = _options(words[2:])
            namespace, team = words[1], options.get("team", "")
            apparmor = options.get("apparmor", "none")
        else:
            kind, name, shape, *rest = words
            options = {"apparmor": apparmor, **_options(rest)}
            yield Line(namespace, team, kind, name, shape, options)


def _rows(which: Which) -> Iterator[list[str]]:
    for row in (FOLDER / f"{which}.txt").read_text().splitlines():
        if row.strip() and not row.startswith("#"):
            yield row.split()


def _options(words: list[str]) -> dict[str, str]:
    return dict(word.split("=", 1) for word in words)


def _namespace(name: str, team: str) -> Manifest:
    labels = {"team": team} if team else {}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _workload(line: Line) -> Manifest:
    if line.kind == "Kyverno":
        return _kyverno(line)
    if line.kind in ("Pod", "Mirror"):
        return _pod(line)
    api_version, spec = _spec(line)
    key = "template" if line.kind == "PodTemplate" else "spec"
    return {
        "apiVersion": api_version,
        "kind": line.kind,
        "metadata": _metadata(line),
        key: spec,
    }


def _spec(line: Line) -> tuple[str, Manifest]:
    template = _template(line)
    replicas = int(line.options.get("replicas", "1"))
    selector = {"matchLabels": {"app": _label(line)}}
    match line.kind:
        case "PodTemplate":
            return "v1", template
        case "ReplicationController":
            return "v1", {
                "replicas": replicas,
                "selector": {"app": _label(line)},
                "template": template,
            }
        case "DaemonSet":
            return "apps/v1", {"selector": selector, "template": template}
        case "Job":
            return "batch/v1", {"template": _once(template)}
        case "CronJob":
            return "batch/v1", {
                "schedule": line.options.get("schedule", SCHEDULE).replace("-", " "),
                "suspend": line.options.get("suspend") == "yes",
                "jobTemplate": {"spec": {"template": _once(template)}},
            }
    return "apps/v1", {"replicas": replicas, "selector": selector, "template": template}


def _once(template: Manifest) -> Manifest:
    return {**template, "spec": {**template["spec"], "restartPolicy": "Never"}}


def _template(line: Line) -> Manifest:
    spec, annotations = _pod_spec(line)
    metadata: Manifest = {"labels": {"app": _label(line)}}
    if annotations:
        metadata["annotations"] = annotations
    return {"metadata": metadata, "spec": spec}


def _pod_spec(line: Line) -> tuple[Manifest, dict[str, str]]:
    """Build the pod of a line, with its annotations."""
    spec = shapes.build(line.shape, _image(line))
    confined = confinement.confine(spec, line.options["apparmor"])
    return spec, {**shapes.ANNOTATIONS.get(line.shape, {}), **confined}


def _pod(line: Line) -> Manifest:
    metadata = _metadata(line)
    mirror = line.kind == "Mirror"
    node = NODES[0]
    spec, annotations = _pod_spec(line)
    if annotations:
        metadata["annotations"] = annotations
    if mirror:
        metadata["name"] = f"{line.name}-{node}"
        metadata["annotations"] = {"kubernetes.io/config.mirror": suffix(line.name, length=12)}
        metadata["ownerReferences"] = [
            {"apiVersion": "v1", "kind": "Node", "name": node, "uid": node, "controller": True}
        ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {**(spec if mirror else with_token(spec, line.name)), "nodeName": node},
        "status": {"phase": "Running"},
    }


def _kyverno(line: Line) -> Manifest:
    """One of Kyverno's own Deployments; the tag of its image is how its version is read."""
    labels = {
        "app.kubernetes.io/component": line.name.removeprefix("kyverno-"),
        "app.kubernetes.io/part-of": "kyverno",
        "app.kubernetes.io/instance": "kyverno",
    }
    container = {
        "name": "kyverno" if line.shape == "kyverno" else "controller",
        "image": f"reg.kyverno.io/kyverno/{line.shape}:{KYVERNO_VERSION}",
        "args": ["--enablePolicyException=true", f"--exceptionNamespace={line.namespace}"],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    replicas = int(line.options["replicas"])
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": line.name, "namespace": line.namespace, "labels": labels},
        "status": {"replicas": replicas, "readyReplicas": replicas},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": dict(labels)}, "spec": {"containers": [container]}},
        },
    }


def _config(which: Which) -> Manifest:
    """Kyverno's ConfigMap, in which somebody once left a namespace out: by a filter, or by the webhooks' selector."""
    if which == "prod":
        return engine.config_map(filters="[*/*,ci-runners,*]")
    return engine.config_map(left_out=("load-tests",))


def _left_behind() -> Manifest:
    """An exception that somebody made by hand once: no names, no end, and so everything goes free of that policy."""
    return {
        "apiVersion": "kyverno.io/v2",
        "kind": "PolicyException",
        "metadata": {"name": "registry-migration", "namespace": "default"},
        "spec": {
            "match": {"any": [{"resources": {"kinds": ["Pod", "Deployment"]}}]},
            "exceptions": [
                {"policyName": "restrict-image-registries", "ruleNames": ["validate-registries"]}
            ],
        },
    }


def _metadata(line: Line) -> Manifest:
    return {"name": line.name, "namespace": line.namespace, "labels": {"app": _label(line)}}


def _label(line: Line) -> str:
    return line.name


def _image(line: Line) -> str:
    number = suffix_number(line.namespace, line.name)
    return f"{line.team or 'system'}/{line.name}:{number % 9 + 1}.{number % 23}.{number % 7}"
