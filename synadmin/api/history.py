"""The history of rooms: removing old events from the server's database.

Source: Synapse, ``docs/admin_api/purge_history_api.md`` and ``synapse/rest/admin/__init__.py``.
"""

import msgspec

from synadmin.http.endpoint import Endpoint, Record
from synadmin.http.group import ResourceGroup


class PurgeStarted(Record, frozen=True, kw_only=True):
    """A purge that was started. It continues on the server."""

    purge_id: str


class PurgeStatus(Record, frozen=True, kw_only=True):
    """The status of a purge.

    Attributes:
        status: ``active`` (also before it begins), ``complete`` or ``failed``.
        error: the server's error message, where the purge failed.
    """

    status: str
    error: str | None = None


PURGE = Endpoint("POST", "/_synapse/admin/v1/purge_history/{room_id}", PurgeStarted, idempotent=True)
PURGE_STATUS = Endpoint("GET", "/_synapse/admin/v1/purge_history_status/{purge_id}", PurgeStatus)


class History(ResourceGroup):
    """The history of rooms: ``synapse.history``."""

    def purge(
        self,
        room_id: str,
        *,
        up_to_event_id: str | msgspec.UnsetType = msgspec.UNSET,
        up_to_ts: int | msgspec.UnsetType = msgspec.UNSET,
        delete_local_events: bool | msgspec.UnsetType = msgspec.UNSET,
    ) -> PurgeStarted:
        """Begin to remove a room's older events from the database; the room's state stays.

        Args:
            room_id: the room.
            up_to_event_id: remove the events before this one. Give either this or ``up_to_ts``.
            up_to_ts: remove the events that this server received before this time, in milliseconds since the
                epoch.
            delete_local_events: also remove the events of this server's users. No other server may have them.
                Synapse's default is to keep them.

        Raises:
            NotFoundError: there is no such event, or no event is that old.
            MatrixError: the event is in another room (400).

        Source: ``PurgeHistoryRestServlet``.
        """
        return self._send(
            PURGE,
            body={
                "purge_up_to_event_id": up_to_event_id,
                "purge_up_to_ts": up_to_ts,
                "delete_local_events": delete_local_events,
            },
            room_id=room_id,
        )

    def purge_status(self, purge_id: str) -> PurgeStatus:
        """Return the progress of a purge. The server remembers it for a week after its end.

        Raises:
            NotFoundError: there is no such purge.

        Source: ``PurgeHistoryStatusRestServlet``.
        """
        return self._send(PURGE_STATUS, purge_id=purge_id)
