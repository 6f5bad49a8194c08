"""The command lines of the parts, and the objects that show them in the cluster."""

from pathlib import Path

import pytest

from controlplane import manifests, parts
from controlplane.build import Programs
from controlplane.state import Home

_PORTS = {name: 20100 + index for index, name in enumerate(parts.PORT_NAMES)}


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    """Programs that know few flags, as those of an old Kyverno do."""
    usage = "printf '  -metricsPort int\\n  -webhookServerPort int\\n' >&2"
    for controller in parts.KYVERNO.values():
        program = tmp_path / controller.program
        program.write_text(f"#!/bin/sh\n{usage}\n")
        program.chmod(0o700)
    return Programs(etcd=tmp_path, kubernetes=tmp_path, kyverno=tmp_path)


def test_every_part_has_a_command_and_a_port(programs: Programs, state_home: Path) -> None:
    for part in parts.PARTS:
        command = parts.command(part, programs, Home("default"), _PORTS)

        assert Path(command[0]).is_absolute()
        assert any(str(_PORTS[parts.PORTS[part][0]]) in argument for argument in command)


def test_flags_that_a_program_does_not_know_are_left_out(programs: Programs) -> None:
    assert parts.flags("kyverno", programs, _PORTS) == [
        f"--webhookServerPort={_PORTS['kyverno']}",
        f"--metricsPort={_PORTS['kyverno-metrics']}",
    ]


def test_environment_of_a_part_is_not_inherited(
    state_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETCD_NAME", "foreign")

    assert parts.environment("etcd", Home("default")).keys() == {"HOME"}


def test_unknown_part_is_refused_naming_those_that_exist() -> None:
    with pytest.raises(parts.UnknownPart, match="apiserver, controller-manager"):
        parts.require_part("kubelet")


def test_deployment_shows_version_and_flags() -> None:
    flags = {part: [f"--of={part}"] for part in parts.KYVERNO}

    found = dict(manifests.before_kyverno("1.19.1", flags))

    deployment = found["/apis/apps/v1/namespaces/kyverno/deployments/kyverno-admission-controller"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    labels = deployment["metadata"]["labels"]
    assert labels["app.kubernetes.io/component"] == "admission-controller"
    assert (container["name"], container["args"]) == ("kyverno", ["--of=kyverno"])
    assert container["image"].endswith("/kyverno/kyverno:v1.19.1")
