"""Ids, tokens and times in the formats of MAS."""

import datetime as dt
import itertools
import secrets
import string
import time
import zlib

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ALPHANUMERIC = string.ascii_letters + string.digits
_ULID = 26  # characters
_RANDOM, _CHECKSUM = 30, 6  # characters of a token
# The random part of the ids grows, so that ids of the same millisecond are in order, too.
_growing = itertools.count(secrets.randbits(60) << 19)


def new_id() -> str:
    """Return a new ULID: 48 bits of time in milliseconds and 80 bits that grow."""
    number = (time.time_ns() // 1_000_000) << 80 | next(_growing)
    return "".join(_CROCKFORD[number >> 5 * place & 31] for place in reversed(range(_ULID)))


def is_id(text: str) -> bool:
    """Whether the text is a ULID, in upper or lower case."""
    return len(text) == _ULID and set(text.upper()) <= set(_CROCKFORD)


def random_text(length: int) -> str:
    """Return that many random letters and digits."""
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(length))


def new_token(kind: str) -> str:
    """Return a new token.

    Args:
        kind: ``mat`` (OAuth access token), ``mar`` (refresh token), ``mct`` (compatibility token),
            ``mpt`` (personal token).
    """
    base = f"{kind}_{random_text(_RANDOM)}"
    return f"{base}_{_checksum(base)}"


def kind_of(token: str) -> str | None:
    """Return the kind of a token; None where it does not have the format of MAS."""
    base, _, checksum = token.rpartition("_")
    kind, _, text = base.partition("_")
    fits = kind in {"mat", "mar", "mct", "mcr", "mpt"} and len(text) == _RANDOM
    return kind if fits and checksum == _checksum(base) else None


def _checksum(base: str) -> str:
    number, digits = zlib.crc32(base.encode()), ""
    for _ in range(_CHECKSUM):
        number, digit = divmod(number, len(_BASE62))
        digits += _BASE62[digit]
    return digits


def now() -> dt.datetime:
    """Return the current time."""
    return dt.datetime.now(dt.UTC)


def written(moment: dt.datetime) -> str:
    """Return a time as RFC 3339 with ``Z``."""
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def moment(text: str) -> dt.datetime:
    """Return the time of an RFC 3339 text.

    Raises:
        ValueError: the text is not RFC 3339.
    """
    when = dt.datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError(f"{text!r} has no zone")
    return when
