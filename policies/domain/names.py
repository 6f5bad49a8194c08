"""What Kubernetes takes for a name, a label's key and a label's value."""

import re

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_PART = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


def is_dns_label(text: str) -> bool:
    """Say whether the text is fit for the name of a namespace."""
    return len(text) <= 63 and _DNS_LABEL.fullmatch(text) is not None


def is_label_value(text: str) -> bool:
    """Say whether the text is fit for the value of a label; the empty one is not asked here."""
    return len(text) <= 63 and _LABEL_PART.fullmatch(text) is not None


def is_label_key(text: str) -> bool:
    """Say whether the text is fit for the key of a label, with or without a prefix."""
    prefix, slash, name = text.rpartition("/")
    if slash and not (len(prefix) <= 253 and _SUBDOMAIN.fullmatch(prefix)):
        return False
    return is_label_value(name)
