"""Errors: their common base class, message, hint and Matrix error code."""

from __future__ import annotations

import inspect

import pytest

from synadmin import errors
from synadmin.errors import ConnectError, MatrixError, RateLimitedError, SynadminError

_ERRORS = [value for _, value in inspect.getmembers(errors, inspect.isclass)]


@pytest.mark.parametrize("kind", _ERRORS)
def test_root_error_catches_all(kind: type[Exception]) -> None:
    assert issubclass(kind, SynadminError)


@pytest.mark.parametrize("kind", [kind for kind in _ERRORS if issubclass(kind, MatrixError)])
def test_matrix_error_has_text_errcode_and_status(kind: type[MatrixError]) -> None:
    error = kind(status=403, errcode="M_FORBIDDEN", reason="You are not a server admin")
    assert str(error) == "You are not a server admin (M_FORBIDDEN, HTTP 403)"
    assert (error.status, error.errcode, error.reason) == (403, "M_FORBIDDEN", "You are not a server admin")
    assert error.hint is None


def test_error_has_a_hint_beside_the_message() -> None:
    error = ConnectError("example.org cannot be reached", hint="is it running?")
    assert (str(error), error.hint, error.sent) == ("example.org cannot be reached", "is it running?", False)


def test_rate_limit_error_has_the_wait_in_seconds() -> None:
    error = RateLimitedError(status=429, errcode="M_LIMIT_EXCEEDED", reason="slow down", retry_after=1.5)
    assert error.retry_after == 1.5
