"""What a power-levels event means in a room of this version.

A level is a whole number. From room version 12 on a creator stands above every number: here that is
:data:`CREATOR_LEVEL`, one more than the highest number a room can hold, so levels compare as numbers
everywhere; :func:`format_level` turns it into the word that people and scripts see.

Source: Matrix specification, "Rooms", the room versions, "Authorization rules"; Client-Server API,
``m.room.power_levels``. Where homeservers are more lenient than the text, Synapse decides.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final, Literal

from synadmin.ids import UserId
from synadmin.power.events import POWER_LEVELS

HIGHEST_NUMBER: Final = 2**53 - 1
"""The highest integer of canonical JSON, and so the highest level that can be written down."""

CREATOR_LEVEL: Final = HIGHEST_NUMBER + 1
"""A creator's level from room version 12 on: above every number."""

LEVEL_WITHOUT_EVENT: Final = 100
"""The creator's level before version 12 where no power-levels event was ever sent."""

_NEWEST: Final = 12
# Unstable versions that do not end in the number of the version that they behave like.
_UNSTABLE: Final = {"org.matrix.hydra.11": 12}

_DEFAULTS: Final = {
    "invite": 0,
    "kick": 50,
    "ban": 50,
    "redact": 50,
    "events_default": 0,
    "state_default": 50,
    "users_default": 0,
}


@dataclass(frozen=True, slots=True)
class RoomVersion:
    """The rules of a room version about power."""

    identifier: str
    creator_power: bool
    """From version 12 on: creators stand above every number and may not be listed among the users."""
    integer_levels: bool
    """From version 10 on: levels must be integers. Before, strings like ``"100"`` were accepted."""
    notifications_checked: bool
    """From version 6 on: the levels under ``notifications`` are protected like the others."""
    strict_json: bool
    """From version 6 on: no fractions and no numbers beyond 2**53 in events."""
    knock: bool
    restricted: bool
    knock_restricted: bool

    @staticmethod
    @cache
    def of(identifier: str) -> "RoomVersion":
        """Return the rules of a version; for an unknown version, those of the newest known."""
        number = _UNSTABLE.get(identifier)
        if number is None:
            last = identifier.rpartition(".")[2]
            number = int(last) if last.isascii() and last.isdigit() and len(last) < len("1000") else _NEWEST
        return RoomVersion(
            identifier=identifier,
            creator_power=number >= 12,  # noqa: PLR2004 - the numbers are the names of the versions
            integer_levels=number >= 10,  # noqa: PLR2004
            notifications_checked=number >= 6,  # noqa: PLR2004
            strict_json=number >= 6,  # noqa: PLR2004
            knock=number >= 7,  # noqa: PLR2004
            restricted=number >= 8,  # noqa: PLR2004
            knock_restricted=number >= 10,  # noqa: PLR2004
        )


def as_level(value: object) -> int | None:
    """Read a level as Synapse does, a string or a fraction included; None where it is no number."""
    if value is None or not isinstance(value, int | float | str):
        return None
    try:
        return int(value)
    except (ValueError, OverflowError):
        return None


def format_level(level: int) -> int | Literal["creator"]:
    """Return the level as people and scripts see it: a number, or ``"creator"``."""
    return "creator" if level >= CREATOR_LEVEL else level


@dataclass(frozen=True, slots=True)
class Ability:
    """An action, and whether a level is enough for it."""

    text: str
    needed: int
    allowed: bool


@dataclass(frozen=True)
class PowerLevels:
    """The levels in force in a room.

    Attributes:
        content: the content of ``m.room.power_levels``; None where the room has no such event.
        version: the room's version.
        creators: the sender of ``m.room.create`` first, then the additional creators.
    """

    content: Mapping[str, Any] | None
    version: RoomVersion
    creators: tuple[UserId, ...]

    def is_creator(self, user: UserId) -> bool:
        """Whether the user stands above every number in this room (version 12 and later)."""
        return self.version.creator_power and user in self.creators

    def level_of(self, user: UserId) -> int:
        """Return a user's level, joined or not."""
        if self.is_creator(user):
            return CREATOR_LEVEL
        if self.content is None:
            return LEVEL_WITHOUT_EVENT if user in self.creators[:1] else 0
        level = as_level(self._part("users").get(user))
        return self.users_default if level is None else level

    def needed(self, event_type: str, *, state: bool = True) -> int:
        """Return the level needed to send an event of this type."""
        level = as_level(self._part("events").get(event_type))
        if level is not None:
            return level
        return self.state_default if state else self.events_default

    @cached_property
    def control(self) -> int:
        """The level for control: a user with it can change the power levels."""
        return self.needed(POWER_LEVELS)

    @property
    def invite(self) -> int:
        """The level needed to invite."""
        return self._named("invite")

    @property
    def kick(self) -> int:
        """The level needed to kick."""
        return self._named("kick")

    @property
    def ban(self) -> int:
        """The level needed to ban. To lift a ban, a user needs this level and the level to kick."""
        return self._named("ban")

    @property
    def redact(self) -> int:
        """The level needed to redact messages of other users."""
        return self._named("redact")

    @cached_property
    def users_default(self) -> int:
        """The level of users who are not listed."""
        return self._named("users_default")

    @property
    def state_default(self) -> int:
        """The level for state events that are not listed.

        The specification says 0 for a room without a power-levels event; Synapse requires 50.
        """
        return self._named("state_default")

    @property
    def events_default(self) -> int:
        """The level for messages that are not listed."""
        return self._named("events_default")

    def listed(self) -> dict[UserId, int]:
        """Return the levels of the listed users; creators of a room of version 12 are not listed."""
        levels = ((user, as_level(level)) for user, level in self._part("users").items())
        return {UserId(user): level for user, level in levels if level is not None}

    def highest(self) -> tuple[int, tuple[UserId, ...]]:
        """Return the highest level that a listed user or a creator holds, and who holds it."""
        if self.version.creator_power and self.creators:
            return CREATOR_LEVEL, self.creators
        if self.content is None:
            return LEVEL_WITHOUT_EVENT, self.creators[:1]
        levels = self.listed()
        top = max([self.users_default, *levels.values()])
        return top, tuple(user for user, level in levels.items() if level == top)

    def written(self) -> dict[str, Any]:
        """Return the content in a form that Synapse accepts, with the same meaning.

        Levels that are strings become integers. Synapse accepts only integers in a new event, in every room
        version, and reads ``"100"`` as ``100``. Where there was no event, the creator is listed with its
        present level: without this entry, the new event would take the level away.
        """
        if self.content is not None:
            return _with_integers(self.content)
        if self.version.creator_power:
            return {"users": {}}
        return {"users": dict.fromkeys(self.creators[:1], LEVEL_WITHOUT_EVENT)}

    def granting(self, user: UserId, level: int) -> dict[str, Any]:
        """Return the content to send so that a user gets a level and no other level changes."""
        content = self.written()
        return {**content, "users": {**content.get("users", {}), user: level}}

    def abilities(self, level: int) -> tuple[Ability, ...]:
        """Return the actions in this room, the most important first, and whether the level is enough."""
        return tuple(Ability(text, needed, level >= needed) for text, needed in self._powers())

    def _powers(self) -> Iterator[tuple[str, int]]:
        yield "change power levels", self.control
        yield "upgrade or close the room", self.needed("m.room.tombstone")
        yield "invite", self.invite
        yield "kick", self.kick
        yield "ban", self.ban
        yield "remove other people's messages", self.redact
        yield "change who may join", self.needed("m.room.join_rules")
        yield "change who may read the history", self.needed("m.room.history_visibility")
        yield "turn on encryption", self.needed("m.room.encryption")
        yield "shut out servers", self.needed("m.room.server_acl")
        yield "change the name", self.needed("m.room.name")
        yield "change the topic", self.needed("m.room.topic")
        yield "change the picture", self.needed("m.room.avatar")
        yield "change the address", self.needed("m.room.canonical_alias")
        yield "send messages", self.needed("m.room.message", state=False)

    def _named(self, name: str) -> int:
        level = as_level(self.content.get(name)) if self.content is not None else None
        return _DEFAULTS[name] if level is None else level

    def _part(self, name: str) -> Mapping[str, Any]:
        part = self.content.get(name) if self.content is not None else None
        return part if isinstance(part, dict) else {}


def _with_integers(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content with every level as an integer; values that are no levels are left out."""
    written: dict[str, Any] = {}
    for key, value in content.items():
        if key in _DEFAULTS:
            level = as_level(value)
            if level is not None:
                written[key] = level
        elif key in {"users", "events", "notifications"}:
            part = value.items() if isinstance(value, Mapping) else ()
            levels = ((name, as_level(level)) for name, level in part)
            written[key] = {name: level for name, level in levels if level is not None}
        else:
            written[key] = value
    return written
