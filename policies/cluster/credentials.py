"""Connections at rest: encrypted with the newest key, readable with any key that is still listed.

The keys come from the caller (`settings.SECPROF_CREDENTIAL_KEYS`); nothing here reads settings or a database.
"""

from collections.abc import Sequence

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from policies.cluster.connection import Connection


class CredentialUnreadable(Exception):
    """A stored credential that no key at hand opens, or that holds no connection."""


class BadCredentialKey(Exception):
    """The keys themselves are missing or not Fernet keys."""


def fernet_of(keys: Sequence[str]) -> MultiFernet:
    """Make what encrypts with the first key and decrypts with each. Raises BadCredentialKey."""
    if not keys:
        raise BadCredentialKey("There is no credential key; set SECPROF_CREDENTIAL_KEYS.")
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        # The cause could quote a key.
        raise BadCredentialKey(
            "A credential key is not a Fernet key (32 bytes in URL-safe base64)."
        ) from None


class Keyring:
    """Encrypts with its first key and decrypts with each."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Take Fernet keys, newest first. Raises BadCredentialKey."""
        self._fernet = fernet_of(keys)

    def encrypt(self, connection: Connection) -> str:
        """Turn a connection into text that is safe to store."""
        return self._fernet.encrypt(msgspec.json.encode(connection)).decode("ascii")

    def decrypt(self, sealed: str) -> Connection:
        """Read a stored connection. Raises CredentialUnreadable."""
        try:
            return msgspec.json.decode(
                self._fernet.decrypt(sealed.encode("utf-8")), type=Connection
            )
        except InvalidToken as error:
            raise CredentialUnreadable(_NO_KEY_FITS) from error
        except msgspec.MsgspecError:
            # The cause could quote what was decrypted.
            raise CredentialUnreadable("The stored credential holds no connection.") from None

    def rotate(self, sealed: str) -> str:
        """Encrypt a stored connection again, with the newest key. Raises CredentialUnreadable."""
        try:
            return self._fernet.rotate(sealed.encode("utf-8")).decode("ascii")
        except InvalidToken as error:
            raise CredentialUnreadable(_NO_KEY_FITS) from error


_NO_KEY_FITS = "None of the credential keys opens this stored credential; enter it again."
