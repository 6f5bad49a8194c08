"""Signed heads: who vouches, what is signed, and what is refused."""

import base64
import json
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from policies.domain.trail import (
    BadHead,
    BadTrailKey,
    Head,
    TrailKey,
    check_signature,
    heads_of_text,
    public_keys,
)

SEED = base64.b64encode(bytes(range(32))).decode()
KEY = TrailKey(SEED)
OTHER = TrailKey(base64.b64encode(bytes(32)).decode())
HEAD = Head(12, "ab" * 32, datetime(2026, 3, 1, 12, tzinfo=UTC), "secprof.example")
SIGNED = KEY.sign(HEAD)


def test_signed_head_comes_back_and_holds() -> None:
    (again,) = heads_of_text(json.dumps(SIGNED.to_json(), indent=2))

    assert again == SIGNED
    check_signature(again, public_keys(KEY.public_pem))


def test_signed_head_is_written_in_its_one_form() -> None:
    assert SIGNED.to_json() == {
        "purpose": "secprof trail head",
        "form": 1,
        "sequence": 12,
        "hash": "ab" * 32,
        "at": "2026-03-01T12:00:00.000000Z",
        "installation": "secprof.example",
        "key": KEY.id,
        "signature": SIGNED.signature,
    }


def test_heads_stand_one_in_each_line_of_a_log() -> None:
    text = "\n".join(json.dumps(key.sign(HEAD).to_json()) for key in (KEY, OTHER)) + "\n\n"

    assert [signed.key_id for signed in heads_of_text(text)] == [KEY.id, OTHER.id]


def test_key_that_was_rotated_away_still_vouches_for_its_heads() -> None:
    keys = public_keys(f"# of before\n{OTHER.public_pem}\n{KEY.public_pem}")

    assert keys.keys() == {KEY.id, OTHER.id}
    for key in (KEY, OTHER):
        check_signature(key.sign(HEAD), keys)


@pytest.mark.parametrize(
    "changes",
    [
        {"sequence": 11},
        {"hash": "cd" * 32},
        {"at": "2026-03-01T12:00:01Z"},
        {"installation": "other.example"},
        {"signature": base64.b64encode(bytes(64)).decode()},
        {"signature": "no base64"},
        {"signature": SIGNED.signature[:-4]},
    ],
)
def test_head_that_was_changed_does_not_hold(changes: dict[str, Any]) -> None:
    (changed,) = heads_of_text(json.dumps({**SIGNED.to_json(), **changes}))

    with pytest.raises(BadHead, match="does not hold"):
        check_signature(changed, public_keys(KEY.public_pem))


def test_head_of_another_key_or_of_none_is_refused() -> None:
    with pytest.raises(BadHead, match=f"{OTHER.id} that signed .* is not at hand"):
        check_signature(OTHER.sign(HEAD), public_keys(KEY.public_pem))
    with pytest.raises(BadHead, match="is not signed"):
        check_signature(replace(SIGNED, signature="", key_id=""), public_keys(KEY.public_pem))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        "{}",
        *(
            json.dumps({**SIGNED.to_json(), **changes})
            for changes in (
                {"purpose": "another"},
                {"form": 2},
                {"sequence": -1},
                {"sequence": True},
                {"sequence": "12"},
                {"sequence": 2**63},
                {"hash": "short"},
                {"hash": None},
                {"at": "yesterday"},
                {"at": "2026-03-01T12:00:00"},
            )
        ),
    ],
)
def test_file_that_is_no_head_is_refused_in_words(text: str) -> None:
    if not text:
        assert heads_of_text(text) == ()
        return
    with pytest.raises(BadHead):
        heads_of_text(text)


@pytest.mark.parametrize("text", ["", "short", "%%%", base64.b64encode(bytes(31)).decode()])
def test_key_that_is_none_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(BadTrailKey, match="32 bytes in base64") as refusal:
        TrailKey(text)
    assert not text or text not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_key_may_be_written_for_addresses() -> None:
    seed = bytes([255] * 32)

    plain, safe = base64.b64encode(seed).decode(), base64.urlsafe_b64encode(seed).decode()

    assert plain != safe
    assert TrailKey(plain).id == TrailKey(safe).id


def test_public_keys_of_another_kind_are_refused() -> None:
    elliptic = generate_private_key(SECP256R1()).public_key()
    pem = elliptic.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    for text, words in ((pem, "Ed25519"), ("", "holds no public key"), (pem[40:], "no public key")):
        with pytest.raises(BadTrailKey, match=words):
            public_keys(text)


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl on this machine")
def test_signature_holds_for_openssl_too(tmp_path: Path) -> None:
    written = SIGNED.to_json()
    signature = base64.b64decode(written.pop("signature"))
    text = json.dumps(written, sort_keys=True, separators=(",", ":"))
    files = {"head": text.encode(), "signature": signature, "key": KEY.public_pem.encode()}
    for name, value in files.items():
        (tmp_path / name).write_bytes(value)

    words = "pkeyutl -verify -pubin -inkey key -rawin -in head -sigfile signature"
    done = subprocess.run(
        ["openssl", *words.split()], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert "Verified Successfully" in done.stdout, done.stderr
