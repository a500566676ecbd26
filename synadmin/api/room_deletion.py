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
        kicked_users: those who were removed from the room.
        failed_to_kick_users: those who could not be removed, or not be moved to the new room.
        local_aliases: those that lead to the new room now.
        new_room_id: the new room, where one was asked for.
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
        error: Synapse's document has it where it failed; the scheduled task of the same id has it indeed.
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
    """The options of a room deletion; Synapse's defaults apply for what is not given.

    Attributes:
        purge: remove it from the database; Synapse's default is to do so. Otherwise it stays, without
            local users in it.
        force_purge: remove it even where a local user could not be removed from it.
        block: let no local user come in again.
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


# Sent again after a lost answer, they could make a second new room for those who were in the old one.
DELETE = Endpoint("DELETE", "/_synapse/admin/v2/rooms/{room_id}", DeletionStarted, idempotent=False)
DELETE_AT_ONCE = Endpoint("DELETE", "/_synapse/admin/v1/rooms/{room_id}", RoomShutDown, idempotent=False)
STATUS = Endpoint("GET", "/_synapse/admin/v2/rooms/delete_status/{delete_id}", DeletionStatus)
OF_ROOM = Endpoint("GET", "/_synapse/admin/v2/rooms/{room_id}/delete_status", Deletions)


class RoomDeletion(ResourceGroup):
    """Deleting rooms: ``synapse.room_deletion``.

    Users of other servers are not touched: for them the room goes on.
    """

    def delete(self, room_id: str, **options: Unpack[DeletionOptions]) -> DeletionStarted:
        """Begin to remove all local users from a room, and the room from the database.

        Args:
            room_id: the room. One that the server does not know is reported as deleted all the same.
            options: see :class:`DeletionOptions`.

        Raises:
            MatrixError: the room is being deleted already (400).

        Source: ``RoomRestV2Servlet``.
        """
        return self._send(DELETE, body=options, room_id=room_id)

    def delete_at_once(self, room_id: str, **options: Unpack[DeletionOptions]) -> RoomShutDown:
        """Delete a room, and answer when it is done: minutes later, where the room is large.

        Takes the same as :meth:`delete`, which is to be preferred.

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
        """Return the deletions of a room, those that have ended within a week included.

        Raises:
            NotFoundError: there is none.

        Source: ``DeleteRoomStatusByRoomIdRestServlet``.
        """
        return self._send(OF_ROOM, room_id=room_id)
