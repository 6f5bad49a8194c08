"""The authority of one control plane and the certificates it signs. For tests: keys lie in plain files."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_VALID = timedelta(days=365)
_CLOCK_SKEW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Pair:
    """A private key and the certificate for it, both as PEM text."""

    certificate: str
    key: str

    def save(self, folder: Path, name: str) -> None:
        """Write NAME.crt and NAME.key, for the owner's eyes only."""
        for suffix, text in (("crt", self.certificate), ("key", self.key)):
            write_secret(folder / f"{name}.{suffix}", text)

    @classmethod
    def load(cls, folder: Path, name: str) -> Self:
        """Read what `save` wrote."""
        return cls((folder / f"{name}.crt").read_text(), (folder / f"{name}.key").read_text())


def create_authority() -> Pair:
    """Make a new self-signed certificate authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name("secprof-controlplane")
    builder = (
        _builder(subject, subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
    )
    return Pair(_pem(builder.sign(key, hashes.SHA256())), key_pem(key))


def issue_client(authority: Pair, user: str, groups: Sequence[str] = ()) -> Pair:
    """Sign a certificate that makes its holder this Kubernetes user in these groups."""
    return _issue(authority, _name(user, groups), ExtendedKeyUsageOID.CLIENT_AUTH)


def issue_server(authority: Pair) -> Pair:
    """Sign a serving certificate for the loopback address and the API server's names in a cluster."""
    return _issue(authority, _name("kube-apiserver"), ExtendedKeyUsageOID.SERVER_AUTH)


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    path.touch(mode=0o600)
    path.write_text(text)


def key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    """Render a private key as PEM that Go reads."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


def signing_key() -> str:
    """Make the key that signs service account tokens."""
    return key_pem(ec.generate_private_key(ec.SECP256R1()))


def _issue(authority: Pair, subject: x509.Name, purpose: x509.ObjectIdentifier) -> Pair:
    issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
    loaded = serialization.load_pem_private_key(authority.key.encode(), password=None)
    issuer_key = cast(ec.EllipticCurvePrivateKey, loaded)  # as create_authority made it
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(subject, issuer.subject, key.public_key())
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    )
    if purpose == ExtendedKeyUsageOID.SERVER_AUTH:
        builder = builder.add_extension(_server_names(), critical=False)
    return Pair(_pem(builder.sign(issuer_key, hashes.SHA256())), key_pem(key))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _VALID)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _server_names() -> x509.SubjectAlternativeName:
    names = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
    addresses = ("127.0.0.1", "10.0.0.1")
    return x509.SubjectAlternativeName(
        [
            *(x509.DNSName(name) for name in names),
            *(x509.IPAddress(ipaddress.ip_address(address)) for address in addresses),
        ]
    )


def _name(common_name: str, organizations: Sequence[str] = ()) -> x509.Name:
    return x509.Name(
        [
            *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
