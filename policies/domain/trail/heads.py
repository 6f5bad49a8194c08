"""The head of the trail, signed with Ed25519 so that it can be kept outside: what it names cannot be taken back unseen.

The signature is over the head's JSON without the signature, keys sorted and without spaces, so that `jq` and `openssl`
can check it too. Keys come from the caller; nothing here reads settings.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from policies.domain.trail.records import canonical_text, utc_text

PURPOSE = "secprof trail head"
SEED_BYTES = 32
_URL_SAFE = str.maketrans("-_", "+/")
_PEM_END = "-----END PUBLIC KEY-----"
_HASH_LENGTH = 64
MOST_SEQUENCE = 2**63 - 1


class BadTrailKey(Exception):
    """A key that is no Ed25519 key, or not written as it should be."""


class BadHead(Exception):
    """A head that cannot be read, or whose signature does not hold; it says nothing about the trail."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last row of the trail at some time."""

    sequence: int
    hash: str
    at: datetime
    installation: str

    @property
    def name(self) -> str:
        return f"the head of {self.at.astimezone(UTC):%d %b %Y, %H:%M:%S} UTC"


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A head, and who vouches for it."""

    head: Head
    key_id: str = ""
    """Empty, as the signature is, when there was no key."""
    signature: str = ""

    def to_json(self) -> dict[str, Any]:
        """Write what is given out."""
        return {**_signed_part(self.head, self.key_id), "signature": self.signature}

    def to_text(self) -> str:
        """Write what is given out as one line."""
        return canonical_text(self.to_json())


class TrailKey:
    """The key that signs heads."""

    def __init__(self, text: str) -> None:
        """Take a seed of 32 bytes in base64. Raises BadTrailKey."""
        try:
            seed = base64.b64decode(text.translate(_URL_SAFE), validate=True)
        except (binascii.Error, ValueError):
            seed = b""
        if len(seed) != SEED_BYTES:
            # The cause could quote the key.
            raise BadTrailKey(f"The trail's key must be {SEED_BYTES} bytes in base64.") from None
        self._private = Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def id(self) -> str:
        return _id_of(self._private.public_key())

    @property
    def public_pem(self) -> str:
        """Write the public key as others can check with it."""
        pem = self._private.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        return pem.decode("ascii")

    def sign(self, head: Head) -> SignedHead:
        """Vouch for a head."""
        signature = self._private.sign(_signed_bytes(head, self.id))
        return SignedHead(head, self.id, base64.b64encode(signature).decode("ascii"))


def public_keys(text: str) -> dict[str, Ed25519PublicKey]:
    """Read public keys in PEM, one below the other, by their ids. Raises BadTrailKey."""
    found = {}
    for part in text.split(_PEM_END)[:-1]:
        begin = part.find("-----BEGIN")
        try:
            key = load_pem_public_key((part[max(0, begin) :] + _PEM_END + "\n").encode())
        except ValueError as error:
            raise BadTrailKey("A key in the file is no public key in PEM.") from error
        if not isinstance(key, Ed25519PublicKey):
            raise BadTrailKey("A key in the file is not for Ed25519.")
        found[_id_of(key)] = key
    if not found:
        raise BadTrailKey("The file holds no public key in PEM (-----BEGIN PUBLIC KEY-----).")
    return found


def check_signature(signed: SignedHead, keys: Mapping[str, Ed25519PublicKey]) -> None:
    """Raise BadHead unless one of these keys vouches for the head."""
    name = signed.head.name
    if not signed.signature:
        raise BadHead(f"{name[:1].upper()}{name[1:]} is not signed.")
    key = keys.get(signed.key_id)
    if key is None:
        raise BadHead(f"The key {signed.key_id} that signed {name} is not at hand.")
    try:
        key.verify(
            base64.b64decode(signed.signature, validate=True),
            _signed_bytes(signed.head, signed.key_id),
        )
    except (InvalidSignature, binascii.Error, ValueError):
        raise BadHead(f"The signature of {name} does not hold: it was changed.") from None


def heads_of_text(text: str) -> tuple[SignedHead, ...]:
    """Read one head, or one in each line. Raises BadHead."""
    try:
        return (_head_of(json.loads(text)),)
    except ValueError:
        pass
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        return tuple(_head_of(json.loads(line)) for line in lines)
    except ValueError:
        raise BadHead(
            "This is no head: it takes JSON as `sign_trail_head` writes it, one or a line each."
        ) from None


def _head_of(value: Any) -> SignedHead:
    if not isinstance(value, dict) or value.get("purpose") != PURPOSE or value.get("form") != 1:
        raise BadHead("This JSON is no head of a trail.")
    texts = [value.get(name) for name in ("hash", "at", "installation", "key", "signature")]
    sequence = value.get("sequence")
    if type(sequence) is not int or not all(isinstance(text, str) for text in texts):
        raise BadHead("A field of this head is missing or of the wrong kind.")
    digest, at, installation, key_id, signature = (str(text) for text in texts)
    if not 0 <= sequence <= MOST_SEQUENCE or len(digest) != _HASH_LENGTH:
        raise BadHead("The head names no row.")
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        raise BadHead("The head's time cannot be read.") from None
    if moment.tzinfo is None:
        raise BadHead("The head's time has no zone.")
    return SignedHead(Head(sequence, digest, moment, installation), key_id, signature)


def _signed_part(head: Head, key_id: str) -> dict[str, Any]:
    return {
        "purpose": PURPOSE,
        "form": 1,
        "sequence": head.sequence,
        "hash": head.hash,
        "at": utc_text(head.at),
        "installation": head.installation,
        "key": key_id,
    }


def _signed_bytes(head: Head, key_id: str) -> bytes:
    return canonical_text(_signed_part(head, key_id)).encode("utf-8")


def _id_of(key: Ed25519PublicKey) -> str:
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]
