"""Checks that the signing keys that a server publishes are valid.

Source: Matrix specification, Server-Server API, "Publishing Keys"; Appendices, "Signing JSON".
"""

import base64
import binascii
import json
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_ALGORITHM = "ed25519:"


def canonical(value: object) -> bytes:
    """Return canonical JSON (Appendices, "Canonical JSON").

    Raises:
        ValueError: the value has none (a text that is not Unicode).
    """
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def problem(published: object, server_name: str, now_ms: int) -> str | None:
    """Return the error of an answer of ``/_matrix/key/v2/server``; None where it is valid."""
    if not isinstance(published, dict):
        return "the keys are not a JSON object"
    name = published.get("server_name")
    if name != server_name:
        return (
            f"the keys are those of {name!a}, not of {server_name}: this address leads to another homeserver"
        )
    until = published.get("valid_until_ts")
    if not isinstance(until, int) or isinstance(until, bool):
        return "the keys do not say until when they are valid (valid_until_ts)"
    if until <= now_ms:
        return "the keys have expired (valid_until_ts lies in the past): is the server's clock right?"
    return _signature_problem(published, server_name)


def _signature_problem(published: dict[str, Any], server_name: str) -> str | None:
    keys = published.get("verify_keys")
    signatures = published.get("signatures")
    mine = signatures.get(server_name) if isinstance(signatures, dict) else None
    if not isinstance(keys, dict) or not keys:
        return "the answer has no keys in it (verify_keys)"
    if not isinstance(mine, dict) or not mine:
        return "the keys are not signed by the server itself"
    unsigned = {key: value for key, value in published.items() if key not in {"signatures", "unsigned"}}
    try:
        message = canonical(unsigned)
    except (ValueError, RecursionError):
        return "the keys are not JSON that can be signed"
    verified = 0
    for key_id, entry in keys.items():
        if not key_id.startswith(_ALGORITHM) or key_id not in mine:
            continue
        if not _verifies(entry, mine[key_id], message):
            return f"the signature with {key_id} is wrong: other servers will not believe these keys"
        verified += 1
    return None if verified else "no signature is made with one of the keys published"


def _verifies(entry: object, signature: object, message: bytes) -> bool:
    try:
        key = _decoded(entry.get("key") if isinstance(entry, dict) else None)
        Ed25519PublicKey.from_public_bytes(key).verify(_decoded(signature), message)
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True


def _decoded(text: object) -> bytes:
    """Decode unpadded base64."""
    if not isinstance(text, str):
        raise ValueError("not a text")  # noqa: TRY004  one exception for everything that is not base64
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
