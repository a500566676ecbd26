"""Who can do what in a room: the record behind ``room power``."""

from typing import Any

from synadmin.client import Synapse
from synadmin.errors import NotFoundError
from synadmin.ids import RoomId, UserId, server_name_of
from synadmin.power.levels import POWER_LEVELS, PowerLevels, RoomVersion, shown
from synadmin.recovery.observe import CREATE, MEMBER, Observer, creators_of


def power_of(synapse: Synapse, room_id: RoomId) -> dict[str, Any]:
    """Return who holds which level in a room and what each thing takes.

    Returns:
        The contract of ``room power -o json``, with ``creators_stand_above``: they do from version 12 on,
        and ``abilities``: what each thing takes, in words.

    Raises:
        NotFoundError: the server knows no such room, or is no longer in it.
    """
    details = synapse.rooms.get(room_id)
    observer = Observer(synapse)
    create = observer.state_event(room_id, CREATE)
    if create is None:
        raise NotFoundError(
            status=404,
            errcode="M_NOT_FOUND",
            reason=f"this server is no longer in {room_id}: it has no state of it",
        )
    event = observer.state_event(room_id, POWER_LEVELS)
    version = RoomVersion.of(details.version or "1")
    creators = creators_of(create)
    levels = PowerLevels(None if event is None else event.content, version, creators)
    holders = dict.fromkeys((*(creators if version.creator_power or event is None else ()), *levels.listed()))
    home = observer.server_name
    memberships: dict[UserId, str] = {}
    if any(server_name_of(user) != home for user in holders):
        memberships = {
            UserId(member.state_key): str(member.content.get("membership"))
            for member in synapse.rooms.state(room_id, type=MEMBER).state
        }
    users = []
    for user in sorted(holders, key=lambda user: (-levels.level_of(user), user)):
        local = server_name_of(user) == home
        users.append(
            {
                "user_id": user,
                "level": shown(levels.level_of(user)),
                "membership": observer.membership(user, room_id) if local else memberships.get(user),
                "local": local,
                "account": str(observer.account(user).state) if local else None,
            },
        )
    return {
        "room_id": room_id,
        "version": details.version,
        "creators": list(creators),
        "creators_stand_above": version.creator_power,
        "users": users,
        "users_default": levels.users_default,
        "needed": _needed(levels),
        "abilities": {ability.words: ability.needed for ability in levels.abilities(0)},
    }


def _needed(levels: PowerLevels) -> dict[str, int]:
    """Return what each thing takes, under the names that the event gives them."""
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
