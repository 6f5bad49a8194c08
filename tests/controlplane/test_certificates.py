"""Certificates and the kubeconfigs that carry them."""

import base64
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from controlplane import certificates, kubeconfig
from controlplane.certificates import Pair


@pytest.fixture(scope="module")
def authority() -> Pair:
    return certificates.create_authority()


def _parsed(pair: Pair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate.encode())


def test_client_certificate_names_user_and_groups(authority: Pair) -> None:
    pair = certificates.issue_client(authority, "alice", ("devs", "admins"))

    subject = _parsed(pair).subject
    groups = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert [name.value for name in groups] == ["devs", "admins"]
    assert [name.value for name in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["alice"]


def test_client_certificate_is_signed_by_the_authority(authority: Pair) -> None:
    _parsed(certificates.issue_client(authority, "alice")).verify_directly_issued_by(
        _parsed(authority)
    )


def test_server_certificate_is_for_loopback(authority: Pair) -> None:
    certificate = _parsed(certificates.issue_server(authority))

    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = names.get_values_for_type(x509.IPAddress)
    assert "127.0.0.1" in [str(address) for address in addresses]


def test_pair_saved_is_private_and_loads_again(authority: Pair, tmp_path: Path) -> None:
    authority.save(tmp_path, "ca")

    assert Pair.load(tmp_path, "ca") == authority
    assert (tmp_path / "ca.key").stat().st_mode & 0o777 == 0o600


def test_kubeconfig_with_certificate_holds_everything_inline(authority: Pair) -> None:
    pair = certificates.issue_client(authority, "alice")

    text = kubeconfig.with_certificate("https://127.0.0.1:1", authority.certificate, "alice", pair)

    config = yaml.safe_load(text)
    (cluster,), (user,), (context,) = config["clusters"], config["users"], config["contexts"]
    assert cluster["cluster"].keys() == {"server", "certificate-authority-data"}
    assert user["user"].keys() == {"client-certificate-data", "client-key-data"}
    assert base64.b64decode(user["user"]["client-key-data"]).decode() == pair.key
    assert context["context"] == {"cluster": cluster["name"], "user": user["name"]}
    assert config["current-context"] == context["name"]


def test_kubeconfig_with_token_holds_no_key(authority: Pair) -> None:
    text = kubeconfig.with_token("https://127.0.0.1:1", authority.certificate, "robot", "abc")

    assert yaml.safe_load(text)["users"] == [{"name": "robot", "user": {"token": "abc"}}]
