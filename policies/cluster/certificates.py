"""Certificates and keys as a kubeconfig carries them: base64 of PEM. Checks form, not trust or dates."""

import base64
import binascii

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)


class BadPem(ValueError):
    """What stands there is not what its key promises. The message goes on from that key's name."""


def certificates_pem(encoded: str) -> str:
    """Decode one or more certificates and write them afresh, without whatever stood around them.

    Raises:
        BadPem: not base64, or no certificate in it.
    """
    try:
        found = x509.load_pem_x509_certificates(_decoded(encoded))
    except BadPem:
        raise
    except ValueError:
        raise BadPem("holds no readable PEM certificate") from None
    return "".join(certificate.public_bytes(Encoding.PEM).decode("ascii") for certificate in found)


def private_key_pem(encoded: str) -> str:
    """Decode a private key and write it afresh.

    Raises:
        BadPem: not base64, no key in it, or a key under a passphrase.
    """
    try:
        key = load_pem_private_key(_decoded(encoded), password=None)
        written = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    except BadPem:
        raise
    except TypeError:
        raise BadPem("is protected by a passphrase; remove the passphrase first") from None
    except (ValueError, UnsupportedAlgorithm):
        raise BadPem("holds no readable PEM private key") from None
    return written.decode("ascii")


def belong_together(certificate_pem: str, key_pem: str) -> bool:
    """Say whether this is the key of the first of these certificates."""
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    certificate = x509.load_pem_x509_certificates(certificate_pem.encode("ascii"))[0]
    key = load_pem_private_key(key_pem.encode("ascii"), password=None)
    return key.public_key().public_bytes(*form) == certificate.public_key().public_bytes(*form)


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        # The cause would quote what was pasted.
        raise BadPem("is not base64") from None
