"""Registration tokens, as the Matrix Authentication Service (MAS) keeps them.

Source: the OpenAPI document of MAS 1.22.0, ``/api/admin/v1/user-registration-tokens``.
"""

from msgspec import UNSET, UnsetType

from synadmin.http.endpoint import Record
from synadmin.http.paging import Pager
from synadmin.mas.records import MasGroup, Resource, listed, one


class UserRegistrationToken(Record, frozen=True, kw_only=True):
    """A registration token. It has an effect only where registration requires one."""

    token: str
    valid: bool
    times_used: int
    created_at: str
    usage_limit: int | None = None
    last_used_at: str | None = None
    expires_at: str | None = None
    revoked_at: str | None = None


_PATH = "user-registration-tokens"
LIST = listed(_PATH, UserRegistrationToken, since="0.17.0")
CREATE = one("POST", _PATH, UserRegistrationToken, since="0.17.0")
GET = one("GET", f"{_PATH}/{{id}}", UserRegistrationToken, since="0.17.0")
UPDATE = one("PUT", f"{_PATH}/{{id}}", UserRegistrationToken, since="0.17.0")
REVOKE = one("POST", f"{_PATH}/{{id}}/revoke", UserRegistrationToken, since="0.17.0")
UNREVOKE = one("POST", f"{_PATH}/{{id}}/unrevoke", UserRegistrationToken, since="0.17.0")


class RegistrationTokens(MasGroup):
    """Registration tokens."""

    def list(self, *, valid: bool | None = None) -> Pager[Resource[UserRegistrationToken]]:
        """List tokens, the oldest first. Revoked tokens are included, unless ``valid`` is true."""
        return self._all(LIST, valid=valid)

    def create(
        self,
        *,
        token: str | UnsetType = UNSET,
        usage_limit: int | UnsetType = UNSET,
        expires_at: str | UnsetType = UNSET,
    ) -> Resource[UserRegistrationToken]:
        """Make a token. MAS generates 12 characters, unless ``token`` is given.

        Raises:
            MatrixError: 409, there is such a token already.
        """
        return self._one(CREATE, body={"token": token, "usage_limit": usage_limit, "expires_at": expires_at})

    def get(self, id: str) -> Resource[UserRegistrationToken]:  # noqa: A002  the API's name
        """Return a token by its ULID."""
        return self._one(GET, id=id)

    def update(
        self,
        id: str,  # noqa: A002
        *,
        usage_limit: int | UnsetType | None = UNSET,
        expires_at: str | UnsetType | None = UNSET,
    ) -> Resource[UserRegistrationToken]:
        """Change a token. None removes the limit or the expiry."""
        return self._one(UPDATE, body={"usage_limit": usage_limit, "expires_at": expires_at}, id=id)

    def revoke(self, id: str) -> Resource[UserRegistrationToken]:  # noqa: A002
        """Revoke a token. The record stays.

        Raises:
            MatrixError: 400, it was revoked already.
        """
        return self._one(REVOKE, id=id)

    def unrevoke(self, id: str) -> Resource[UserRegistrationToken]:  # noqa: A002
        """Make a revoked token valid again.

        Raises:
            MatrixError: 400, it is not revoked.
        """
        return self._one(UNREVOKE, id=id)
