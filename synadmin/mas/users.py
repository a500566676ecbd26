"""Accounts, as the Matrix Authentication Service (MAS) keeps them.

Source: the OpenAPI document of MAS 1.22.0, ``/api/admin/v1/users``.
"""

from typing import Literal

from msgspec import UNSET, UnsetType

from synadmin.http.endpoint import Empty, Endpoint, Record
from synadmin.http.paging import Pager
from synadmin.mas.records import MasGroup, Resource, listed, one


class User(Record, frozen=True, kw_only=True):
    """An account. ``admin``: new sessions may ask for admin rights; a session may have them or not."""

    username: str
    created_at: str
    locked_at: str | None = None
    deactivated_at: str | None = None
    admin: bool = False
    legacy_guest: bool = False


LIST = listed("users", User)
CREATE = one("POST", "users", User)
GET = one("GET", "users/{id}", User)
BY_USERNAME = one("GET", "users/by-username/{username}", User)
SET_PASSWORD = Endpoint(
    "POST", "/api/admin/v1/users/{id}/set-password", Empty, idempotent=True, dialect="mas"
)
SET_ADMIN = one("POST", "users/{id}/set-admin", User, idempotent=True)
DEACTIVATE = one("POST", "users/{id}/deactivate", User, idempotent=True)
REACTIVATE = one("POST", "users/{id}/reactivate", User, since="0.20.0", idempotent=True)
LOCK = one("POST", "users/{id}/lock", User, idempotent=True)
UNLOCK = one("POST", "users/{id}/unlock", User, idempotent=True)


class Users(MasGroup):
    """Accounts."""

    def list(
        self,
        *,
        admin: bool | None = None,
        status: Literal["active", "locked", "deactivated"] | None = None,
        search: str | None = None,
    ) -> Pager[Resource[User]]:
        """List accounts, the oldest first. Read ``locked_at``: the filter ``status`` is not exact."""
        return self._all(LIST, admin=admin, status=status, search=search)

    def create(
        self,
        username: str,
        *,
        displayname: str | UnsetType = UNSET,
        skip_homeserver_check: bool | UnsetType = UNSET,
    ) -> Resource[User]:
        """Make an account, here and at the homeserver. It has no password.

        Raises:
            MatrixError: 400, the name is not valid; 409, it is taken or reserved.
        """
        body = {
            "username": username,
            "displayname": displayname,
            "skip_homeserver_check": skip_homeserver_check,
        }
        return self._one(CREATE, body=body)

    def get(self, id: str) -> Resource[User]:  # noqa: A002  the API's name
        """Return an account by its ULID."""
        return self._one(GET, id=id)

    def by_username(self, username: str) -> Resource[User]:
        """Return an account by its localpart.

        Raises:
            NotFoundError: MAS has no such account; it has none of application services.
        """
        return self._one(BY_USERNAME, username=username)

    def set_password(self, id: str, password: str, *, skip_password_check: bool = False) -> Empty:  # noqa: A002
        """Set the password. The sessions stay.

        Raises:
            MatrixError: 400, the password is too weak.
            NotPermittedError: passwords are switched off.
        """
        body = {"password": password, "skip_password_check": skip_password_check}
        return self._send(SET_PASSWORD, body=body, id=id)

    def set_admin(self, id: str, *, admin: bool) -> Resource[User]:  # noqa: A002
        """Set whether sessions may ask for admin rights from now on. Sessions that have them keep them."""
        return self._one(SET_ADMIN, body={"admin": admin}, id=id)

    def deactivate(self, id: str, *, skip_erase: bool) -> Resource[User]:  # noqa: A002
        """Deactivate an account: a job ends its sessions, deletes its addresses, and tells the homeserver.

        Args:
            id: its ULID.
            skip_erase: leave profile and messages as they are; else the homeserver erases them.
        """
        return self._one(DEACTIVATE, body={"skip_erase": skip_erase}, id=id)

    def reactivate(self, id: str) -> Resource[User]:  # noqa: A002
        """Make an account active again, at the homeserver first. A locked one stays locked."""
        return self._one(REACTIVATE, id=id)

    def lock(self, id: str) -> Resource[User]:  # noqa: A002
        """Lock an account: its tokens are refused. MAS since 1.14 tells the homeserver, by a job."""
        return self._one(LOCK, id=id)

    def unlock(self, id: str) -> Resource[User]:  # noqa: A002
        """Unlock an account. A deactivated one stays deactivated."""
        return self._one(UNLOCK, id=id)
