"""Errors of the Matrix Authentication Service (MAS): its admin API's, and those of OAuth 2.0.

Neither has the shape of the Matrix specification. The admin API has texts without error codes. It answers
401 for a missing scope and also for an unknown token.
"""

import json
from collections.abc import Mapping
from typing import Any

from synadmin.errors import (
    MatrixError,
    NotAuthenticatedError,
    NotFoundError,
    NotPermittedError,
    NotSupportedError,
    RateLimitedError,
    ServerError,
)
from synadmin.http.endpoint import Endpoint
from synadmin.http.reader import Answer

_LONGEST_REASON = 1000  # characters of the service's own words
_MISSING_SCOPE = "Missing urn:mas:admin scope"
_BY_STATUS: Mapping[int, type[MatrixError]] = {
    401: NotAuthenticatedError,
    403: NotPermittedError,
    404: NotFoundError,
}


def mas_error(answer: Answer, endpoint: Endpoint[Any]) -> MatrixError:
    """Build the error from an answer of MAS."""
    status = answer.status
    operation = f"{endpoint.method} {endpoint.path}"
    code, reason = _code_and_reason(answer)
    error: MatrixError
    if status == 429:  # noqa: PLR2004
        error = RateLimitedError(status=status, errcode=code, reason=f"MAS: {reason or 'too many requests'}")
    elif reason is None:
        # MAS answers plain text for an invalid request body, and HTML for an unknown path.
        kind = ServerError if status >= 500 else MatrixError  # noqa: PLR2004
        kind = NotSupportedError if status == 404 else kind  # noqa: PLR2004
        error = kind(status=status, errcode="", reason=f"{operation}: {_unexpected_body(answer)}")
        error.by_proxy = status >= 500  # noqa: PLR2004
    else:
        kind = _BY_STATUS.get(status) or (ServerError if status >= 500 else MatrixError)  # noqa: PLR2004
        kind = NotPermittedError if reason == _MISSING_SCOPE else kind
        error = kind(status=status, errcode=code, reason=f"MAS: {reason}")
    error.operation = operation
    return error


def _code_and_reason(answer: Answer) -> tuple[str, str | None]:
    """Return the OAuth 2.0 error code, else "", and the reason; None where it is not an error of MAS."""
    try:
        sent = json.loads(answer.content)
    except (ValueError, RecursionError):
        return "", None
    if not isinstance(sent, dict):
        return "", None
    errors = sent.get("errors")
    if isinstance(errors, list):
        titles = [str(error.get("title")) for error in errors if isinstance(error, dict)]
        return "", "; ".join(titles)[:_LONGEST_REASON] or "no reason given"
    code = sent.get("error")
    if not isinstance(code, str):
        return "", None
    description = sent.get("error_description")
    reason = description if isinstance(description, str) else code.replace("_", " ")
    return code[:_LONGEST_REASON], reason[:_LONGEST_REASON]


def _unexpected_body(answer: Answer) -> str:
    text = answer.content[:_LONGEST_REASON].decode("utf-8", "replace").strip()
    if answer.headers.get("content-type", "").startswith("text/plain") and text:
        return f"MAS: {text}"
    return f"{answer.phrase or 'no reason phrase'}, and not in the shape that MAS answers with"
