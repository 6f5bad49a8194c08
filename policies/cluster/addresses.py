"""Which addresses an API server may have: never those where a machine's own metadata lives.

A name is judged twice, as it is pasted and again when it has been resolved. Not a firewall: private networks are
where clusters are.
"""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_FORBIDDEN = tuple(
    ipaddress.ip_network(text)
    for text in (
        "169.254.0.0/16",
        "fe80::/10",
        "fd00:ec2::254/128",  # metadata on Amazon's IPv6
        "fd20:ce::254/128",  # metadata on Google's IPv6
        "100.100.100.200/32",  # metadata on Alibaba
    )
)


def refusal(host: str, *, allow_loopback: bool) -> str | None:
    """Say why this host may not be called, None if it may. A name that needs DNS passes."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return None if allow_loopback else _loopback(host)
    try:
        address = _plain(ipaddress.ip_address(host))
    except ValueError:
        return None
    if any(address in network for network in _FORBIDDEN):
        return f"{host} is a link-local or metadata address; no API server lives there"
    if (address.is_loopback or address.is_unspecified) and not allow_loopback:
        return _loopback(host)
    return None


def is_address(text: str) -> bool:
    """Say whether this is an IPv4 or IPv6 address, without brackets."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _loopback(host: str) -> str:
    return f"{host} is the machine that secprof runs on; clusters there are not allowed here"


def _plain(address: Address) -> Address:
    """Take the IPv4 address out of an IPv6 address that only wraps it."""
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address.sixtofour or address
    return address
