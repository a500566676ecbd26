"""Which local users have control of a room, and which rooms would lose it without some of them.

A user has control of a room if they are joined and their level is enough to change the power levels.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from synadmin.api.rooms import RoomDetails
from synadmin.errors import NotFoundError, NotSupportedError, ReplyError, ServerError, SynadminError
from synadmin.ids import RoomId, UserId
from synadmin.parallel import side_by_side
from synadmin.power.events import POWER_LEVELS
from synadmin.power.levels import format_level
from synadmin.power.room import AccountState, RoomView
from synadmin.recovery.observer import Observer, local_members
from synadmin.recovery.outcome import room_record
from synadmin.text import safe_text

_ABLE = frozenset({AccountState.ACTIVE, AccountState.LOCKED})
"""Make Room Admin gives power through a locked account, not through a suspended one."""
_PRESENT = ("join", "invite", "knock")


@dataclass(frozen=True, slots=True)
class RoomControl:
    """A room, and its controllers on this server.

    Attributes:
        details: the server's details of the room.
        view: the room with all its joined local members.
        controllers: the joined local users with control.
    """

    details: RoomDetails
    view: RoomView
    controllers: tuple[UserId, ...]

    @property
    def room(self) -> dict[str, Any]:
        """The room as records name it."""
        return room_record(self.details)

    @property
    def label(self) -> str:
        """The room in a sentence: its name, where it has one, and its id."""
        name = self.details.name or self.details.canonical_alias
        return f"{self.view.room_id} ({safe_text(name)})" if name else self.view.room_id

    def others(self, leaving: Collection[UserId]) -> list[UserId]:
        """Return the joined local members who stay."""
        return [user for user in self.view.known_local_members if user not in leaving]


def rooms_of(observer: Observer, user: UserId) -> dict[RoomId, str]:
    """Return the rooms that a local user has joined, is invited to or has asked to join, with the membership.

    A Synapse older than 1.145 lists the joined ones alone.
    """
    synapse = observer.synapse
    try:
        memberships = synapse.users.memberships(user).memberships
    except NotSupportedError:
        return dict.fromkeys(synapse.activity.joined_rooms(user).joined_rooms, "join")
    return {room: membership for room, membership in memberships.items() if membership in _PRESENT}


def bare_view_of(observer: Observer, room_id: RoomId) -> tuple[RoomDetails, RoomView]:
    """Return a room and its levels, without its members.

    Raises:
        NotFoundError: the server does not know the room.
    """
    details = observer.synapse.rooms.get(room_id)
    levels = observer.state_event(room_id, POWER_LEVELS)
    return details, observer.bare_view(details, levels, other_servers=False)


def control_of(observer: Observer, room_id: RoomId) -> RoomControl:
    """Return a room with the users of this server who have control of it.

    Raises:
        NotFoundError: the server does not know the room.
    """
    return _with_members(observer, *bare_view_of(observer, room_id))


def _with_members(
    observer: Observer, details: RoomDetails, view: RoomView, members: Sequence[UserId] | None = None
) -> RoomControl:
    if members is None:
        members = local_members(observer.synapse, view.room_id)
    view = replace(
        view,
        memberships=dict.fromkeys(members, "join"),
        joined_local_members=len(members),
        uncounted=False,
    )
    return RoomControl(details, view, view.local_controllers)


def rooms_without(
    observer: Observer,
    leaving: Collection[UserId],
    successors: Collection[UserId] = (),
    unread: dict[RoomId, SynadminError] | None = None,
) -> Iterator[RoomControl]:
    """Yield the rooms of which no local user would have control once these users have left.

    Rooms without other local members are left out: no local user would miss the control. Members are read
    only for rooms that one of the users has control of. The observer reads several rooms at the same time
    (``at_once``).

    Args:
        observer: looks at the server.
        leaving: local users.
        successors: the users who are to get control; rooms where only some of them have it are included.
        unread: collects the errors of rooms that cannot be read. If it is None, the error is raised.

    Raises:
        SynadminError: the server did not answer a request, or answered with an error.
    """
    users = sorted(leaving)
    rooms: dict[RoomId, set[UserId]] = {}
    of_users = side_by_side(
        lambda user: _joined_rooms(observer, user), users, at_once=min(observer.at_once, max(len(users), 1))
    )
    for user, joined in zip(users, of_users, strict=True):
        for room_id in joined:
            rooms.setdefault(room_id, set()).add(user)

    def read(room_id: RoomId) -> RoomControl | None:
        try:
            return _read_losing_control(observer.beside(), room_id, rooms[room_id], leaving, successors)
        except NotFoundError:  # deleted since
            return None
        except (ServerError, ReplyError) as error:
            if unread is None:
                raise
            unread[room_id] = error
            return None

    at_once = min(observer.at_once, max(len(rooms), 1))
    return (control for control in side_by_side(read, rooms, at_once=at_once) if control is not None)


def _joined_rooms(observer: Observer, user: UserId) -> list[RoomId]:
    """Return the rooms that a local user is joined to; none where there is no such account."""
    with suppress(NotFoundError):
        return [room_id for room_id, membership in rooms_of(observer, user).items() if membership == "join"]
    return []


def _read_losing_control(
    observer: Observer,
    room_id: RoomId,
    members: Collection[UserId],
    leaving: Collection[UserId],
    successors: Collection[UserId],
) -> RoomControl | None:
    """Return a room of these members if it loses control, with as few requests as possible.

    Raises:
        NotFoundError: the server does not know the room.
    """
    details = None
    event = observer.event_seen(room_id, POWER_LEVELS)
    if event is not None and ":" in room_id:
        # Its version is older than 12: the levels alone give control.
        view = RoomView(
            room_id=room_id,
            version="1",
            creators=(),
            power_levels=event.content,
            server_name=observer.server_name,
        )
    else:
        details, view = bare_view_of(observer, room_id)
    if all(view.levels.level_of(user) < view.levels.control for user in members):
        return None
    control = _with_members(observer, details or RoomDetails(room_id=room_id), view)
    if not loses_control(observer, control, leaving, successors):
        return None
    if details is None:
        details = observer.synapse.rooms.get(room_id)
        view = observer.bare_view(details, event, other_servers=False)
        control = _with_members(observer, details, view, control.view.known_local_members)
    return control


def loses_control(
    observer: Observer,
    control: RoomControl,
    leaving: Collection[UserId],
    successors: Collection[UserId] = (),
) -> bool:
    """Whether other local users are in a room, and none of them would have control without these.

    With successors: true also if only some of the successors would have control.
    """
    stay = [user for user in control.controllers if user not in leaving]
    if successors and set(successors) <= set(stay):
        return False
    others = (user for user in stay if user not in successors)
    return bool(control.others(leaving)) and not any(observer.account(user).state in _ABLE for user in others)


def record_of_user(
    observer: Observer, user: UserId, room_id: RoomId, membership: str, *, with_power: bool
) -> dict[str, Any] | None:
    """Return a room of a user as ``user rooms`` shows it; None if it is left out.

    Returns:
        ``{room_id, room, membership, level, control, controllers}``; ``level`` is ``"creator"`` for a creator
        of a room of version 12, ``controllers`` are the joined local users with control. With
        ``with_power``, rooms in which the user has no power are left out.

    Raises:
        NotFoundError: the server does not know the room.
    """
    details, view = bare_view_of(observer, room_id)
    level = view.levels.level_of(user)
    if with_power and level <= view.levels.users_default:
        return None
    control = _with_members(observer, details, view)
    return {
        "room_id": room_id,
        "room": control.room,
        "membership": membership,
        "level": format_level(level),
        "control": user in control.controllers,
        "controllers": list(control.controllers),
    }
