"""Spaces and the rooms in them, when a room is replaced: the new room takes the old one's place.

A space names its rooms in ``m.space.child`` events, a room its spaces in ``m.space.parent`` events, and a
restricted room the spaces whose members may join it in ``m.room.join_rules``.

Source: Matrix specification, "Spaces"; "Restricted rooms".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from synadmin.api.rooms import StateEvent
from synadmin.client import Synapse
from synadmin.errors import NotFoundError
from synadmin.ids import RoomId, UserId
from synadmin.power import rules
from synadmin.power.events import JOIN_RULES, SPACE, SPACE_CHILD, SPACE_PARENT
from synadmin.power.room import Reach
from synadmin.recovery.observer import Observer
from synadmin.recovery.reader import state_of
from synadmin.recovery.room_control import control_of


@dataclass(frozen=True, slots=True)
class ParentSpace:
    """A space that a room is in.

    Attributes:
        room_id: the space.
        content: the content of the ``m.space.child`` event for the room.
    """

    room_id: RoomId
    content: Mapping[str, Any]


@dataclass(frozen=True)
class SpaceIndex:
    """The spaces that this server is in, read once: a request for each, and the room list."""

    synapse: Synapse

    @cached_property
    def _parents(self) -> dict[str, list[ParentSpace]]:
        parents: dict[str, list[ParentSpace]] = {}
        for room in self.synapse.rooms.list():
            if room.room_type == SPACE:
                for child in children_of(self.synapse, room.room_id):
                    parents.setdefault(child.state_key, []).append(ParentSpace(room.room_id, child.content))
        return parents

    def parents_of(self, room_id: RoomId) -> tuple[ParentSpace, ...]:
        """Return the spaces that a room is in.

        Raises:
            SynadminError: the server did not answer a request, or answered with an error.
        """
        return tuple(self._parents.get(room_id, ()))


def children_of(synapse: Synapse, space: RoomId) -> list[StateEvent]:
    """Return the events with which a space names its rooms; an event without servers (``via``) names none."""
    try:
        return [event for event in state_of(synapse, space, SPACE_CHILD) if event.content.get("via")]
    except NotFoundError:
        return []


def editor_of(
    observer: Observer,
    room_id: RoomId,
    event_types: tuple[str, ...],
    *,
    allow: Reach,
    first: tuple[UserId, ...],
) -> UserId | None:
    """Return a joined local user with an active account who may send these state events; None without one.

    Args:
        observer: looks at the server.
        room_id: the room.
        event_types: the types of the events.
        allow: how far it may go; with ``Reach.API`` only the token's owner is possible.
        first: preferred users, the most preferred first.

    Raises:
        SynadminError: the server did not answer a request, or answered with an error.
    """
    view = control_of(observer, room_id).view
    caller = observer.synapse.owner
    users = view.known_local_members if allow >= Reach.IMPERSONATE else (caller,)
    for user in sorted(
        users, key=lambda user: (user not in first, user != caller, -view.levels.level_of(user))
    ):
        if any(rules.sending_state(view, user, event_type) for event_type in event_types):
            continue
        if observer.reach_as(user) in {Reach.API, Reach.IMPERSONATE}:
            return user
    return None


def replace_child(acting: Synapse, space: ParentSpace, old: RoomId, new: RoomId) -> None:
    """Put the new room into a space, and take the old one out.

    Raises:
        SynadminError: the events could not be read or sent.
    """
    via = {"via": [acting.owner.partition(":")[2]]}  # the servers of the old room do not know the new one
    acting.client_server.send_state(space.room_id, SPACE_CHILD, {**space.content, **via}, new)
    acting.client_server.send_state(space.room_id, SPACE_CHILD, {}, old)


def rooms_tied_to(
    observer: Observer, old: RoomId, new: RoomId | None = None
) -> Iterator[tuple[RoomId, bool, bool]]:
    """Yield the rooms of a space that have to refer to its replacement.

    Args:
        observer: looks at the server.
        old: the space.
        new: its replacement, once that exists.

    Yields:
        A room, whether it names the old space as its parent, whether its join rule lacks the new space.
    """
    synapse = observer.synapse
    for child in children_of(synapse, new or old):
        room_id = RoomId(child.state_key)
        try:
            parents = state_of(synapse, room_id, SPACE_PARENT)
            join_rules = observer.state_event(room_id, JOIN_RULES)
        except NotFoundError:
            continue  # this server is not in it
        names = any(event.state_key == old and event.content.get("via") for event in parents)
        rule = {} if join_rules is None else join_rules.content
        allows = _allows(rule, old) and not (new is not None and _allows(rule, new))
        if names or allows:
            yield room_id, names, allows


def follow_space(observer: Observer, acting: Synapse, room_id: RoomId, *, old: RoomId, new: RoomId) -> None:
    """Change a room's references to the old space into ones to the new space.

    Members of the old space may still join: not all of them are in the new one yet.

    Raises:
        SynadminError: the events could not be read or sent.
    """
    for event in state_of(observer.synapse, room_id, SPACE_PARENT):
        if event.state_key == old and event.content.get("via"):
            acting.client_server.send_state(room_id, SPACE_PARENT, event.content, new)
            acting.client_server.send_state(room_id, SPACE_PARENT, {}, old)
    join_rules = observer.state_event(room_id, JOIN_RULES)
    if join_rules is not None and _allows(join_rules.content, old) and not _allows(join_rules.content, new):
        allow = [*join_rules.content["allow"], {"type": "m.room_membership", "room_id": new}]
        acting.client_server.send_state(room_id, JOIN_RULES, {**join_rules.content, "allow": allow})


def _allows(join_rules: Mapping[str, Any], space: RoomId) -> bool:
    allow = join_rules.get("allow")
    entries = allow if isinstance(allow, list) else []
    return any(isinstance(entry, dict) and entry.get("room_id") == space for entry in entries)
