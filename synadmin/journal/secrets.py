"""Remove passwords and tokens from the entries of the journal."""

import re
from collections.abc import Mapping
from typing import Any

_SECRET_FIELDS = frozenset(
    {
        "password",
        "new_password",
        "access_token",
        "refresh_token",
        "token",
        "mac",
        "secret",
        "client_secret",
        "device_code",
    }
)
_SECRET_IN_QUERY = re.compile(rf"([?&](?:{'|'.join(sorted(_SECRET_FIELDS))})=)[^&\s]*")
# With a registration token anyone can create an account. The path `registration_tokens/new` has no token.
_SECRET_IN_PATH = re.compile(r"(/registration_tokens/)(?!new(?:[?\s]|$))[^/?\s]+")
_REMOVED = "(removed)"


def path_without_secrets(path: str) -> str:
    """Return a percent-encoded path with its query, or a line with such a path, without secrets."""
    for secret in (_SECRET_IN_QUERY, _SECRET_IN_PATH):
        path = secret.sub(rf"\1{_REMOVED}", path)
    return path


def without_secrets(body: Any) -> Any:  # noqa: ANN401  any JSON
    """Return the JSON with the values of fields that hold secrets replaced."""
    if isinstance(body, Mapping):
        return {
            name: _REMOVED if name in _SECRET_FIELDS and value is not None else without_secrets(value)
            for name, value in body.items()
        }
    if isinstance(body, list | tuple):
        return [without_secrets(value) for value in body]
    return body
