"""The exit codes."""

from synadmin.errors import (
    NoSuchRunError,
    NotAuthenticatedError,
    NotFoundError,
    NotPermittedError,
    RefusedError,
    SettingsError,
    SynadminError,
    UnknownTargetError,
    UsageError,
)

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NOT_PERMITTED = 3
EXIT_NOT_FOUND = 4
EXIT_REFUSED = 5
EXIT_PARTLY = 6
EXIT_FOUND = 10
EXIT_INTERRUPTED = 130

_EXIT_CODES: tuple[tuple[type[SynadminError], int], ...] = (
    (UsageError, EXIT_USAGE),
    (SettingsError, EXIT_USAGE),
    (NotAuthenticatedError, EXIT_NOT_PERMITTED),
    (NotPermittedError, EXIT_NOT_PERMITTED),
    (NotFoundError, EXIT_NOT_FOUND),
    (NoSuchRunError, EXIT_NOT_FOUND),
    (UnknownTargetError, EXIT_NOT_FOUND),
    (RefusedError, EXIT_REFUSED),
)


def exit_code(error: SynadminError) -> int:
    """Return the exit code for an error. No other code maps errors to exit codes."""
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), EXIT_FAILED)
