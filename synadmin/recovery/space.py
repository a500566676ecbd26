"""A space and all below it, children first."""

from collections.abc import Iterable
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
    pager = synapse.client_server.hierarchy(space) if as_member else synapse.rooms.hierarchy(space)
    found = {room.room_id: room.as_sent() for room in pager}
    order: list[RoomId] = []
    missing: dict[RoomId, None] = {}

    def visit(room_id: RoomId) -> None:
        for child in _children(found[room_id].get("children_state") or ()):
            if child not in found:
                missing[child] = None
            elif child not in visited:
                visited.add(child)
                visit(child)
        order.append(room_id)

    visited = {space}
    if space in found:
        visit(space)
    return Space(tuple(order), tuple(missing))


def _children(events: Iterable[dict[str, Any]]) -> Iterable[RoomId]:
    for event in events:
        content = event.get("content")
        # A child without servers to find it through has been taken out of the space.
        if isinstance(content, dict) and content.get("via") and isinstance(event.get("state_key"), str):
            yield RoomId(event["state_key"])
