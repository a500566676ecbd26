"""A space and all below it, children first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from synadmin.client import Synapse
from synadmin.ids import RoomId


@dataclass(frozen=True, slots=True)
class Space:
    """What a space holds.

    Attributes:
        rooms: the rooms and spaces that can be seen from here, children before their space.
        elsewhere: the rooms named as children that cannot: this server is not in them.
    """

    rooms: tuple[RoomId, ...]
    elsewhere: tuple[RoomId, ...]


def below(synapse: Synapse, space: RoomId, *, as_member: bool = False) -> Space:
    """Return a space and all below it.

    Args:
        synapse: the server.
        space: the space.
        as_member: ask as an ordinary user, not as a server admin.

    Raises:
        NotFoundError: there is no such space.
    """
    if not as_member:
        synapse.rooms.get(space)  # Synapse answers 500 to the hierarchy of a room that it does not know
    pager = synapse.client_server.hierarchy(space) if as_member else synapse.rooms.hierarchy(space)
    found = {room.room_id: room.as_sent() for room in pager}
    order: list[RoomId] = []
    missing: dict[RoomId, None] = {}

    visited = {space}
    # No recursion: whoever owns a space decides how deep it is.
    path = [(space, _children(found, space))] if space in found else []
    while path:
        room_id, children = path[-1]
        child = next(children, None)
        if child is None:
            order.append(room_id)
            path.pop()
        elif child not in found:
            missing[child] = None
        elif child not in visited:
            visited.add(child)
            path.append((child, _children(found, child)))
    return Space(tuple(order), tuple(missing))


def _children(found: Mapping[RoomId, Mapping[str, Any]], space: RoomId) -> Iterator[RoomId]:
    for event in found[space].get("children_state") or ():
        content = event.get("content")
        # A child without servers to find it through has been taken out of the space.
        if isinstance(content, dict) and content.get("via") and isinstance(event.get("state_key"), str):
            yield RoomId(event["state_key"])
