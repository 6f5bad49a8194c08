"""Every way in which a connection fails, over real sockets and real TLS, and that no failure shows a secret."""

import logging
import socket
import ssl
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from kubernetes.client.exceptions import ApiException
from urllib3 import exceptions as wire

from policies.cluster import errors
from policies.cluster.failures import failure
from policies.cluster.gateway import CLUSTER_POLICIES, Verb, Write
from policies.cluster.kubernetes import KubernetesGateway
from tests.unit.cluster.authority import Authority, key_pem, new_key
from tests.unit.cluster.conftest import OpenGateway
from tests.unit.cluster.stub import Canned, Stub, serve

VERSION = Canned.of({"gitVersion": "v1.36.3"})


def test_wrong_ca_is_said(stub: Stub, open_gateway: OpenGateway) -> None:
    gateway = open_gateway(stub.connection(ca_pem=Authority("another CA").ca_pem))

    with pytest.raises(errors.TlsFailed, match="not signed by the CA that we were given") as caught:
        gateway.version()

    assert caught.value.__cause__ is not None
    assert stub.asked == []


def test_no_ca_means_the_machines_own(stub: Stub, open_gateway: OpenGateway) -> None:
    with pytest.raises(errors.TlsFailed, match="not signed"):
        open_gateway(stub.connection(ca_pem="")).version()


@pytest.mark.parametrize("hosts", [("other.example",), ("10.0.0.1",)])
def test_certificate_for_another_address_is_said(
    hosts: tuple[str, ...],
    tmp_path: Path,
    authority: Authority,
    open_gateway: OpenGateway,
) -> None:
    with (
        serve(tmp_path, authority=authority, hosts=hosts) as stub,
        pytest.raises(errors.TlsFailed, match="another IP address"),
    ):
        open_gateway(stub.connection()).version()


def test_certificate_for_another_name_is_said_and_tls_server_name_helps(
    tmp_path: Path, authority: Authority, open_gateway: OpenGateway
) -> None:
    with serve(tmp_path, authority=authority, hosts=("inside.example",)) as stub:
        stub.answers = [VERSION]
        server = f"https://localhost:{stub.port}"

        with pytest.raises(errors.TlsFailed, match="another host name"):
            open_gateway(stub.connection(server=server)).version()
        named = stub.connection(server=server, tls_server_name="inside.example")
        assert open_gateway(named).version().minor == (1, 36)


def test_expired_certificate_is_said(
    tmp_path: Path, authority: Authority, open_gateway: OpenGateway
) -> None:
    with (
        serve(tmp_path, authority=authority, days=-1) as stub,
        pytest.raises(errors.TlsFailed, match="has expired"),
    ):
        open_gateway(stub.connection()).version()


def test_client_certificate_opens_and_its_absence_is_said(
    tmp_path: Path, authority: Authority, open_gateway: OpenGateway
) -> None:
    certificate, key = authority.client()
    with serve(tmp_path, authority=authority, client_authority=authority) as stub:
        stub.answers = [VERSION]
        known = stub.connection(token="", client_certificate_pem=certificate, client_key_pem=key)

        assert open_gateway(known).version().minor == (1, 36)
        assert "authorization" not in stub.asked[0].headers
        # Which of the two depends on who closes first.
        with pytest.raises(errors.ClusterError, match=r"refused our side|client certificate"):
            open_gateway(stub.connection()).version()


def test_unusable_certificates_are_said_at_once(stub: Stub) -> None:
    certificate, _ = stub.authority.client()
    other_key = key_pem(new_key())

    for changes in (
        {"ca_pem": "rubbish"},
        {"client_certificate_pem": certificate, "client_key_pem": other_key},
    ):
        with pytest.raises(errors.TlsFailed, match="enter the kubeconfig again"):
            KubernetesGateway(stub.connection(**changes))


def test_port_that_speaks_no_tls_is_said(authority: Authority, open_gateway: OpenGateway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        stub = Stub(port=listening.getsockname()[1], authority=authority)

        def answer() -> None:
            peer, _ = listening.accept()
            with peer:
                peer.recv(10_000)
                peer.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\nThis is plain HTTP.\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(errors.TlsFailed, match="does not speak TLS"):
            open_gateway(stub.connection()).version()
        thread.join()


def test_connection_closed_in_the_handshake_is_unreachable(
    authority: Authority, open_gateway: OpenGateway
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        stub = Stub(port=listening.getsockname()[1], authority=authority)

        def answer() -> None:
            peer, _ = listening.accept()
            peer.recv(10_000)
            peer.close()

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(errors.Unreachable, match="closed the connection"):
            open_gateway(stub.connection()).version()
        thread.join()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def test_connection_refused_is_tried_three_times_for_a_read(
    stub: Stub, open_gateway: OpenGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    gateway = open_gateway(stub.connection(server=f"https://127.0.0.1:{closed_port()}"))
    monkeypatch.setattr(gateway._transport, "_pause", waits.append)

    with pytest.raises(errors.Unreachable, match="connection refused"):
        gateway.version()

    assert len(waits) == 2
    assert gateway.traffic().request_count == 3


def test_connection_refused_is_tried_once_for_a_write(
    stub: Stub, open_gateway: OpenGateway
) -> None:
    gateway = open_gateway(stub.connection(server=f"https://127.0.0.1:{closed_port()}"))

    with pytest.raises(errors.Unreachable):
        gateway.write(Write(Verb.CREATE, CLUSTER_POLICIES, "p", {"a": 1}), dry_run=False)

    assert gateway.traffic().request_count == 1


def test_unknown_name_is_said(
    stub: Stub, open_gateway: OpenGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = open_gateway(stub.connection(server="https://api.invalid:6443"))
    monkeypatch.setattr(gateway._transport, "_pause", lambda _: None)

    with pytest.raises(errors.Unreachable, match=r"name of the API server api\.invalid:6443"):
        gateway.version()


def test_name_that_leads_to_loopback_is_refused_before_any_connection(
    stub: Stub, open_gateway: OpenGateway
) -> None:
    connection = stub.connection(server=f"https://localhost:{stub.port}", allow_loopback=False)

    with pytest.raises(errors.Unreachable, match="not allowed here"):
        open_gateway(connection).version()

    assert stub.asked == []


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "100.100.100.200"])
def test_name_that_leads_to_metadata_is_refused_before_any_connection(
    address: str, stub: Stub, open_gateway: OpenGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    found = [(family, socket.SOCK_STREAM, 6, "", (address, stub.port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    gateway = open_gateway(stub.connection(server=f"https://metadata.example:{stub.port}"))

    with pytest.raises(errors.Unreachable, match="link-local or metadata"):
        gateway.version()


def test_name_that_changes_its_address_is_looked_at_again(
    stub: Stub, open_gateway: OpenGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second lookup, the one that connects, leads to loopback."""
    lookups = iter(["203.0.113.7", "127.0.0.1"])

    def resolve(*_: object, **__: object) -> list[object]:
        found = (socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(lookups), stub.port))
        return [found]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    server = f"https://changing.example:{stub.port}"

    with pytest.raises(errors.Unreachable, match="not allowed here"):
        open_gateway(stub.connection(server=server, allow_loopback=False)).version()

    assert stub.asked == []


def test_connection_not_accepted_times_out_and_is_tried_three_times(
    authority: Authority, open_gateway: OpenGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as opened:
        listening = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        stub = Stub(port=listening.getsockname()[1], authority=authority)
        for _ in range(3):  # fill the queue of the listener, which accepts nothing
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        gateway = open_gateway(stub.connection(), connect_timeout_seconds=0.1)
        monkeypatch.setattr(gateway._transport, "_pause", lambda _: None)

        with pytest.raises(errors.TimedOut, match="did not accept a connection"):
            gateway.version()

        assert gateway.traffic().request_count == 3


@pytest.mark.parametrize(
    ("error", "expected", "words"),
    [
        (wire.NewConnectionError(None, "odd"), errors.Unreachable, "no connection could be made"),
        (wire.SSLError("odd"), errors.TlsFailed, "failed"),
        (wire.HTTPError("odd"), errors.Unreachable, "exchange"),
        (wire.ProtocolError("odd", ConnectionResetError()), errors.Unreachable, "closed"),
        (ApiException(status=0, reason="odd"), errors.TlsFailed, "failed"),
    ],
)
def test_failure_of_an_unknown_kind_still_has_a_sentence(
    error: Exception, expected: type[errors.ClusterError], words: str
) -> None:
    found = failure(error, host="api.example")

    assert type(found) is expected
    assert words in found.message
    assert "odd" not in found.message


def test_slow_answer_times_out(stub: Stub, open_gateway: OpenGateway) -> None:
    stub.answers = [Canned.of({}, delay_seconds=20)]
    gateway = open_gateway(stub.connection(), read_timeout_seconds=0.2)
    started_at = time.monotonic()

    with pytest.raises(errors.TimedOut, match="did not answer in time"):
        gateway.version()

    assert time.monotonic() - started_at < 5
    assert len(stub.asked) == 1


@pytest.mark.parametrize("cut_after", [0, 10, 5000])
def test_answer_cut_off_midway_is_unreachable(
    cut_after: int, gateway: KubernetesGateway, stub: Stub
) -> None:
    stub.answers = [Canned(body=b" " * 9000, cut_after=cut_after)]

    with pytest.raises(errors.Unreachable, match="cut off in the middle"):
        gateway.version()


def test_chunked_answer_cut_off_midway_is_unreachable(
    gateway: KubernetesGateway, stub: Stub
) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    stub.answers = [Canned(raw=head + b'10\r\n{"gitVersion": "')]

    with pytest.raises(errors.Unreachable, match="cut off in the middle"):
        gateway.version()


def test_chunked_answer_is_read_whole_and_counted(gateway: KubernetesGateway, stub: Stub) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b'10\r\n{"gitVersion": "\r\n9\r\nv1.36.3"}\r\n0\r\n\r\n'
    stub.answers = [Canned(raw=head + chunks)]

    assert gateway.version().minor == (1, 36)
    assert gateway.traffic().received_bytes == 25


def test_no_answer_at_all_is_unreachable(gateway: KubernetesGateway, stub: Stub) -> None:
    stub.answers = [Canned(raw=b"")]

    with pytest.raises(errors.Unreachable, match="closed the connection"):
        gateway.version()


def test_answer_that_is_no_http_is_malformed(gateway: KubernetesGateway, stub: Stub) -> None:
    stub.answers = [Canned(raw=b"SSH-2.0-OpenSSH_9.2\r\n")]

    with pytest.raises(errors.Malformed, match="not HTTP"):
        gateway.version()


def test_answer_that_is_not_compressed_as_it_says_is_malformed(
    gateway: KubernetesGateway, stub: Stub
) -> None:
    stub.answers = [Canned(body=b"plain", headers=(("Content-Encoding", "gzip"),))]

    with pytest.raises(errors.Malformed, match="not compressed"):
        gateway.version()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed(status: int, gateway: KubernetesGateway, stub: Stub) -> None:
    there = f"https://127.0.0.1:{stub.port}/elsewhere"
    stub.answers = [Canned(status, headers=(("Location", there),)), VERSION]

    with pytest.raises(errors.Malformed, match="not followed"):
        gateway.version()

    assert [asked.path for asked in stub.asked] == ["/version"]


def test_proxy_of_the_environment_is_not_used(
    stub: Stub, open_gateway: OpenGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.answers = [VERSION]
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")

    assert open_gateway(stub.connection()).version().minor == (1, 36)


def test_connection_is_used_again_after_a_refusal(gateway: KubernetesGateway, stub: Stub) -> None:
    stub.answers = [Canned.of({"message": "no"}, status=403), Canned(500), VERSION]

    with pytest.raises(errors.Forbidden):
        gateway.version()
    with pytest.raises(errors.ServerFailed):
        gateway.version()
    assert gateway.version().minor == (1, 36)


CANARY = "canary-5b0e77d1f3c94a28"


@pytest.mark.parametrize(
    "canned",
    [
        Canned.of({"message": f"bad token Bearer {CANARY}"}, status=401),
        Canned.of({"message": f'admission webhook "{CANARY}" denied the request'}, status=400),
        Canned.of({"message": f'failed calling webhook "{CANARY}": x'}, status=500),
        Canned(429),
        Canned(302, headers=(("Location", f"/?t={CANARY}"),)),
        Canned(body=CANARY.encode()),
        Canned(body=b"x" * 99, cut_after=1),
        Canned(raw=b"rubbish\r\n"),
    ],
)
def test_failure_shows_no_token_anywhere(
    canned: Canned,
    stub: Stub,
    open_gateway: OpenGateway,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    stub.answers = [canned]
    gateway = open_gateway(stub.connection(token=CANARY))

    with pytest.raises(errors.ClusterError) as caught:
        gateway.version()

    assert f"Bearer {CANARY}" == stub.asked[0].headers["authorization"]
    shown = [str(caught.value), repr(caught.value), str(vars(caught.value)), repr(gateway)]
    shown += [str(caught.value.__cause__), caplog.text, *map(str, map(vars, caplog.records))]
    assert not [text for text in shown if CANARY in text]
    assert CANARY not in "".join(capfd.readouterr())


def test_warning_that_repeats_the_token_hides_it(stub: Stub, open_gateway: OpenGateway) -> None:
    stub.answers = [Canned.of({}, headers=(("Warning", f'299 - "you sent {CANARY}"'),))]

    answer = open_gateway(stub.connection(token=CANARY)).dry_run_pod("a", {"metadata": {}})

    assert answer.warnings == ("you sent ***",)


def test_no_file_is_left_behind_by_a_client_certificate(
    stub: Stub, open_gateway: OpenGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = stub.authority.client()
    empty = tmp_path / "tmp"
    empty.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(empty))
    opened_before = len(list(Path("/proc/self/fd").iterdir()))

    open_gateway(stub.connection(client_certificate_pem=certificate, client_key_pem=key))

    assert list(empty.iterdir()) == []
    assert len(list(Path("/proc/self/fd").iterdir())) == opened_before


def test_tls_before_1_2_is_not_spoken(stub: Stub, open_gateway: OpenGateway) -> None:
    gateway = open_gateway(stub.connection())

    context = gateway._transport._pool.connection_pool_kw["ssl_context"]

    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
