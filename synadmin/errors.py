"""The errors that synadmin raises.

:class:`SynadminError` is the base class of all of them. ``str(error)`` is one line for a person;
``hint`` is what to do next, where that is known. No message contains a token or a password.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class SynadminError(Exception):
    """The base class of all errors of synadmin."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(SynadminError):
    """The input is not valid: not an id, not a number, an empty list."""


class SettingsError(SynadminError):
    """A setting is missing, malformed, or cannot be read."""


class JournalError(SynadminError):
    """The journal cannot be written, so nothing may be changed."""


class NoSuchRunError(SynadminError):
    """The journal has no such run."""


class UnknownTargetError(SynadminError):
    """The server does not know the room, account or other target that was named."""


class UnfinishedError(SynadminError):
    """A run had to end after it had begun to change a target.

    Attributes:
        cause: the error that ended the run.
        record: the record of this target.
    """

    def __init__(self, cause: SynadminError, record: "Mapping[str, Any]") -> None:
        super().__init__(str(cause), hint=cause.hint)
        self.cause = cause
        self.record = record


class RefusedError(SynadminError):
    """The change was refused before anything was changed.

    Attributes:
        reason: a code, as in the records of the commands.
    """

    reason = "insufficient-power"

    def __init__(self, message: str, *, hint: str | None = None, reason: str | None = None) -> None:
        super().__init__(message, hint=hint)
        if reason is not None:
            self.reason = reason


class WouldLoseControlError(RefusedError):
    """After the change, no user of this server would have control of some rooms."""

    reason = "would-lose-control"


class ConnectError(SynadminError):
    """No answer: the server cannot be reached, the request timed out or was interrupted.

    Attributes:
        sent: the request was sent, so the server may have carried it out.
        detail: the error of Python or OpenSSL, for ``-vv``.
    """

    def __init__(
        self, message: str, *, sent: bool = False, hint: str | None = None, detail: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.sent = sent
        self.detail = detail


class UnknownOutcomeError(ConnectError):
    """A change may have been carried out: a proxy answered instead of the server, or an answer was lost.

    Attributes:
        answer: the answer to the last attempt.
    """

    def __init__(self, message: str, *, answer: "MatrixError", hint: str | None = None) -> None:
        super().__init__(message, sent=True, hint=hint)
        self.answer = answer


class ReplyError(SynadminError):
    """The answer is not of the expected shape: HTML, nothing, a redirect, other JSON.

    Attributes:
        sent: the request was a change, and the server may have carried it out.
    """

    sent = False


class MatrixError(SynadminError):
    """The server answered with an error of the Matrix specification.

    Attributes:
        status: the HTTP status.
        errcode: such as ``M_FORBIDDEN``; ``M_UNKNOWN`` where the server named none; empty where the
            Matrix Authentication Service answered, which has no error codes.
        reason: the server's own words.
        operation: method and path template of the operation; empty where unknown.
        by_proxy: a proxy in front of the server answered, with something that is not a Matrix error.
    """

    operation = ""
    by_proxy = False

    def __init__(self, *, status: int, errcode: str, reason: str, hint: str | None = None) -> None:
        code = f"{errcode}, " if errcode else ""
        super().__init__(f"{reason} ({code}HTTP {status})", hint=hint)
        self.status = status
        self.errcode = errcode
        self.reason = reason


class NotAuthenticatedError(MatrixError):
    """The token is not valid: missing, unknown, expired, logged out."""


class NotPermittedError(MatrixError):
    """The token is valid, but its owner may not do this."""


class NotFoundError(MatrixError):
    """The server does not know this room, user or other resource."""


class NotSupportedError(MatrixError):
    """``M_UNRECOGNIZED``: this server has no such endpoint. A 404 that does not mean "not found"."""


class RateLimitedError(MatrixError):
    """Too many requests. ``retry_after`` is in seconds, None where the server did not say."""

    def __init__(
        self,
        *,
        status: int,
        errcode: str,
        reason: str,
        retry_after: float | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(status=status, errcode=errcode, reason=reason, hint=hint)
        self.retry_after = retry_after


class ServerError(MatrixError):
    """The server failed (5xx)."""
