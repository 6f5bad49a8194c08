"""What to apply so that the operator's recorder learns a profile, step by step, and what to know before."""

import re
from dataclasses import dataclass
from enum import StrEnum

from policies.domain.controls import Mechanism
from policies.domain.profiles.operator_objects import GROUP, yaml_text

OPERATOR_NAMESPACE = "security-profiles-operator"
_LABEL = "spo.x-k8s.io/enable-recording"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_PAIR = re.compile(
    r"((?:[a-z0-9.-]+/)?[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)=([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|)"
)


class Recorder(StrEnum):
    LOGS = "Logs"
    BPF = "Bpf"


class Merge(StrEnum):
    NONE = "None"
    CONTAINERS = "Containers"


class InvalidRecording(ValueError):
    """These values make no recording; the message says why."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to record."""

    mechanism: Mechanism
    name: str
    namespace: str
    labels: tuple[tuple[str, str], ...]
    recorder: Recorder
    merge: Merge = Merge.CONTAINERS

    def __post_init__(self) -> None:
        for what, value in (("name", self.name), ("namespace", self.namespace)):
            if len(value) > 63 or not _NAME.fullmatch(value):
                raise InvalidRecording(
                    f"The {what} has to be of small letters, digits and hyphens."
                )
        if not self.labels:
            raise InvalidRecording(
                "Name at least one label: without one, every new pod is recorded."
            )
        if self.mechanism is Mechanism.APPARMOR and self.recorder is not Recorder.BPF:
            raise InvalidRecording("AppArmor is recorded by Bpf only.")


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it is for, and the text to apply or run; empty where people act."""

    title: str
    text: str
    language: str
    note: str = ""


def read_labels(text: str) -> tuple[tuple[str, str], ...]:
    """Read `key=value` pairs with commas or blanks between them. Raises InvalidRecording."""
    pairs = []
    for part in re.split(r"[\s,]+", text.strip()):
        match = _LABEL_PAIR.fullmatch(part)
        if part and match is None:
            raise InvalidRecording(f"“{part[:60]}” is no label: write key=value.")
        if match:
            pairs.append((match[1], match[2]))
    return tuple(pairs)


def warnings(wish: Wish) -> tuple[str, ...]:
    """Say what holds while it records."""
    if wish.recorder is Recorder.LOGS:
        return (
            "While it records by Logs, the operator replaces the seccomp profile of these containers by one that "
            "allows everything and writes it down: they pass require-seccomp and are not protected.",
            "Privileged containers cannot be recorded by Logs.",
            "Only what the program does while it is recorded gets into the profile. Exercise it well.",
        )
    return (
        "Bpf needs a kernel with BTF on the nodes, and a recorder with many rights on each.",
        "Only what the program does while it is recorded gets into the profile. Exercise it well.",
    )


def steps(wish: Wish) -> tuple[Step, ...]:
    """List the steps in their order."""
    return (
        Step("Let the operator record", _spod(wish), "yaml", _spod_note()),
        Step(
            "Mark the namespace",
            f"kubectl label namespace {wish.namespace} {_LABEL}=true\n",
            "shell",
            "The value does not matter.",
        ),
        Step("Say what is recorded", _recording(wish), "yaml", "Apply it before the pods start."),
        Step(
            "Start new pods, use them, and delete them",
            f"kubectl -n {wish.namespace} rollout restart deployment -l {_selector(wish)}\n",
            "shell",
            "Pods that run already are not recorded. A profile is written when its pod ends.",
        ),
        Step("Stop recording", _stop(wish), "shell", _stop_note(wish)),
        Step(
            "Fetch the profile and import it here",
            f"kubectl get {_resource(wish)} -o yaml \\\n  -l spo.x-k8s.io/recording-id={wish.name}\n",
            "shell",
            f"Profiles are named {wish.name}-CONTAINER.",
        ),
    )


def _spod(wish: Wish) -> str:
    if wish.mechanism is Mechanism.APPARMOR:
        wanted: dict[str, object] = {
            "enableAppArmor": True,
            "enricher": {"enableBpfRecorder": True},
        }
    else:
        key = "enableLogEnricher" if wish.recorder is Recorder.LOGS else "enableBpfRecorder"
        wanted = {"enricher": {key: True}}
    return yaml_text({"spec": wanted})


def _spod_note() -> str:
    return (
        f"Save it as spod-patch.yaml, then: kubectl -n {OPERATOR_NAMESPACE} patch spod spod --type merge "
        "--patch-file spod-patch.yaml. Before operator 1.0 the keys stand in spec itself, without enricher."
    )


def _recording(wish: Wish) -> str:
    kind = "AppArmorProfile" if wish.mechanism is Mechanism.APPARMOR else "SeccompProfile"
    return yaml_text(
        {
            "apiVersion": f"{GROUP}/v1",
            "kind": "ProfileRecording",
            "metadata": {"name": wish.name, "namespace": wish.namespace},
            "spec": {
                "kind": kind,
                "recorder": wish.recorder.value,
                "mergeStrategy": wish.merge.value,
                "podSelector": {"matchLabels": dict(wish.labels)},
            },
        }
    )


def _selector(wish: Wish) -> str:
    return ",".join(f"{key}={value}" for key, value in wish.labels)


def _stop(wish: Wish) -> str:
    return (
        f"kubectl -n {wish.namespace} delete profilerecording {wish.name}\n"
        f"kubectl label namespace {wish.namespace} {_LABEL}-\n"
    )


def _stop_note(wish: Wish) -> str:
    if wish.merge is Merge.CONTAINERS:
        return "Deleting the recording merges what its containers did; until then the parts carry the label partial."
    return "Without merging there is one profile for each container and pod."


def _resource(wish: Wish) -> str:
    plural = "apparmorprofiles" if wish.mechanism is Mechanism.APPARMOR else "seccompprofiles"
    return f"{plural}.{GROUP}"
