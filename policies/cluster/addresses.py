"""Which addresses an API server may have: never those where a machine's own metadata lives.

A name is judged twice, as it is pasted and again when it has been resolved. Not a firewall: private networks are
where clusters are.
"""

import ipaddress
import socket

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA = tuple(
    ipaddress.ip_network(text)
    for text in (
        "169.254.0.0/16",
        "fe80::/10",
        "fd00:ec2::/32",  # Amazon's metadata and pod identity by IPv6
        "fd20:ce::254/128",  # Google's
        "100.100.100.200/32",  # Alibaba's
        "168.63.129.16/32",  # Azure's
        "192.0.0.192/32",  # Oracle's
    )
)
_NOBODY = tuple(
    ipaddress.ip_network(text) for text in ("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "ff00::/8")
)
_METADATA_NAMES = frozenset(
    {
        "instance-data",
        "instance-data.ec2.internal",
        "metadata",
        "metadata.goog",
        "metadata.google.internal",
        "metadata.packet.net",
        "metadata.tencentyun.com",
    }
)
_LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})
# Ways to write an IPv4 address into the last 32 bits of an IPv6 one: NAT64 (RFC 6052 and 8215), IPv4-compatible.
_WRAPPING = tuple(
    ipaddress.ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")
)
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})


def refusal(host: str, *, allow_loopback: bool) -> str | None:
    """Say why this host may not be called, None if it may. A name that needs DNS passes."""
    name = host.lower().rstrip(".")
    if name in _LOOPBACK_NAMES or name.endswith(".localhost"):
        return None if allow_loopback else _loopback(host)
    if name in _METADATA_NAMES:
        return f"{host} is where a cloud keeps a machine's metadata; no API server lives there"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return _odd_spelling(name)
    return _judged(host, address, allow_loopback=allow_loopback)


def is_address(text: str) -> bool:
    """Say whether this is an IPv4 or IPv6 address, without brackets."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _judged(host: str, address: Address, *, allow_loopback: bool) -> str | None:
    # The wrapper may be forbidden in itself, and so may what it wraps.
    for each in (address, *_wrapped(address)):
        if any(each in network for network in _METADATA):
            return f"{host} is a link-local or metadata address; no API server lives there"
        if each.is_loopback or each.is_unspecified:
            if not allow_loopback:
                return _loopback(host)
        elif any(each in network for network in _NOBODY):
            return f"{host} is no address of one machine; no API server lives there"
    return None


def _odd_spelling(name: str) -> str | None:
    """Refuse what a resolver takes for an IPv4 address and people do not: `127.1`, `0x7f000001`, `017700000001`."""
    try:
        plain = socket.inet_ntoa(socket.inet_aton(name))
    except (OSError, ValueError):
        return None
    return f"{name} is an address in an odd spelling; write it as {plain}"


def _loopback(host: str) -> str:
    return f"{host} is the machine that secprof runs on; clusters there are not allowed here"


def _wrapped(address: Address) -> tuple[ipaddress.IPv4Address, ...]:
    """Take the IPv4 addresses out of an IPv6 address that only wraps them."""
    if isinstance(address, ipaddress.IPv4Address):
        return ()
    number = int(address)
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    is_isatap = (number >> 32) & 0xFFFFFFFF in _ISATAP
    # `::` and `::1` are themselves, and no wrapper of 0.0.0.0 and 0.0.0.1.
    if number > 1 and (is_isatap or any(address in network for network in _WRAPPING)):
        found.append(ipaddress.IPv4Address(number & 0xFFFFFFFF))
    return tuple(each for each in found if each is not None)
