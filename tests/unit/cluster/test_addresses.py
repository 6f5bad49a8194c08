"""Where no API server lives, in every spelling."""

import socket

import pytest

from policies.cluster import addresses
from policies.cluster.errors import Unreachable
from policies.cluster.kubeconfig import InvalidKubeconfig, parse_kubeconfig
from tests.unit.cluster.conftest import OpenGateway
from tests.unit.cluster.stub import Canned, Stub

METADATA = (
    "169.254.169.254",
    "169.254.170.23",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "::169.254.169.254",
    "64:ff9b::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "2001:0:a9fe:a9fe::1",
    "2001:0:102:304:0:0:5601:5601",
    "2001:db8::5efe:a9fe:a9fe",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "metadata.google.internal",
    "METADATA.google.internal.",
    "metadata",
    "instance-data.ec2.internal",
)
LOOPBACK = (
    "127.0.0.1",
    "127.9.9.9",
    "::1",
    "::",
    "0.0.0.0",  # noqa: S104
    "::ffff:127.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "localhost",
    "LOCALHOST.",
    "a.localhost",
    "ip6-loopback",
)
ODD = (
    "127.1",
    "0x7f000001",
    "0x7f.0.0.1",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "0xa9fea9fe",
)
NOBODY = ("0.1.2.3", "224.0.0.1", "255.255.255.255", "240.0.0.1", "ff02::1", "::ffff:224.0.0.1")
FINE = (
    "10.0.0.1",
    "192.168.1.10",
    "172.16.0.1",
    "100.64.0.1",
    "203.0.113.7",
    "fd12:3456::1",
    "2001:db8::1",
    "kube.example",
    "metadata.example",
    "1.example",
    "kubernetes.default.svc",
)


@pytest.mark.parametrize("host", METADATA)
@pytest.mark.parametrize("allow_loopback", [True, False])
def test_refusal_metadata_and_link_local_never(host: str, allow_loopback: bool) -> None:
    said = addresses.refusal(host, allow_loopback=allow_loopback)

    assert said is not None
    assert "no API server lives there" in said


@pytest.mark.parametrize("host", LOOPBACK)
def test_refusal_loopback_unless_allowed(host: str) -> None:
    said = addresses.refusal(host, allow_loopback=False)

    assert said is not None
    assert "the machine that secprof runs on" in said
    assert addresses.refusal(host, allow_loopback=True) is None


@pytest.mark.parametrize("host", ODD)
def test_refusal_odd_spelling_says_the_plain_one(host: str) -> None:
    said = addresses.refusal(host, allow_loopback=True)

    assert said is not None
    assert "odd spelling" in said
    assert socket.inet_ntoa(socket.inet_aton(host)) in said


@pytest.mark.parametrize("host", NOBODY)
def test_refusal_no_address_of_one_machine(host: str) -> None:
    assert addresses.refusal(host, allow_loopback=True) is not None


@pytest.mark.parametrize("host", FINE)
def test_refusal_none_where_clusters_are(host: str) -> None:
    assert addresses.refusal(host, allow_loopback=False) is None


@pytest.mark.parametrize(
    "host", [*(h for h in (*METADATA, *LOOPBACK, *NOBODY) if ":" not in h), *ODD]
)
def test_kubeconfig_with_such_a_server_is_refused_when_pasted(host: str) -> None:
    with pytest.raises(InvalidKubeconfig, match="`server` is refused"):
        parse_kubeconfig(_kubeconfig(f"https://{host}:6443"))


@pytest.mark.parametrize("host", [h for h in (*METADATA, *LOOPBACK) if ":" in h and "%" not in h])
def test_kubeconfig_with_such_an_ipv6_server_is_refused_when_pasted(host: str) -> None:
    with pytest.raises(InvalidKubeconfig, match="`server` is refused"):
        parse_kubeconfig(_kubeconfig(f"https://[{host}]:6443"))


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001"])
def test_odd_spelling_that_got_stored_is_refused_before_it_is_looked_up(
    host: str, stub: Stub, open_gateway: OpenGateway
) -> None:
    connection = stub.connection(server=f"https://{host}:{stub.port}", allow_loopback=False)

    with pytest.raises(Unreachable, match="is not called: .* odd spelling"):
        open_gateway(connection).version()

    assert stub.asked == []


def test_redirect_to_metadata_is_not_followed(stub: Stub, open_gateway: OpenGateway) -> None:
    to = (("Location", "https://169.254.169.254/latest/meta-data/"),)
    stub.answers = [Canned(status=307, headers=to)]

    with pytest.raises(Exception, match="redirect"):
        open_gateway(stub.connection()).version()

    assert len(stub.asked) == 1


def _kubeconfig(server: str) -> str:
    return (
        f"{{apiVersion: v1, kind: Config, clusters: [{{name: c, cluster: {{server: '{server}'}}}}],"
        " users: [{name: u, user: {token: abcdef}}],"
        " contexts: [{name: x, context: {cluster: c, user: u}}]}"
    )
