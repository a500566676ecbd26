"""Hiding a user's messages from others: shadow-bans, and redacting all events of a user.

Source: Synapse, ``docs/admin_api/user_admin_api.md``, ``synapse/rest/admin/users.py`` and
``synapse/handlers/admin.py``.
"""

from collections.abc import Mapping, Sequence

from msgspec import UNSET, UnsetType

from synadmin.http.endpoint import Empty, Endpoint, Record
from synadmin.http.group import ResourceGroup
from synadmin.ids import EventId


class Redaction(Record, frozen=True, kw_only=True):
    """The id of a redaction that was started."""

    redact_id: str


class RedactionStatus(Record, frozen=True, kw_only=True):
    """The status of a redaction: ``scheduled``, ``active``, ``complete`` or ``failed``.

    ``failed_redactions`` has the reason for each event that could not be redacted; it is set, perhaps empty,
    when the status is ``complete``. ``error`` is set when the status is ``failed``.
    """

    status: str
    failed_redactions: Mapping[EventId, str] | None = None
    error: str | None = None


SHADOW_BAN = Endpoint("POST", "/_synapse/admin/v1/users/{user_id}/shadow_ban", Empty, idempotent=True)
LIFT_SHADOW_BAN = Endpoint("DELETE", "/_synapse/admin/v1/users/{user_id}/shadow_ban", Empty)
REDACT = Endpoint("POST", "/_synapse/admin/v1/user/{user_id}/redact", Redaction, since="1.116")
REDACT_STATUS = Endpoint(
    "GET", "/_synapse/admin/v1/user/redact_status/{redact_id}", RedactionStatus, since="1.116"
)


class Moderation(ResourceGroup):
    """Shadow-bans and redactions of all events of a user: ``synapse.moderation``."""

    def shadow_ban(self, user_id: str) -> Empty:
        """Shadow-ban a local user: their messages appear sent, but reach no other user.

        Raises:
            NotFoundError: there is no such user.

        Source: ``ShadowBanRestServlet``.
        """
        return self._send(SHADOW_BAN, body={}, user_id=user_id)

    def lift_shadow_ban(self, user_id: str) -> Empty:
        """Lift a shadow-ban. Messages that were sent during the ban stay unsent.

        Raises:
            NotFoundError: there is no such user.

        Source: ``ShadowBanRestServlet``.
        """
        return self._send(LIFT_SHADOW_BAN, user_id=user_id)

    def redact(
        self,
        user_id: str,
        *,
        rooms: Sequence[str] = (),
        reason: str | UnsetType = UNSET,
        limit: int | UnsetType = UNSET,
        use_admin: bool | UnsetType = UNSET,
        before_ts: int | UnsetType = UNSET,
        after_ts: int | UnsetType = UNSET,
    ) -> Redaction:
        """Begin to redact the messages and joins of a user, newest first.

        Events of a local user are redacted as that user. Events of a remote user are redacted as the token's
        owner, who needs the power level for it.

        Args:
            user_id: the user, local or remote.
            rooms: the rooms; empty: all rooms that the user is joined to or banned from.
            reason: the reason, which every member can read.
            limit: how many events to look at in each room, at most; Synapse's default is 1000.
            use_admin: redact as the token's owner in any case.
            before_ts: only events until this time, in milliseconds since the epoch (since Synapse 1.157).
            after_ts: only events from this time on, in milliseconds since the epoch (since Synapse 1.157).

        Raises:
            MatrixError: a redaction of this user is under way already (400).

        Source: ``RedactUser``.
        """
        body = {
            "rooms": [*rooms],
            "reason": reason,
            "limit": limit,
            "use_admin": use_admin,
            "before_ts": before_ts,
            "after_ts": after_ts,
        }
        return self._send(REDACT, body=body, user_id=user_id)

    def redact_status(self, redact_id: str) -> RedactionStatus:
        """Return the progress of a redaction. The server remembers it for a week after its end.

        Raises:
            NotFoundError: there is no such redaction.

        Source: ``RedactUserStatus``.
        """
        return self._send(REDACT_STATUS, redact_id=redact_id)
