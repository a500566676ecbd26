"""The two files under ``/.well-known/matrix/``: their content, and how they are served.

Sources: Matrix specification, Server-Server API, "Resolving server names" and
``GET /.well-known/matrix/server``; Client-Server API, "Server Discovery".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import msgspec

from synadmin.delegation.connection import content_type
from synadmin.delegation.https_files import LARGEST, Fetched
from synadmin.delegation.names import ServerName, parse_name
from synadmin.errors import UsageError

SERVER = "/.well-known/matrix/server"
CLIENT = "/.well-known/matrix/client"
_JSON = "application/json"
_LONGEST_CACHE = 48 * 3600  # seconds; the specification's advice, and Synapse's limit
_DEFAULT_CACHE = 24 * 3600
_SHORTEST_CACHE = 5 * 60  # Synapse's
_GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class FileKind(StrEnum):
    """The kind of a well-known file, and what it is used for."""

    FOUND = "found"
    ABSENT = "absent"
    UNREACHABLE = "unreachable"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class WellKnown:
    """``/.well-known/matrix/server`` as a homeserver sees it.

    Attributes:
        kind: found; absent (it is not served); unreachable (no answer, or the server failed);
            invalid (a file is served, but it is no delegation).
        url: the URL of the file, after redirects.
        detail: its content or its error, as a sentence.
        delegated: the server name in it.
        remarks: notes that are no errors.
    """

    kind: FileKind
    url: str
    detail: str
    delegated: ServerName | None = None
    remarks: tuple[str, ...] = ()


def server_file(fetched: Fetched) -> WellKnown:
    """Read the fetched ``/.well-known/matrix/server``."""
    kind, problem, content = _json_object(fetched)
    if content is None:
        return WellKnown(kind, fetched.url, problem)
    delegated = content.get("m.server")
    if not isinstance(delegated, str):
        detail = "the file has no m.server" if delegated is None else "m.server is not a text"
        return WellKnown(FileKind.INVALID, fetched.url, f'{detail}: write {{"m.server": "HOST:PORT"}}')
    try:
        name = parse_name(delegated)
    except UsageError as error:
        return WellKnown(FileKind.INVALID, fetched.url, f"m.server: {error}")
    return WellKnown(
        FileKind.FOUND,
        fetched.url,
        f"delegates to {name.text}",
        name,
        remarks=(*_remarks(fetched), _cached(fetched)),
    )


@dataclass(frozen=True, slots=True)
class ClientWellKnown:
    """``/.well-known/matrix/client`` as a client sees it.

    Attributes:
        kind: as for the server's file.
        url: the URL of the file.
        detail: its content or its error.
        base_url: the homeserver's base URL, without a slash at the end.
        cors: browsers may read it.
    """

    kind: FileKind
    url: str
    detail: str
    base_url: str | None = None
    cors: bool = False
    remarks: tuple[str, ...] = ()


def client_file(fetched: Fetched) -> ClientWellKnown:
    """Read the fetched ``/.well-known/matrix/client``."""
    kind, problem, content = _json_object(fetched)
    if content is None:
        return ClientWellKnown(kind, fetched.url, problem)
    homeserver = content.get("m.homeserver")
    base_url = homeserver.get("base_url") if isinstance(homeserver, dict) else None
    if not isinstance(base_url, str):
        detail = "the file has no m.homeserver with a base_url"
        return ClientWellKnown(FileKind.INVALID, fetched.url, detail)
    wrong = _wrong_url(base_url)
    if wrong is not None:
        return ClientWellKnown(FileKind.INVALID, fetched.url, f"base_url {base_url[:200]!a} {wrong}")
    allowed = fetched.answer.headers.get("access-control-allow-origin") if fetched.answer else None
    return ClientWellKnown(
        FileKind.FOUND,
        fetched.url,
        f"clients are sent to {base_url}",
        base_url.rstrip("/"),
        cors=allowed == "*",
        remarks=_remarks(fetched),
    )


def _wrong_url(text: str) -> str | None:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme != "https" or not parts.hostname:
        return "is not an https:// URL"
    if not text.isascii() or not text.isprintable() or " " in text or parts.query or parts.fragment:
        return "is not the base of a URL"
    return None


def _json_object(  # noqa: PLR0911  one sentence for each wrong answer
    fetched: Fetched,
) -> tuple[FileKind, str, dict[str, Any] | None]:
    """Return the fetched JSON object; for another answer, the kind of failure and a sentence."""
    answer = fetched.answer
    if answer is None:
        kind = FileKind.UNREACHABLE
        if fetched.absent:
            kind = FileKind.ABSENT
        elif fetched.insecure or fetched.misdirected:
            kind = FileKind.INVALID
        return kind, fetched.problem or "no answer", None
    if answer.status in _GONE:
        return FileKind.ABSENT, f"there is none (HTTP {answer.status})", None
    if answer.status != HTTPStatus.OK:
        kind = FileKind.UNREACHABLE if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR else FileKind.INVALID
        return kind, f"{fetched.url} answers HTTP {answer.status}", None
    if answer.cut:
        return (
            FileKind.INVALID,
            f"{fetched.url} is larger than {LARGEST // 1024} KiB: homeservers do not read more",
            None,
        )
    try:
        content = msgspec.json.decode(answer.content)
    except _UNREADABLE:
        what = "is HTML, not JSON" if answer.content.lstrip()[:1] == b"<" else "is not JSON"
        if not answer.content.strip():
            what = "is empty"
        return FileKind.INVALID, f"{fetched.url} {what}", None
    if not isinstance(content, dict):
        return FileKind.INVALID, f"{fetched.url} is JSON, but not an object", None
    return FileKind.FOUND, "", content


def _remarks(fetched: Fetched) -> tuple[str, ...]:
    remarks = []
    answer = fetched.answer
    if answer is not None and content_type(answer) != _JSON:
        shown = content_type(answer) or "no type at all"
        remarks.append(f"it is served as {shown}; {_JSON} would be right")
    if fetched.redirects:
        remarks.append(f"found after {len(fetched.redirects)} redirects, at {fetched.url}")
    return tuple(remarks)


def _cached(fetched: Fetched) -> str:
    """Return how long other servers cache the file, in words."""
    seconds = cache_seconds(fetched.answer.headers if fetched.answer else {})
    if seconds is None:
        return f"other servers keep it for {_DEFAULT_CACHE // 3600} hours (no cache headers)"
    if seconds <= 0:
        return "other servers ask for it anew each time (its cache headers say so)"
    kept = min(max(seconds, _SHORTEST_CACHE), _LONGEST_CACHE)
    words = f"{kept // 3600} hours" if kept >= 2 * 3600 else f"{kept // 60} minutes"
    cut = f"; the file asks for {seconds // 3600}, but 48 is the limit" if seconds > kept else ""
    return f"other servers keep it for {words}{cut}"


def cache_seconds(headers: Mapping[str, str]) -> int | None:
    """Return for how many seconds headers allow to keep a file; None where they do not say."""
    for directive in headers.get("cache-control", "").split(","):
        name, _, value = directive.strip().partition("=")
        if name.lower() in {"no-store", "no-cache"}:
            return 0
        value = value.strip('"')
        if name.lower() == "max-age" and value.isascii() and value.isdecimal():
            return int(value[:12])
    if "expires" not in headers:
        return None
    try:
        until = parsedate_to_datetime(headers["expires"])
        since = parsedate_to_datetime(headers.get("date", ""))
        return max(0, int((until - since).total_seconds()))
    except (ValueError, TypeError):
        return 0
