"""A space and all rooms below it, children first."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from synadmin.api.rooms import RoomInSpace, SpaceChild, StateEvent
from synadmin.client import Synapse
from synadmin.errors import NotFoundError, NotSupportedError
from synadmin.ids import RoomId
from synadmin.power.events import CREATE, SPACE, SPACE_CHILD


@dataclass(frozen=True, slots=True)
class Space:
    """The rooms of a space.

    Attributes:
        rooms: the rooms and spaces that this server is in, children before their space.
        elsewhere: the rooms named as children that this server is not in.
    """

    rooms: tuple[RoomId, ...]
    elsewhere: tuple[RoomId, ...]


def rooms_in_space(synapse: Synapse, space: RoomId, *, as_member: bool = False) -> Space:
    """Return a space and all rooms below it.

    Args:
        synapse: the server.
        space: the space.
        as_member: ask as an ordinary user, not as a server admin.

    Raises:
        NotFoundError: there is no such space.
    """
    rooms = synapse.client_server.hierarchy(space) if as_member else hierarchy(synapse, space)
    records = {room.room_id: room.as_sent() for room in rooms}
    order: list[RoomId] = []
    missing: dict[RoomId, None] = {}

    visited = {space}
    # No recursion: a space may be of any depth.
    path = [(space, _children(records, space))] if space in records else []
    while path:
        room_id, children = path[-1]
        child = next(children, None)
        if child is None:
            order.append(room_id)
            path.pop()
        elif child not in records:
            missing[child] = None
        elif child not in visited:
            visited.add(child)
            path.append((child, _children(records, child)))
    return Space(tuple(order), tuple(missing))


def hierarchy(synapse: Synapse, space: RoomId) -> Iterator[RoomInSpace]:
    """Yield a space and its rooms, each once, depth first; also where Synapse is older than 1.142.

    Raises:
        NotFoundError: there is no such space.
    """
    synapse.rooms.get(space)  # Synapse answers 500 to the hierarchy of a room that it does not know
    try:
        yield from synapse.rooms.hierarchy(space)
    except NotSupportedError:
        yield from hierarchy_from_state(synapse, space)


def hierarchy_from_state(
    synapse: Synapse, space: RoomId, *, max_depth: int | None = None
) -> Iterator[RoomInSpace]:
    """Yield a space and its rooms, read from the ``m.space.child`` events of each space."""
    seen: set[RoomId] = set()
    waiting = [(space, 0)]
    while waiting:
        room_id, depth = waiting.pop()
        if room_id in seen:
            continue
        seen.add(room_id)
        try:
            details = synapse.rooms.get(room_id)
        except NotFoundError:
            continue
        events = synapse.rooms.state(room_id, type=CREATE).state
        create = next((event for event in events if event.type == CREATE), None)
        if create is None:
            continue  # this server is no longer in it
        room_type = create.content.get("type")
        children: list[SpaceChild] = []
        if room_type == SPACE:
            if all(event.type == CREATE for event in events):
                events = synapse.rooms.state(room_id, type=SPACE_CHILD).state
            children = sorted(_children_with_servers(events), key=_sort_key)
        yield RoomInSpace(
            room_id=room_id,
            room_version=details.version,
            name=details.name,
            topic=details.topic,
            canonical_alias=details.canonical_alias,
            num_joined_members=details.joined_members or 0,
            room_type=room_type if isinstance(room_type, str) else None,
            join_rule=details.join_rules,
            encryption=details.encryption,
            children_state=tuple(children),
        )
        if max_depth is None or depth < max_depth:
            waiting += [(child.state_key, depth + 1) for child in reversed(children)]


def _children_with_servers(events: Iterable[StateEvent]) -> Iterator[SpaceChild]:
    for event in events:
        # A child without servers to find it through has been taken out of the space.
        if event.type == SPACE_CHILD and isinstance(event.content.get("via"), list):
            yield SpaceChild(
                type=event.type,
                state_key=RoomId(event.state_key),
                sender=event.sender,
                content=event.content,
                origin_server_ts=event.origin_server_ts or 0,
            )


def _sort_key(child: SpaceChild) -> tuple[bool, str, int, str]:
    order = child.content.get("order")
    named = isinstance(order, str)
    return not named, order if isinstance(order, str) else "", child.origin_server_ts, child.state_key


def _children(records: Mapping[RoomId, Mapping[str, Any]], space: RoomId) -> Iterator[RoomId]:
    for event in records[space].get("children_state") or ():
        content = event.get("content")
        # A child without servers to find it through has been taken out of the space.
        if isinstance(content, dict) and content.get("via") and isinstance(event.get("state_key"), str):
            yield RoomId(event["state_key"])
