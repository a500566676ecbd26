"""Sessions of clients that signed in by Synapse's older login, with a password or by single sign-on.

Source: the OpenAPI document of MAS 1.22.0, ``/api/admin/v1/compat-sessions``.
"""

from typing import Literal

from synadmin.http.endpoint import Record
from synadmin.http.paging import Pager
from synadmin.mas.records import MasGroup, Resource, listed, one


class CompatSession(Record, frozen=True, kw_only=True):
    """A session. MAS does not show whether its token is a server admin's."""

    created_at: str
    user_id: str
    device_id: str | None = None
    user_session_id: str | None = None
    redirect_uri: str | None = None
    user_agent: str | None = None
    last_active_at: str | None = None
    last_active_ip: str | None = None
    finished_at: str | None = None
    human_name: str | None = None


LIST = listed("compat-sessions", CompatSession, since="0.14.0")
GET = one("GET", "compat-sessions/{id}", CompatSession, since="0.14.0")
FINISH = one("POST", "compat-sessions/{id}/finish", CompatSession, since="1.4.0")


class CompatSessions(MasGroup):
    """Sessions of clients that signed in by Synapse's older login, with a password or by single sign-on."""

    def list(
        self, *, user: str | None = None, status: Literal["active", "finished"] | None = None
    ) -> Pager[Resource[CompatSession]]:
        """List sessions, the oldest first: all, or those of one account (``user`` is its ULID)."""
        return self._all(LIST, user=user, status=status)

    def get(self, id: str) -> Resource[CompatSession]:  # noqa: A002  the API's name
        """Return a session by its ULID."""
        return self._one(GET, id=id)

    def finish(self, id: str) -> Resource[CompatSession]:  # noqa: A002
        """End a session. Its device is deleted at the homeserver, by a job.

        Raises:
            MatrixError: 400, it has ended already.
        """
        return self._one(FINISH, id=id)
