"""The media that users store, and the size of rooms in the database.

Source: Synapse, ``docs/admin_api/statistics.md`` and ``synapse/rest/admin/statistics.py``.
"""

from synadmin.api.choices import UserStatisticsOrder
from synadmin.http.endpoint import Endpoint, Paged, Record
from synadmin.http.group import ResourceGroup
from synadmin.http.paging import Pager
from synadmin.ids import RoomId, UserId


class MediaUsage(Record, frozen=True, kw_only=True):
    """The number of media items that a user has uploaded, and their size in bytes."""

    user_id: UserId
    media_count: int
    media_length: int
    displayname: str | None = None


class RoomSize(Record, frozen=True, kw_only=True):
    """The size of a room in the database, in bytes: an estimate from PostgreSQL's statistics."""

    room_id: RoomId
    estimated_size: int


class RoomSizes(Record, frozen=True, kw_only=True):
    """The ten largest rooms, largest first."""

    rooms: tuple[RoomSize, ...]


MEDIA = Paged(
    "GET", "/_synapse/admin/v1/statistics/users/media", MediaUsage, items="users", key="user_id", grows=True
)
ROOMS = Endpoint("GET", "/_synapse/admin/v1/statistics/database/rooms", RoomSizes)


class Statistics(ResourceGroup):
    """Statistics: ``synapse.statistics``."""

    def media(
        self,
        *,
        search: str | None = None,
        from_ts: int | None = None,
        until_ts: int | None = None,
        order_by: UserStatisticsOrder | None = None,
        reverse: bool = False,
        page_size: int | None = None,
    ) -> Pager[MediaUsage]:
        """List the users of this server who have uploaded media.

        Args:
            search: part of a user id or display name.
            from_ts: only media uploaded since this time, in milliseconds since the epoch.
            until_ts: only media uploaded until this time, in milliseconds since the epoch.
            order_by: one of :data:`UserStatisticsOrder`; Synapse's default is by user id.
            reverse: reverse the order.
            page_size: users a request; None lets pages grow.

        Raises:
            MatrixError: ``until_ts`` is not later than ``from_ts`` (400).

        Source: ``UserMediaStatisticsRestServlet``.
        """
        return self._walk(
            MEDIA,
            query={
                "search_term": search,
                "from_ts": from_ts,
                "until_ts": until_ts,
                "order_by": order_by,
                "dir": "b" if reverse else None,
                "limit": page_size,
            },
        )

    def rooms(self) -> RoomSizes:
        """Return the ten rooms that use the most space in the database.

        Raises:
            MatrixError: the database is not PostgreSQL (400).
            ServerError: PostgreSQL has no statistics of a table, and Synapse needs them.

        Source: ``LargestRoomsStatistics``.
        """
        return self._send(ROOMS)
