"""Sessions of OAuth 2.0 clients.

Source: the OpenAPI document of MAS 1.22.0, ``/api/admin/v1/oauth2-sessions``.
"""

from typing import Literal

from synadmin.http.endpoint import Record
from synadmin.http.paging import Pager
from synadmin.mas.records import MasGroup, Resource, listed, one


class OAuth2Session(Record, frozen=True, kw_only=True):
    """A session. ``user_id`` is None where the client acts for itself."""

    created_at: str
    client_id: str
    scope: str
    user_id: str | None = None
    user_session_id: str | None = None
    user_agent: str | None = None
    last_active_at: str | None = None
    last_active_ip: str | None = None
    finished_at: str | None = None
    human_name: str | None = None


LIST = listed("oauth2-sessions", OAuth2Session, since="0.10.0")
GET = one("GET", "oauth2-sessions/{id}", OAuth2Session, since="0.10.0")
FINISH = one("POST", "oauth2-sessions/{id}/finish", OAuth2Session, since="1.4.0")


class OAuth2Sessions(MasGroup):
    """Sessions of OAuth 2.0 clients."""

    def list(
        self,
        *,
        user: str | None = None,
        status: Literal["active", "finished"] | None = None,
        scope: str | None = None,
    ) -> Pager[Resource[OAuth2Session]]:
        """List sessions, the oldest first: all, or those of one account (``user`` is its ULID)."""
        return self._all(LIST, user=user, status=status, scope=scope)

    def get(self, id: str) -> Resource[OAuth2Session]:  # noqa: A002  the API's name
        """Return a session by its ULID."""
        return self._one(GET, id=id)

    def finish(self, id: str) -> Resource[OAuth2Session]:  # noqa: A002
        """End a session. Its device is deleted at the homeserver, by a job.

        Raises:
            MatrixError: 400, it has ended already.
        """
        return self._one(FINISH, id=id)
