"""Registration tokens of MAS, found by the token itself, with the fields of Synapse's tokens."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import UNSET

from synadmin.errors import NotFoundError
from synadmin.mas.records import Resource
from synadmin.mas.registration_tokens import UserRegistrationToken
from synadmin.mas.service import Mas


class MasTokens:
    """The registration tokens. MAS identifies them by a ULID, users by the token itself."""

    def __init__(self, mas: Mas) -> None:
        self._tokens = mas.registration_tokens

    def list(self, *, valid: bool | None = None) -> list[dict[str, Any]]:
        """Return the tokens, the oldest first."""
        return [_record(token) for token in self._tokens.list(valid=valid)]

    def get(self, token: str) -> dict[str, Any]:
        """Return a token.

        Raises:
            NotFoundError: there is no such token.
        """
        return _record(self._found(token))

    def create(self, token: str | None, *, uses: int | None, expires: int | None) -> str:
        """Make a token and return it.

        Args:
            token: the token; MAS generates one, unless given.
            uses: how many accounts can be made with it; any number, unless given.
            expires: when it expires, in milliseconds since the epoch.
        """
        made = self._tokens.create(
            token=UNSET if token is None else token,
            usage_limit=UNSET if uses is None else uses,
            expires_at=UNSET if expires is None else _time(expires),
        )
        return made.attributes.token

    def update(self, token: str, changed: Mapping[str, int | None]) -> None:
        """Change uses and expiry; a field that is not in ``changed`` stays."""
        expires = changed.get("expiry_time")
        self._tokens.update(
            self._found(token).id,
            usage_limit=changed.get("uses_allowed", UNSET),
            expires_at=UNSET if "expiry_time" not in changed else None if expires is None else _time(expires),
        )

    def revoke(self, token: str) -> None:
        """Revoke a token; its record stays."""
        self._tokens.revoke(self._found(token).id)

    def _found(self, token: str) -> Resource[UserRegistrationToken]:
        for record in self._tokens.list():
            if record.attributes.token == token:
                return record
        raise NotFoundError(status=404, errcode="", reason="MAS: there is no registration token of this name")


def _record(token: Resource[UserRegistrationToken]) -> dict[str, Any]:
    fields = token.attributes
    return {
        "token": fields.token,
        "uses_allowed": fields.usage_limit,
        "pending": None,
        "completed": fields.times_used,
        "expiry_time": None if fields.expires_at is None else _milliseconds(fields.expires_at),
        **token.flat(),
    }


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat().replace("+00:00", "Z")


def _milliseconds(time: str) -> int:
    return round(datetime.fromisoformat(time).timestamp() * 1000)
