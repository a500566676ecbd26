"""Who can do what in a room: the record behind ``room power``."""

import contextlib
from typing import Any

from synadmin.client import Synapse
from synadmin.errors import NotFoundError, ReplyError
from synadmin.ids import RoomId, UserId, server_name_of
from synadmin.power import events
from synadmin.power.events import CREATE, POWER_LEVELS
from synadmin.power.levels import PowerLevels, RoomVersion, format_level
from synadmin.recovery.observer import Observer

NOT_ASKED = "not asked"
_MANY = 100  # local users with power
_FIRST = 7  # of many, whose accounts an overview reads: this takes about 12 requests


def power_of(synapse: Synapse, room_id: RoomId, *, overview: bool = False) -> dict[str, Any]:
    """Return the levels of the users in a room, and the level that each action needs.

    Whether an account is suspended takes a separate request for the account.

    Args:
        synapse: the server; several accounts are read at the same time.
        room_id: the room.
        overview: with more than 100 local users, read only the accounts of the seven joined users with the
            highest levels; ``account`` of the others is ``NOT_ASKED``.

    Returns:
        The contract of ``room power -o json``, with ``creators_stand_above``, true from version 12 on,
        and ``abilities``: the level that each action needs, in words.

    Raises:
        NotFoundError: the server knows no such room, or is no longer in it.
    """
    details = synapse.rooms.get(room_id)
    observer = Observer(synapse, at_once=synapse.transport.connection.pool_size)
    create = observer.state_event(room_id, CREATE)
    if create is None:
        raise NotFoundError(
            status=404,
            errcode="M_NOT_FOUND",
            reason=f"this server is no longer in {room_id}: it does not have the room's state",
        )
    event = observer.event_seen(room_id, POWER_LEVELS)
    room_version = details.version or str(create.content.get("room_version", "1"))
    version = RoomVersion.of(room_version)
    creators = events.creators(create.sender, create.content)
    levels = PowerLevels(None if event is None else event.content, version, creators)
    listed = dict.fromkeys((*(creators if version.creator_power or event is None else ()), *levels.listed()))
    holders = sorted(listed, key=lambda user: (-levels.level_of(user), user))
    home = observer.server_name
    local_users = [user for user in holders if server_name_of(user) == home]
    memberships = observer.memberships(local_users, room_id)
    memberships |= _memberships(observer, room_id, [user for user in holders if user not in memberships])
    states = _account_states(observer, local_users, memberships, few=overview and len(local_users) > _MANY)
    users = [
        {
            "user_id": user,
            "level": format_level(levels.level_of(user)),
            "membership": memberships.get(user),
            "local": user in states,
            "account": states.get(user),
        }
        for user in holders
    ]
    return {
        "room_id": room_id,
        "version": room_version,
        "creators": list(creators),
        "creators_stand_above": version.creator_power,
        "users": users,
        "users_default": levels.users_default,
        "needed": _needed(levels),
        "abilities": {ability.text: ability.needed for ability in levels.abilities(0)},
    }


def _account_states(
    observer: Observer, users: list[UserId], memberships: dict[UserId, str], *, few: bool
) -> dict[UserId, str]:
    asked = [user for user in users if memberships[user] == "join"][:_FIRST] if few else users
    accounts = observer.accounts(asked)
    return {user: str(accounts[user].state) if user in accounts else NOT_ASKED for user in users}


def _memberships(observer: Observer, room_id: RoomId, foreign: list[UserId]) -> dict[UserId, str]:
    """Return the memberships of users of other servers that this server knows.

    The joined members are known at once. For the others the server lists all members, once it has the
    complete state of the room.
    """
    if not foreign:
        return {}
    joined = set(observer.synapse.rooms.members(room_id).members)
    memberships = {user: "join" for user in foreign if user in joined}
    if len(memberships) < len(foreign):
        with contextlib.suppress(ReplyError):
            events = observer.member_events(room_id)
            memberships |= {user: events[user] for user in foreign if user in events}
    return memberships


def _needed(levels: PowerLevels) -> dict[str, int]:
    """Return the level that each action needs, under the names that the event uses."""
    listed = levels.content.get("events") if levels.content is not None else None
    types = dict.fromkeys((POWER_LEVELS, *(listed if isinstance(listed, dict) else ())))
    return {
        **{str(type_): levels.needed(str(type_)) for type_ in types},
        "state_default": levels.state_default,
        "events_default": levels.events_default,
        "invite": levels.invite,
        "kick": levels.kick,
        "ban": levels.ban,
        "redact": levels.redact,
    }
