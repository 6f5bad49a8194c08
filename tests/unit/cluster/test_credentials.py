"""Credentials at rest: what opens them, what does not, and how keys change."""

import pytest
from cryptography.fernet import Fernet

from policies.cluster.connection import Connection
from policies.cluster.credentials import BadCredentialKey, CredentialUnreadable, Keyring

CONNECTION = Connection(
    server="https://api.example:6443",
    ca_pem="ca",
    token="canary-token",
    client_certificate_pem="certificate",
    client_key_pem="canary-key",
    tls_server_name="inside",
    allow_loopback=True,
)
OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))


def test_decrypt_returns_the_same_connection() -> None:
    keyring = Keyring((OLD,))

    assert keyring.decrypt(keyring.encrypt(CONNECTION)) == CONNECTION


def test_encrypt_shows_nothing() -> None:
    sealed = Keyring((OLD,)).encrypt(CONNECTION)

    assert "canary" not in sealed
    assert "example" not in sealed


def test_decrypt_with_an_older_key_still_listed_works() -> None:
    sealed = Keyring((OLD,)).encrypt(CONNECTION)

    assert Keyring((NEW, OLD)).decrypt(sealed) == CONNECTION


def test_rotate_needs_only_the_newest_key_afterwards() -> None:
    rotated = Keyring((NEW, OLD)).rotate(Keyring((OLD,)).encrypt(CONNECTION))

    assert Keyring((NEW,)).decrypt(rotated) == CONNECTION
    with pytest.raises(CredentialUnreadable):
        Keyring((OLD,)).decrypt(rotated)


@pytest.mark.parametrize("sealed", ["", "rubbish", "gAAAAAB", "ü"])
def test_decrypt_rubbish_is_unreadable(sealed: str) -> None:
    with pytest.raises(CredentialUnreadable, match="enter it again"):
        Keyring((OLD,)).decrypt(sealed)
    with pytest.raises(CredentialUnreadable, match="enter it again"):
        Keyring((OLD,)).rotate(sealed)


def test_decrypt_with_a_wrong_key_is_unreadable() -> None:
    sealed = Keyring((OLD,)).encrypt(CONNECTION)

    with pytest.raises(CredentialUnreadable, match="None of the credential keys"):
        Keyring((OTHER,)).decrypt(sealed)


def test_decrypt_what_is_no_connection_is_unreadable_and_quotes_nothing() -> None:
    sealed = Fernet(OLD).encrypt(b'{"token": "canary"}').decode()

    with pytest.raises(CredentialUnreadable, match="holds no connection") as caught:
        Keyring((OLD,)).decrypt(sealed)

    assert caught.value.__cause__ is None


@pytest.mark.parametrize("keys", [(), ("canary-no-key",), (OLD, "canary-no-key")])
def test_keyring_without_usable_keys_is_refused_and_quotes_none(keys: tuple[str, ...]) -> None:
    with pytest.raises(BadCredentialKey) as caught:
        Keyring(keys)

    assert "canary" not in str(caught.value)


def test_connection_text_shows_no_secret() -> None:
    for text in (repr(CONNECTION), str(CONNECTION), f"{CONNECTION}", f"{[CONNECTION]}"):
        assert "canary" not in text
        assert "https://api.example:6443" in text
        assert "token and client certificate" in text
