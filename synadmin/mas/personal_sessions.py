"""Personal sessions: tokens that an administrator makes, to act as a user.

Source: the OpenAPI document of MAS 1.22.0, ``/api/admin/v1/personal-sessions``.
"""

from typing import Literal

from msgspec import UNSET, UnsetType

from synadmin.http.endpoint import Record
from synadmin.http.paging import Pager
from synadmin.mas.records import MasGroup, Resource, listed, one


class PersonalSession(Record, frozen=True, kw_only=True):
    """A session that acts as one user, and belongs to a user or a client. Its token is shown once."""

    created_at: str
    actor_user_id: str
    human_name: str
    scope: str
    owner_user_id: str | None = None
    owner_client_id: str | None = None
    revoked_at: str | None = None
    last_active_at: str | None = None
    last_active_ip: str | None = None
    expires_at: str | None = None
    access_token: str | None = None

    def __repr__(self) -> str:
        return f"PersonalSession({self.human_name!r})"


LIST = listed("personal-sessions", PersonalSession, since="1.5.0")
CREATE = one("POST", "personal-sessions", PersonalSession, since="1.5.0")
GET = one("GET", "personal-sessions/{id}", PersonalSession, since="1.5.0")
REVOKE = one("POST", "personal-sessions/{id}/revoke", PersonalSession, since="1.5.0")
REGENERATE = one("POST", "personal-sessions/{id}/regenerate", PersonalSession, since="1.5.0")


class PersonalSessions(MasGroup):
    """Tokens that act as a user."""

    def list(
        self,
        *,
        actor_user: str | None = None,
        owner_user: str | None = None,
        owner_client: str | None = None,
        scope: str | None = None,
        status: Literal["active", "revoked"] | None = None,
        expires: bool | None = None,
    ) -> Pager[Resource[PersonalSession]]:
        """List sessions, the oldest first. An expired session counts as active until it is revoked."""
        return self._all(
            LIST,
            actor_user=actor_user,
            owner_user=owner_user,
            owner_client=owner_client,
            scope=scope,
            status=status,
            expires=expires,
        )

    def create(
        self, actor_user_id: str, human_name: str, scope: str, *, expires_in: int | UnsetType = UNSET
    ) -> Resource[PersonalSession]:
        """Make a session, with its token. A repeated request makes a second session.

        Args:
            actor_user_id: the ULID of the account that it acts as.
            human_name: its name in lists for administrators.
            scope: its scopes, with spaces between them. MAS does not apply its policy.
            expires_in: its life in seconds; without it, the session never expires.

        Raises:
            NotFoundError: there is no such account.
            MatrixError: 410, the account is deactivated.
        """
        body = {
            "actor_user_id": actor_user_id,
            "human_name": human_name,
            "scope": scope,
            "expires_in": expires_in,
        }
        return self._one(CREATE, body=body)

    def get(self, id: str) -> Resource[PersonalSession]:  # noqa: A002  the API's name
        """Return a session by its ULID."""
        return self._one(GET, id=id)

    def revoke(self, id: str) -> Resource[PersonalSession]:  # noqa: A002
        """End a session. The homeserver may accept its token for two more minutes, but not after its expiry.

        Raises:
            MatrixError: 409, it was revoked already.
        """
        return self._one(REVOKE, id=id)

    def regenerate(self, id: str, *, expires_in: int | UnsetType = UNSET) -> Resource[PersonalSession]:  # noqa: A002
        """Give a session a new token; the old one ends.

        Raises:
            NotPermittedError: the session belongs to another user or client.
            MatrixError: 422, it was revoked.
        """
        return self._one(REGENERATE, body={"expires_in": expires_in}, id=id)
