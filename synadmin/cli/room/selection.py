"""Rooms chosen by their members, and the rooms of a space."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from synadmin.api.rooms import Room
from synadmin.cli.targets import account_of, any_user_id_of, room_id_of
from synadmin.errors import MatrixError, NotFoundError
from synadmin.ids import RoomId, UserId, server_name_of
from synadmin.parallel import side_by_side
from synadmin.power.events import MEMBER
from synadmin.recovery.observer import Observer, local_members
from synadmin.recovery.room_control import control_of
from synadmin.recovery.rooms_in_space import rooms_in_space

if TYPE_CHECKING:
    from synadmin.cli.invocation import Invocation
    from synadmin.client import Synapse


def rooms_of_member(
    synapse: "Synapse",
    member: str,
    *,
    search: str | None,
    public: bool | None,
    empty: bool | None,
    at_once: int,
) -> list[Room]:
    """Return the rooms that a user is joined to, also rooms that are missing in the server's list.

    Args:
        member: a user id or a localpart.
        search: as in the server's list: part of a name or an alias, or a whole room id.
        public: only rooms in the room directory, or only rooms not in it.
        empty: only rooms without joined members by the statistics, or only rooms with members.
        at_once: the number of rooms to read at the same time.

    Raises:
        NotFoundError: there is no such account on this server.
    """
    user_id = any_user_id_of(synapse, member)
    if server_name_of(user_id) == server_name_of(synapse.owner):
        account_of(synapse, user_id)  # raises for a user that does not exist

    def details(room_id: RoomId) -> Room | None:
        try:
            return synapse.rooms.get(room_id)
        except NotFoundError:  # deleted since
            return None

    joined = synapse.activity.joined_rooms(user_id).joined_rooms
    return [
        room
        for room in side_by_side(details, joined, at_once=at_once)
        if room is not None
        and (search is None or _is_found(room, search))
        and (public is None or bool(room.public) == public)
        and (empty is None or (room.joined_members == 0) == empty)
    ]


def _is_found(room: Room, search: str) -> bool:
    """Whether a room matches a search as on the server."""
    alias = (room.canonical_alias or "").removeprefix("#").partition(":")[0]
    return search == room.room_id or any(search.lower() in text.lower() for text in (room.name or "", alias))


def rooms_of_space(invocation: "Invocation", synapse: "Synapse", space: str) -> tuple[RoomId, ...]:
    """Return a space and all rooms below it; print the rooms that this server is not in."""
    rooms = rooms_in_space(synapse, room_id_of(synapse, space))
    for room_id in rooms.elsewhere:
        invocation.warn(f"{room_id} is in the space, but this server is not in it: left out.")
    return rooms.rooms


def in_order(rooms: Iterable[Room], field: str, *, descending: bool) -> list[Room]:
    """Return rooms sorted by a field; rooms without the field are last."""
    found: list[tuple[Any, RoomId, Room]] = []
    others: list[Room] = []
    for room in rooms:
        value = getattr(room, field)
        if value is None:
            others.append(room)
        else:
            found.append((value.casefold() if isinstance(value, str) else value, room.room_id, room))
    found.sort(key=lambda entry: entry[:2], reverse=descending)
    return [*(room for _, _, room in found), *others]


def without_local_members(synapse: "Synapse", rooms: Iterable[Room], *, at_once: int) -> Iterator[Room]:
    """Yield the rooms that no local user is joined to.

    The member list is read for each room without a local member in the server's statistics.
    """

    def has_none(room: Room) -> bool:
        try:
            return not local_members(synapse, room.room_id)
        except NotFoundError:  # deleted since
            return False

    uncounted = (room for room in rooms if not room.joined_local_members)
    looked = side_by_side(lambda room: (room, has_none(room)), uncounted, at_once=at_once)
    return (room for room, is_without in looked if is_without)


def invited_to(synapse: "Synapse", room_id: RoomId) -> list[UserId] | None:
    """Return the local users who are invited to a room that no local user is joined to.

    The server has no current state of such a room: the invitations are those at its last event. A later
    invitation from another server is missing.

    Returns:
        The users; None where the server has no event of the room.
    """
    home = server_name_of(synapse.owner)
    with suppress(MatrixError):
        for last in synapse.events.messages(room_id, backwards=True, page_size=1).first(1):
            only = {"types": [MEMBER]}
            state = synapse.events.context(room_id, last.event_id or "", limit=1, filter=only).state
            users = (
                UserId(event.state_key or "")
                for event in state
                if event.content.get("membership") == "invite"
            )
            return sorted(user for user in users if server_name_of(user) == home)
    return None


def controllers_of(synapse: "Synapse", room_id: RoomId) -> list[UserId] | None:
    """Return the joined local users with control; None where the server no longer has the room's state."""
    with suppress(MatrixError):
        return list(control_of(Observer(synapse), room_id).controllers)
    return None


def with_control(synapse: "Synapse", rooms: Iterable[Room], *, at_once: int) -> Iterator[dict[str, Any]]:
    """Yield the records of rooms with their local users with control; this takes three requests a room."""
    return side_by_side(
        lambda room: {**room.as_sent(), "controllers": controllers_of(synapse, room.room_id)},
        rooms,
        at_once=at_once,
    )
