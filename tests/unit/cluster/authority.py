"""A certificate authority for tests: issues server and client certificates in memory."""

import base64
import datetime
import ipaddress
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey, *, passphrase: str = "") -> str:
    sealing = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealing).decode()


def encoded(text: str) -> str:
    """Base64, as a kubeconfig has it."""
    return base64.b64encode(text.encode()).decode()


class Authority:
    """A CA of its own; two of them do not trust each other."""

    def __init__(self, name: str = "tests CA") -> None:
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = new_key()

    @cached_property
    def ca_pem(self) -> str:
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        builder = self._builder(self._name, self._key, days=2).add_extension(constraints, True)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()

    def server(self, *hosts: str, days: int = 2) -> tuple[str, str]:
        """Issue a certificate and key for these names or addresses; negative days: expired."""
        key = new_key()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
        certificate = self._builder(subject, key, days=days).add_extension(names, False)
        signed = certificate.sign(self._key, hashes.SHA256())
        return signed.public_bytes(Encoding.PEM).decode(), key_pem(key)

    def client(self, name: str = "client") -> tuple[str, str]:
        key = new_key()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signed = self._builder(subject, key, days=2).sign(self._key, hashes.SHA256())
        return signed.public_bytes(Encoding.PEM).decode(), key_pem(key)

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, days: int
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        ends_at = now + datetime.timedelta(days=days)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(now, ends_at) - datetime.timedelta(days=1))
            .not_valid_after(ends_at)
        )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
