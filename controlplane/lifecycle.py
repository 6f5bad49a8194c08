"""Starting and ending the processes of one control plane. Callers hold the plane's lock."""

import json
import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from controlplane import certificates, kubeconfig, manifests, parts, ports, processes, readiness
from controlplane.build import Programs, build
from controlplane.certificates import Pair
from controlplane.errors import ControlPlaneError
from controlplane.kube import Api
from controlplane.parts import KYVERNO, PARTS, PORT_NAMES
from controlplane.processes import Condition
from controlplane.state import Home, State, port_lock

ADMIN = "kubernetes-admin"

_READY_SECONDS = 120.0
_LOG_LINES = 15
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

logger = logging.getLogger(__name__)


class NotUp(ControlPlaneError):
    """There is no control plane with this name."""


class OtherVersion(ControlPlaneError):
    """A control plane with this name runs another Kyverno."""


def read(home: Home) -> State:
    """Return what is written down about a control plane.

    Raises:
        NotUp: nothing is.
    """
    state = home.read()
    if state is None:
        raise NotUp(f"There is no control plane {home.name!r}; bring it up first.")
    return state


def server(state: State) -> str:
    """Return the URL of the API server."""
    return f"https://127.0.0.1:{state.ports['apiserver']}"


def admin_api(home: Home, state: State) -> Api:
    """Return the API as its administrator sees it."""
    authority = Pair.load(home.pki, "ca")
    return Api(
        state.ports["apiserver"],
        authority.certificate,
        home.pki / "admin.crt",
        home.pki / "admin.key",
    )


def condition(state: State, part: str) -> Condition:
    """Say what one part is doing now."""
    process = state.processes.get(part)
    return Condition.GONE if process is None else processes.look(process)


def bring_up(home: Home, kyverno: str) -> None:
    """Start whatever of this control plane does not run; clear away a start that never ended.

    Raises:
        OtherVersion: it is up with another Kyverno.
        NotReady: a part died or took too long; all are ended again, their logs stay.
    """
    programs = build(kyverno)
    state = home.read()
    if state is not None and not state.ready:
        logger.info("Clearing away a start of %s that did not come to its end.", home.name)
        take_down(home)
        state = None
    if state is None:
        _create(home, programs, kyverno)
    elif state.kyverno != kyverno:
        raise OtherVersion(f"{home.name!r} runs Kyverno {state.kyverno}; take it down first.")
    elif all(condition(state, part) is Condition.RUNNING for part in PARTS):
        logger.info("%s is already up.", home.name)
    else:
        start(home, PARTS, programs)


def take_down(home: Home) -> None:
    """End every process of this control plane, then delete its files."""
    state = home.read()
    if state is not None:
        end(home, PARTS[::-1], grace_seconds=0)
    home.remove()


def start(home: Home, chosen: Iterable[str], programs: Programs) -> None:
    """Start these parts, if they do not run, and wait until they are ready.

    Raises:
        NotReady: one died or took too long; the message ends with its log.
    """
    state = read(home)
    idle = [part for part in chosen if condition(state, part) is not Condition.RUNNING]
    # Kyverno's programs come to nothing before there is an API server, but do not need each other.
    for part in (part for part in idle if part not in KYVERNO):
        _await(home, part, began=_set_going(home, part, programs))
    together = [part for part in idle if part in KYVERNO]
    began = {part: _set_going(home, part, programs) for part in together}
    for part in together:
        _await(home, part, began[part])


def end(home: Home, chosen: Iterable[str], grace_seconds: float) -> None:
    """End these parts and wait until they are gone."""
    state = read(home)
    for part in chosen:
        if process := state.processes.get(part):
            processes.end(process, grace_seconds)


def _create(home: Home, programs: Programs, kyverno: str) -> None:
    home.remove()
    home.create()
    with port_lock() as reserved:
        chosen = ports.choose(len(PORT_NAMES), reserved)
        state = State(kyverno, dict(zip(PORT_NAMES, chosen, strict=True)))
        home.write(state)
    try:
        _write_credentials(home, state)
        start(home, [part for part in PARTS if part not in KYVERNO], programs)
        _prepare_kyverno(home, state, programs)
        start(home, KYVERNO, programs)
    except BaseException:
        end(home, PARTS[::-1], grace_seconds=0)
        raise
    home.write(replace(read(home), ready=True))


def _write_credentials(home: Home, state: State) -> None:
    authority = certificates.create_authority()
    authority.save(home.pki, "ca")
    certificates.issue_server(authority).save(home.pki, "apiserver")
    admin = certificates.issue_client(authority, ADMIN, ("system:masters",))
    admin.save(home.pki, "admin")
    certificates.write_secret(home.pki / "service-account.key", certificates.signing_key())

    def write(path: Path, user: str, pair: Pair) -> None:
        text = kubeconfig.with_certificate(server(state), authority.certificate, user, pair)
        certificates.write_secret(path, text)

    write(home.kubeconfig, ADMIN, admin)
    write(home.kubeconfig_of("controller-manager"), ADMIN, admin)
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{parts.KYVERNO_NAMESPACE}")
    for part, controller in KYVERNO.items():
        pair = certificates.issue_client(authority, controller.user, groups)
        write(home.kubeconfig_of(part), controller.user, pair)


def _prepare_kyverno(home: Home, state: State, programs: Programs) -> None:
    api = admin_api(home, state)
    definitions = {}
    for path in sorted((programs.kyverno / "crds").glob("*.yaml")):
        group, plural = path.stem.split("_")  # so are Kyverno's files named
        definitions[f"{plural}.{group}"] = path
    for name, path in definitions.items():
        api.apply(f"{_CRDS}/{name}", path.read_bytes())
    flags = {part: parts.flags(part, programs, state.ports) for part in KYVERNO}
    for where, manifest in manifests.before_kyverno(state.kyverno, flags):
        api.apply(where, json.dumps(manifest).encode())
    readiness.wait_until(
        lambda: api.resources() >= definitions.keys(), "Kyverno's API", _READY_SECONDS
    )


def _set_going(home: Home, part: str, programs: Programs) -> datetime:
    began = datetime.now(UTC)
    state = read(home)
    if condition(state, part) is Condition.PAUSED:
        processes.resume(state.processes[part])
        return began
    process = processes.spawn(
        parts.command(part, programs, home, state.ports),
        parts.environment(part, home),
        home.log(part),
    )
    home.write(replace(state, processes={**state.processes, part: process}))
    return began


def _await(home: Home, part: str, began: datetime) -> None:
    state = read(home)
    check = readiness.check_of(part, admin_api(home, state), state.ports, began)
    try:
        readiness.wait_until(
            check,
            f"{part} of {home.name}",
            _READY_SECONDS,
            alive=lambda: condition(state, part) is not Condition.GONE,
        )
    except readiness.NotReady as error:
        log = home.log(part)
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])
        raise readiness.NotReady(f"{error} The end of {log}:\n{tail}") from error
    logger.info("%s: %s is ready.", home.name, part)
