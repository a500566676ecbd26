"""Types of state events, and functions that read their raw content. Invalid content raises no error."""

from collections.abc import Mapping
from typing import Any, Final

from synadmin.ids import RoomId, UserId

CANONICAL_ALIAS: Final = "m.room.canonical_alias"
CREATE: Final = "m.room.create"
JOIN_RULES: Final = "m.room.join_rules"
MEMBER: Final = "m.room.member"
NAME: Final = "m.room.name"
POWER_LEVELS: Final = "m.room.power_levels"
TOMBSTONE: Final = "m.room.tombstone"
SPACE_CHILD: Final = "m.space.child"
SPACE_PARENT: Final = "m.space.parent"

SPACE: Final = "m.space"
"""The type of a room that is a space."""

RESTRICTED: Final = ("restricted", "knock_restricted")
"""The join rules that let in the members of other rooms."""


def creators(sender: str, create: Mapping[str, Any]) -> tuple[UserId, ...]:
    """Return the creators of a room: the sender of ``m.room.create``, then its ``additional_creators``."""
    additional = create.get("additional_creators")
    others = additional if isinstance(additional, list) else []
    return (UserId(sender), *(UserId(user) for user in others if isinstance(user, str)))


def allowed_rooms(join_rules: Mapping[str, Any]) -> tuple[RoomId, ...]:
    """Return the rooms whose members may join by ``m.room.join_rules``."""
    allow = join_rules.get("allow")
    return tuple(
        RoomId(entry["room_id"])
        for entry in (allow if isinstance(allow, list) else [])
        if isinstance(entry, dict)
        and entry.get("type") == "m.room_membership"
        and isinstance(entry.get("room_id"), str)
    )
