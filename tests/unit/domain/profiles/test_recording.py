"""Recording objects: their shape, their order, and what is said before."""

import pytest
import yaml

from policies.domain.controls import Mechanism
from policies.domain.profiles.recording import (
    InvalidRecording,
    Merge,
    Recorder,
    Wish,
    read_labels,
    steps,
    warnings,
)


def wish(
    mechanism: Mechanism = Mechanism.SECCOMP, recorder: Recorder = Recorder.LOGS, **changes: str
) -> Wish:
    names = {"name": "web", "namespace": "team-a", **changes}
    return Wish(mechanism, names["name"], names["namespace"], (("app", "web"),), recorder)


def test_recording_object_names_kind_recorder_pods_and_merging() -> None:
    made = yaml.safe_load(steps(wish())[2].text)

    assert made == {
        "apiVersion": "security-profiles-operator.x-k8s.io/v1",
        "kind": "ProfileRecording",
        "metadata": {"name": "web", "namespace": "team-a"},
        "spec": {
            "kind": "SeccompProfile",
            "recorder": "Logs",
            "mergeStrategy": "Containers",
            "podSelector": {"matchLabels": {"app": "web"}},
        },
    }


@pytest.mark.parametrize(
    ("mechanism", "recorder", "patch"),
    [
        (Mechanism.SECCOMP, Recorder.LOGS, {"enricher": {"enableLogEnricher": True}}),
        (Mechanism.SECCOMP, Recorder.BPF, {"enricher": {"enableBpfRecorder": True}}),
        (
            Mechanism.APPARMOR,
            Recorder.BPF,
            {"enableAppArmor": True, "enricher": {"enableBpfRecorder": True}},
        ),
    ],
)
def test_operator_is_told_to_record(
    mechanism: Mechanism, recorder: Recorder, patch: dict[str, object]
) -> None:
    assert yaml.safe_load(steps(wish(mechanism, recorder))[0].text) == {"spec": patch}


def test_steps_name_namespace_label_and_how_to_stop() -> None:
    every = " ".join(step.text for step in steps(wish()))

    assert "kubectl label namespace team-a spo.x-k8s.io/enable-recording=true" in every
    assert "kubectl label namespace team-a spo.x-k8s.io/enable-recording-" in every
    assert "delete profilerecording web" in every
    assert "get seccompprofiles.security-profiles-operator.x-k8s.io" in every


def test_logs_warn_of_the_permissive_profile_and_of_privileged_containers() -> None:
    said = " ".join(warnings(wish()))

    assert "not protected" in said
    assert "Privileged" in said
    assert "not protected" not in " ".join(warnings(wish(recorder=Recorder.BPF)))


def test_apparmor_by_logs_is_refused() -> None:
    with pytest.raises(InvalidRecording, match="Bpf only"):
        wish(Mechanism.APPARMOR, Recorder.LOGS)


@pytest.mark.parametrize("name", ["", "Web", "a b", "x" * 64, "-a"])
def test_name_that_kubernetes_refuses_is_refused(name: str) -> None:
    with pytest.raises(InvalidRecording, match="small letters"):
        wish(name=name)
    with pytest.raises(InvalidRecording, match="small letters"):
        wish(namespace=name)


def test_recording_of_every_pod_is_refused() -> None:
    with pytest.raises(InvalidRecording, match="at least one label"):
        Wish(Mechanism.SECCOMP, "web", "team-a", (), Recorder.BPF)


def test_merging_tells_what_becomes_of_the_parts() -> None:
    none = Wish(Mechanism.SECCOMP, "w", "n", (("a", "b"),), Recorder.BPF, Merge.NONE)

    assert "partial" in steps(wish())[4].note
    assert "each container" in steps(none)[4].note


def test_labels_are_read_with_commas_and_blanks() -> None:
    assert read_labels("app=web, app.kubernetes.io/name=x\n tier=") == (
        ("app", "web"),
        ("app.kubernetes.io/name", "x"),
        ("tier", ""),
    )
    assert read_labels("") == ()
    with pytest.raises(InvalidRecording, match="is no label"):
        read_labels("app=web; rm")
