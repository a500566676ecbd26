"""Deleting rooms: removing the local members, and the room from the database.

Source: Synapse, ``docs/admin_api/rooms.md``, "Delete Room API", and ``synapse/rest/admin/rooms.py``.
"""

from typing import TypedDict, Unpack

from synadmin.http.endpoint import Endpoint, Record
from synadmin.http.group import ResourceGroup
from synadmin.ids import RoomAlias, RoomId, UserId


class RoomShutDown(Record, frozen=True, kw_only=True):
    """The result of a room deletion for local users and aliases.

    Attributes:
        kicked_users: the users who were removed from the room.
        failed_to_kick_users: the users who could not be removed, or not be moved to the new room.
        local_aliases: the aliases that point to the new room now.
        new_room_id: the new room, if one was requested.
    """

    kicked_users: tuple[UserId, ...] = ()
    failed_to_kick_users: tuple[UserId, ...] = ()
    local_aliases: tuple[RoomAlias, ...] = ()
    new_room_id: RoomId | None = None


class DeletionStarted(Record, frozen=True, kw_only=True):
    """A room deletion that was started. It continues on the server."""

    delete_id: str


class DeletionStatus(Record, frozen=True, kw_only=True):
    """The status of a room deletion.

    Attributes:
        delete_id: the deletion.
        room_id: the room.
        status: ``scheduled``, ``active``, ``complete`` or ``failed``.
        shutdown_room: the result for the users, also while it is active. None before that.
        error: the error of a failed deletion, by Synapse's document. Synapse leaves it out: read the
            scheduled task of the same id.
    """

    delete_id: str
    room_id: RoomId
    status: str
    shutdown_room: RoomShutDown | None = None
    error: str | None = None

    @property
    def new_room_id(self) -> RoomId | None:
        """The room that was made for the users, as soon as it is known."""
        return None if self.shutdown_room is None else self.shutdown_room.new_room_id


class Deletions(Record, frozen=True, kw_only=True):
    """The deletions of one room that the server has a record of."""

    results: tuple[DeletionStatus, ...]


class DeletionOptions(TypedDict, total=False):
    """The options of a room deletion; Synapse's defaults apply for options that are not given.

    Attributes:
        purge: remove the room from the database; Synapse's default is True. Otherwise the room stays,
            without local users.
        force_purge: remove the room even where a local user could not be removed from it.
        block: keep local users from joining the room again.
        new_room_user_id: make a new room with this local user as its administrator, and move the users and
            the local aliases there.
        room_name: the new room's name; Synapse's default speaks of a content violation.
        message: the first message there; Synapse's default speaks of illegal content.
    """

    purge: bool
    force_purge: bool
    block: bool
    new_room_user_id: str | None
    room_name: str | None
    message: str | None


# A request that is sent again after a lost answer could make a second new room for the same users.
DELETE = Endpoint("DELETE", "/_synapse/admin/v2/rooms/{room_id}", DeletionStarted, idempotent=False)
DELETE_AT_ONCE = Endpoint("DELETE", "/_synapse/admin/v1/rooms/{room_id}", RoomShutDown, idempotent=False)
STATUS = Endpoint("GET", "/_synapse/admin/v2/rooms/delete_status/{delete_id}", DeletionStatus)
OF_ROOM = Endpoint("GET", "/_synapse/admin/v2/rooms/{room_id}/delete_status", Deletions)


class RoomDeletion(ResourceGroup):
    """Deleting rooms: ``synapse.room_deletion``.

    Users of other servers are not affected: the room continues on their servers.
    """

    def delete(self, room_id: str, **options: Unpack[DeletionOptions]) -> DeletionStarted:
        """Begin to remove all local users from a room, and the room from the database.

        Args:
            room_id: the room. Synapse also reports success for a room that it does not know.
            options: see :class:`DeletionOptions`.

        Raises:
            MatrixError: the room is being deleted already (400).

        Source: ``RoomRestV2Servlet``.
        """
        return self._send(DELETE, body=options, room_id=room_id)

    def delete_at_once(self, room_id: str, **options: Unpack[DeletionOptions]) -> RoomShutDown:
        """Delete a room and wait until the deletion is done: for a large room, minutes.

        Takes the arguments of :meth:`delete`. Prefer that method.

        Source: ``RoomRestServlet``.
        """
        return self._send(DELETE_AT_ONCE, body=options, room_id=room_id)

    def status(self, delete_id: str) -> DeletionStatus:
        """Return the progress of a deletion. The server remembers it for a week after its end.

        Raises:
            NotFoundError: there is no such deletion.

        Source: ``DeleteRoomStatusByDeleteIdRestServlet``.
        """
        return self._send(STATUS, delete_id=delete_id)

    def of_room(self, room_id: str) -> Deletions:
        """Return the deletions of a room, including those that ended within the last week.

        Raises:
            NotFoundError: there is no deletion of this room.

        Source: ``DeleteRoomStatusByRoomIdRestServlet``.
        """
        return self._send(OF_ROOM, room_id=room_id)
