"""Requests, replies, and checks of JSON bodies."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import parse_qs

from synadmin.sandbox.mas.names import is_id, moment
from synadmin.sandbox.mas.store import Record

Check: TypeAlias = Callable[[Any], bool]

_NOT_HERE = (
    "<!DOCTYPE html><html><head><title>Not found</title></head><body><h1>Page not found</h1></body></html>"
)


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request.

    Attributes:
        path: the path, still percent-encoded.
        query: the values of each parameter, decoded.
        headers: the headers by name, such as ``Content-Type``.
        url: the base URL of the service in the request.
    """

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    url: str

    @property
    def bearer(self) -> str | None:
        """The bearer token; None where there is none."""
        scheme, _, token = (self.headers.get("Authorization") or "").partition(" ")
        return token if scheme.lower() == "bearer" and token else None

    def form(self) -> dict[str, str]:
        """Return the body's form."""
        return {name: values[-1] for name, values in parse_qs(self.body.decode()).items()}


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer.

    Attributes:
        json: the JSON body.
        text: a body that is not JSON.
        content_type: of that body.
    """

    status: int
    json: Any = None
    text: str | None = None
    content_type: str = "text/plain; charset=utf-8"


class Refused(Exception):  # noqa: N818 - it is an answer, not a failure
    """The request is answered with an error."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def not_here() -> Reply:
    """Return the page for a path that is not served."""
    return Reply(404, text=_NOT_HERE, content_type="text/html; charset=utf-8")


def refused(status: int, *titles: str) -> Refused:
    """Return an error in the format of the admin API."""
    return Refused(Reply(status, {"errors": [{"title": title} for title in titles]}))


def plain(status: int, text: str) -> Refused:
    """Return an error of MAS's web framework, raised before the operation begins."""
    return Refused(Reply(status, text=text))


def json_body(
    request: Request, required: Mapping[str, Check], optional: Mapping[str, Check], *, whole: bool = True
) -> Record:
    """Return the JSON body, after a check of its fields; optional fields may be null.

    Raises:
        Refused: the body is missing or has another shape.
    """
    if not whole and not request.body:
        return {}
    if not (request.headers.get("Content-Type") or "").startswith("application/json"):
        raise plain(415, "Expected request with `Content-Type: application/json`")
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise plain(400, f"Failed to parse the request body as JSON: {error}") from None
    if not isinstance(body, dict):
        raise plain(422, "Failed to deserialize the JSON body into the target type")
    for name, fits in required.items():
        if name not in body or not fits(body[name]):
            raise plain(422, f"Failed to deserialize the JSON body into the target type: {name}")
    for name, fits in optional.items():
        if body.get(name) is not None and not fits(body[name]):
            raise plain(422, f"Failed to deserialize the JSON body into the target type: {name}")
    return body


def is_text(value: object) -> bool:
    """Whether a JSON value is text."""
    return isinstance(value, str)


def is_flag(value: object) -> bool:
    """Whether a JSON value is true or false."""
    return isinstance(value, bool)


def is_count(value: object) -> bool:
    """Whether a JSON value is an unsigned 32-bit integer."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 32


def is_time(value: object) -> bool:
    """Whether a JSON value is a time."""
    try:
        moment(str(value))
    except ValueError:
        return False
    return isinstance(value, str)


def is_ulid(value: object) -> bool:
    """Whether a JSON value is a ULID."""
    return isinstance(value, str) and is_id(value)
