from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from synadmin.delegation.signing_keys import canonical, problem

NAME = "domain"
# The key of the specification's Appendices, "Cryptographic Test Vectors".
_SEED = base64.b64decode("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1=")
_KEY = Ed25519PrivateKey.from_private_bytes(_SEED)
_NOW = 1_000


def signed(**changes: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON
    """Return the keys that a server publishes, with changes made before they are signed."""
    published: dict[str, Any] = {
        "server_name": NAME,
        "valid_until_ts": _NOW + 1,
        "verify_keys": {"ed25519:1": {"key": unpadded(public(_KEY))}},
        **changes,
    }
    return published | {"signatures": {NAME: {"ed25519:1": unpadded(_KEY.sign(canonical(published)))}}}


def public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def unpadded(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        # The examples of canonical JSON in the specification's Appendices.
        ({}, "{}"),
        ({"one": 1, "two": "Two"}, '{"one":1,"two":"Two"}'),
        ({"b": "2", "a": "1"}, '{"a":"1","b":"2"}'),
        ({"a": "日本語"}, '{"a":"日本語"}'),
        ({"本": 2, "日": 1}, '{"日":1,"本":2}'),
        ({"a": "\u65e5"}, '{"a":"日"}'),
        ({"a": None}, '{"a":null}'),
    ],
)
def test_canonical_json_matches_the_specification(value: object, text: str) -> None:
    assert canonical(value) == text.encode()


@pytest.mark.parametrize(
    ("value", "signature"),
    [
        ({}, "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ"),
        (
            {"one": 1, "two": "Two"},
            "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw",
        ),
    ],
)
def test_signing_matches_the_test_vectors_of_the_specification(value: object, signature: str) -> None:
    assert unpadded(_KEY.sign(canonical(value))) == signature


def test_valid_signing_keys_have_no_problem() -> None:
    assert problem(signed(), NAME, _NOW) is None
    assert problem(signed() | {"unsigned": {"age": 1}}, NAME, _NOW) is None


def test_signature_of_one_of_two_keys_is_enough() -> None:
    other = unpadded(public(Ed25519PrivateKey.generate()))
    keys = {"ed25519:1": {"key": unpadded(public(_KEY))}, "ed25519:2": {"key": other}, "rsa:1": {"key": "x"}}

    assert problem(signed(verify_keys=keys), NAME, _NOW) is None


@pytest.mark.parametrize(
    ("published", "sentence"),
    [
        ([], "the keys are not a JSON object"),
        (signed(server_name="other"), "the keys are those of 'other', not of domain"),
        ({}, "the keys are those of None, not of domain"),
        (signed(valid_until_ts=_NOW), "the keys have expired"),
        (signed(valid_until_ts="soon"), "the keys do not say until when they are valid"),
        (signed(valid_until_ts=True), "the keys do not say until when they are valid"),
        (signed(verify_keys={}), "the answer has no keys in it"),
        (signed(verify_keys=[]), "the answer has no keys in it"),
        (signed() | {"signatures": {}}, "the keys are not signed by the server itself"),
        (signed() | {"signatures": {NAME: {"ed25519:9": "x"}}}, "no signature is made with one of the keys"),
        (signed() | {"more": 1}, "the signature with ed25519:1 is wrong"),
        (signed() | {"signatures": {NAME: {"ed25519:1": 5}}}, "the signature with ed25519:1 is wrong"),
        (signed() | {"signatures": {NAME: {"ed25519:1": "?"}}}, "the signature with ed25519:1 is wrong"),
        (signed(verify_keys={"ed25519:1": {"key": "AAAA"}}), "the signature with ed25519:1 is wrong"),
        (signed(verify_keys={"ed25519:1": None}), "the signature with ed25519:1 is wrong"),
        (signed() | {"more": "\ud800"}, "the keys are not JSON that can be signed"),
    ],
)
def test_problems_of_signing_keys_are_distinguished(published: object, sentence: str) -> None:
    found = problem(published, NAME, _NOW)

    assert found is not None
    assert found.startswith(sentence)
