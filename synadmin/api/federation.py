"""The other servers that this one sends to.

Source: Synapse, ``docs/usage/administration/admin_api/federation.md`` and
``synapse/rest/admin/federation.py``.
"""

from synadmin.api.choices import DestinationOrder
from synadmin.http.endpoint import Empty, Endpoint, Paged, Record
from synadmin.http.group import ResourceGroup
from synadmin.http.paging import Pager
from synadmin.ids import RoomId


class Destination(Record, frozen=True, kw_only=True):
    """A server that this homeserver sends events to, and whether it can be reached.

    Times in milliseconds since the epoch, ``retry_interval`` in milliseconds. ``failure_ts`` is the time
    since which the server cannot be reached. While it can be reached, ``failure_ts`` is None, and
    ``retry_last_ts`` and ``retry_interval`` are 0. ``last_successful_stream_ordering`` is None where Synapse
    has not recorded it yet.
    """

    destination: str
    retry_last_ts: int = 0
    retry_interval: int = 0
    failure_ts: int | None = None
    last_successful_stream_ordering: int | None = None


class DestinationRoom(Record, frozen=True, kw_only=True):
    """A room shared with the other server, and the last event of this homeserver that was sent to it."""

    room_id: RoomId
    stream_ordering: int


DESTINATIONS = Paged(
    "GET",
    "/_synapse/admin/v1/federation/destinations",
    Destination,
    items="destinations",
    key="destination",
    grows=True,
)
DESTINATION = Endpoint("GET", "/_synapse/admin/v1/federation/destinations/{destination}", Destination)
ROOMS = Paged(
    "GET",
    "/_synapse/admin/v1/federation/destinations/{destination}/rooms",
    DestinationRoom,
    items="rooms",
    key="room_id",
    grows=True,
)
RESET_CONNECTION = Endpoint(
    "POST", "/_synapse/admin/v1/federation/destinations/{destination}/reset_connection", Empty
)


class Federation(ResourceGroup):
    """Federation: ``synapse.federation``."""

    def destinations(
        self,
        *,
        destination: str | None = None,
        order_by: DestinationOrder | None = None,
        reverse: bool = False,
        page_size: int | None = None,
    ) -> Pager[Destination]:
        """List the servers that this one sends to, or has tried to.

        Args:
            destination: part of a server name.
            order_by: one of :data:`DestinationOrder`; Synapse's default is by name.
            reverse: reverse the order.
            page_size: servers a request; None lets pages grow.

        Source: ``ListDestinationsRestServlet``.
        """
        return self._walk(
            DESTINATIONS,
            query={
                "destination": destination,
                "order_by": order_by,
                "dir": "b" if reverse else None,
                "limit": page_size,
            },
        )

    def destination(self, destination: str) -> Destination:
        """Return whether this server can reach another one, and when it tries again.

        Raises:
            NotFoundError: this server has never sent to it.

        Source: ``DestinationRestServlet``.
        """
        return self._send(DESTINATION, destination=destination)

    def rooms(
        self, destination: str, *, reverse: bool = False, page_size: int | None = None
    ) -> Pager[DestinationRoom]:
        """List the rooms that are shared with another server, by room id.

        Args:
            destination: the other server.
            reverse: reverse the order.
            page_size: rooms a request; None lets pages grow.

        Raises:
            NotFoundError: this server has never sent to it.

        Source: ``DestinationMembershipRestServlet``.
        """
        return self._walk(
            ROOMS, query={"dir": "b" if reverse else None, "limit": page_size}, destination=destination
        )

    def reset_connection(self, destination: str) -> Empty:
        """Try to reach a server now, without waiting for the next scheduled try.

        Raises:
            NotFoundError: this server has never sent to it.
            MatrixError: no next try is scheduled for the server (400).

        Source: ``DestinationResetConnectionRestServlet``.
        """
        return self._send(RESET_CONNECTION, body={}, destination=destination)
