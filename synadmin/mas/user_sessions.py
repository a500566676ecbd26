"""Sessions of browsers at MAS itself.

Source: the OpenAPI document of MAS 1.22.0, ``/api/admin/v1/user-sessions``.
"""

from typing import Literal

from synadmin.http.endpoint import Record
from synadmin.http.paging import Pager
from synadmin.mas.records import MasGroup, Resource, listed, one


class UserSession(Record, frozen=True, kw_only=True):
    """A session of a browser: it can begin other sessions without a password."""

    created_at: str
    user_id: str
    user_agent: str | None = None
    last_active_at: str | None = None
    last_active_ip: str | None = None
    finished_at: str | None = None


LIST = listed("user-sessions", UserSession, since="0.14.0")
GET = one("GET", "user-sessions/{id}", UserSession, since="0.14.0")
FINISH = one("POST", "user-sessions/{id}/finish", UserSession, since="1.4.0")


class UserSessions(MasGroup):
    """Sessions of browsers at MAS itself."""

    def list(
        self, *, user: str | None = None, status: Literal["active", "finished"] | None = None
    ) -> Pager[Resource[UserSession]]:
        """List sessions, the oldest first: all, or those of one account (``user`` is its ULID)."""
        return self._all(LIST, user=user, status=status)

    def get(self, id: str) -> Resource[UserSession]:  # noqa: A002  the API's name
        """Return a session by its ULID."""
        return self._one(GET, id=id)

    def finish(self, id: str) -> Resource[UserSession]:  # noqa: A002
        """End a session. Sessions of clients that were begun with it stay.

        Raises:
            MatrixError: 400, it has ended already.
        """
        return self._one(FINISH, id=id)
