"""Decode an answer into the operation's model, a Matrix error, or an error for another answer."""

import codecs
import json
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from synadmin.errors import (
    MatrixError,
    NotAuthenticatedError,
    NotFoundError,
    NotPermittedError,
    NotSupportedError,
    RateLimitedError,
    ReplyError,
    ServerError,
    SynadminError,
)
from synadmin.http.decoders import decoder_of
from synadmin.http.endpoint import Empty, Endpoint, Record
from synadmin.http.reader import Answer
from synadmin.text import safe_text

T = TypeVar("T")

_UTF_8 = codecs.getincrementaldecoder("utf-8")
_PART = 65_536  # bytes
_LONGEST_REASON = 1000  # characters of the server's own words

_BY_ERRCODE: Mapping[str, type[MatrixError]] = {
    "M_UNRECOGNIZED": NotSupportedError,
    "M_UNKNOWN_TOKEN": NotAuthenticatedError,
    "M_MISSING_TOKEN": NotAuthenticatedError,
    "M_NOT_FOUND": NotFoundError,
}
_BY_STATUS: Mapping[int, type[MatrixError]] = {
    401: NotAuthenticatedError,
    403: NotPermittedError,
    404: NotFoundError,
}
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""The errors of msgspec for an answer: wrong shape, not UTF-8, nested too deep."""


def decoded(endpoint: Endpoint[T], raw: bytes) -> T:
    """Decode an answer into the operation's type. Each model keeps its JSON object.

    Raises:
        ReplyError: the answer has another shape.
    """
    check_text(endpoint, raw)
    if endpoint.dialect != "matrix" and endpoint.reply is Empty:
        raw = raw or b"{}"  # the server answers 204, or 200 with no body
    try:
        answer = decoder_of(endpoint.reply).decode(raw)
    except UNREADABLE as error:
        raise not_as_expected(endpoint, raw, str(error)) from None
    if isinstance(answer, Record):
        answer.keep(raw)
    elif isinstance(answer, tuple):
        for record, record_json in zip(answer, msgspec.json.decode(raw, type=list[msgspec.Raw]), strict=True):
            record.keep(record_json)
    return answer


def check_text(endpoint: Endpoint[Any], raw: bytes) -> None:
    """Check that the whole answer is UTF-8. msgspec skips unknown fields, but commands print them.

    Raises:
        ReplyError: the answer is not UTF-8.
    """
    if not raw.isascii():
        decoder = _UTF_8()
        try:
            # In parts: Python needs four bytes for each character of a text with one emoji.
            for start in range(0, len(raw), _PART):
                decoder.decode(raw[start : start + _PART], final=start + _PART >= len(raw))
        except UnicodeDecodeError:
            raise not_as_expected(endpoint, raw, "it is not UTF-8") from None


def not_as_expected(endpoint: Endpoint[Any], raw: bytes, detail: str) -> ReplyError:
    """Return the error for an answer that does not have the shape of this operation."""
    start = raw[:200].lstrip().lower()
    where = f"{endpoint.method} {endpoint.path}"
    if not raw.strip():
        message = f"{where}: the answer is empty"
    elif start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        return ReplyError(
            f"{where}: the answer is a web page, not JSON",
            hint="is the homeserver's URL right? A reverse proxy must pass /_matrix and /_synapse/admin on",
        )
    else:
        message = f"{where}: the answer has another shape ({detail})"
    return ReplyError(message)


def error_of(answer: Answer, endpoint: Endpoint[Any]) -> SynadminError:
    """Return the error for an answer: an error of the server or of a proxy, or a redirect."""
    status = answer.status
    if 300 <= status < 400:  # noqa: PLR2004
        location = answer.headers.get("location", "elsewhere")
        message = f"{endpoint.method} {endpoint.path}: the server redirects to {location} (HTTP {status})"
        return ReplyError(
            message, hint="set the homeserver to where it redirects; redirects are not followed"
        )
    if endpoint.dialect != "matrix":
        from synadmin.http.mas_answers import mas_error

        return mas_error(answer, endpoint)
    errcode, reason, retry_after = _matrix_error(answer)
    if status == 429 or errcode == "M_LIMIT_EXCEEDED":  # noqa: PLR2004
        return RateLimitedError(
            status=status,
            errcode=errcode or "M_LIMIT_EXCEEDED",
            reason=reason or "too many requests",
            retry_after=retry_after,
        )
    chosen = _BY_ERRCODE.get(errcode or "") or _BY_STATUS.get(status)
    if chosen is None:
        chosen = ServerError if status >= 500 else MatrixError  # noqa: PLR2004
    by_proxy = reason is None and errcode is None
    if by_proxy:
        what = f"{answer.phrase or 'no reason phrase'}, which is not a Matrix error"
        reason = f"{endpoint.method} {endpoint.path}: {what}"
        if chosen is NotFoundError:
            chosen = NotSupportedError
    hint = "run `synadmin login` to get a new token" if chosen is NotAuthenticatedError else None
    if errcode == "M_USER_LOCKED":
        hint = "another server admin has to unlock the account: `synadmin user unlock USER`"
    reason = reason or "no reason given"
    error = chosen(status=status, errcode=errcode or "M_UNKNOWN", reason=reason, hint=hint)
    error.operation = f"{endpoint.method} {endpoint.path}"
    error.by_proxy = by_proxy
    return error


def _matrix_error(answer: Answer) -> tuple[str | None, str | None, float | None]:
    """Return the errcode, the text and the seconds to wait from a Matrix error."""
    retry_after: float | None = None
    header = answer.headers.get("retry-after", "")
    if header.isdecimal():
        retry_after = float(header)
    try:
        body = json.loads(answer.content)
    except (ValueError, RecursionError):
        return None, None, retry_after
    if not isinstance(body, dict):
        return None, None, retry_after
    errcode, reason, milliseconds = body.get("errcode"), body.get("error"), body.get("retry_after_ms")
    if isinstance(milliseconds, int | float) and not isinstance(milliseconds, bool) and milliseconds >= 0:
        # The limit avoids an overflow: such a wait is too long anyway.
        retry_after = min(milliseconds, 10**15) / 1000
    return (
        errcode if isinstance(errcode, str) else None,
        # A message for people is one line, even if the server's text has several.
        safe_text(reason[:_LONGEST_REASON]) if isinstance(reason, str) else None,
        retry_after,
    )
