"""The authorization rules of a room version that depend on power: who may do what.

A function that judges an action returns None where the rules allow it, else the reason why not. The
restrictions that a homeserver adds for its own users (suspension, blocked rooms, the format of new events)
are not here, except :func:`unacceptable`.

Source: Matrix specification, "Rooms", the room versions, "Authorization rules". Where Synapse
interprets them differently, its interpretation is used.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from synadmin.ids import UserId, server_name_of
from synadmin.power.events import POWER_LEVELS, RESTRICTED
from synadmin.power.levels import HIGHEST_NUMBER, RoomVersion, as_level
from synadmin.power.room import RoomView

_SINGLE = ("users_default", "events_default", "state_default", "ban", "redact", "kick", "invite")
_MAPS = ("events", "notifications", "users")
_FORBIDDEN = 403


@dataclass(frozen=True, slots=True)
class Forbidden:
    """The reason why an event is forbidden.

    Attributes:
        reason: a clause for people; Synapse's message where there is one.
        status: 403 where the power is missing, 400 where the content is not valid.
        errcode: the Matrix error code of Synapse's answer.
    """

    reason: str
    status: int = _FORBIDDEN
    errcode: str = "M_FORBIDDEN"

    def __str__(self) -> str:
        return self.reason


def _not_valid(reason: str, errcode: str = "M_UNKNOWN") -> Forbidden:
    return Forbidden(reason, 400, errcode)


def sending_state(view: RoomView, sender: UserId, event_type: str) -> Forbidden | None:
    """Return why a user may not send a state event whose state key is no user id; None if allowed."""
    if closed_to(view, sender):
        return _CLOSED
    if view.membership_of(sender) != "join":
        return Forbidden(f"{sender} is not in the room")
    level, needed = view.levels.level_of(sender), view.levels.needed(event_type)
    if level < needed:
        return Forbidden(f"{event_type} needs {needed}, and {sender} has {level}")
    return None


def changing_power_levels(view: RoomView, sender: UserId, content: Mapping[str, Any]) -> Forbidden | None:
    """Return why a user may not send these power levels; None if allowed."""
    return NewLevels(view, content).sent_by(view, sender)


class NewLevels:
    """New power levels, compared with those in force; the comparison is used for every possible sender."""

    def __init__(self, view: RoomView, content: Mapping[str, Any]) -> None:
        """Compare the content with the levels of the room."""
        self._invalid = _validation_error(view, content)
        self._changes: list[tuple[str, str, int | None, int | None]] = []
        # The first power-levels event of a room is not compared with anything.
        if self._invalid is None and view.power_levels is not None:
            maps = _MAPS if view.levels.version.notifications_checked else ("events", "users")
            self._changes = [
                (where, name, before, after)
                for where, name, before, after in _changes(view.power_levels, content, maps)
                if before != after
            ]

    def sent_by(self, view: RoomView, sender: UserId) -> Forbidden | None:
        """Return why a user may not send these levels to the room; None if allowed."""
        return sending_state(view, sender, POWER_LEVELS) or self._invalid or self._beyond(view, sender)

    def _beyond(self, view: RoomView, sender: UserId) -> Forbidden | None:
        own = view.levels.level_of(sender)
        for where, name, before, after in self._changes:
            if where == "users" and name != sender and before == own:
                return Forbidden(f"{name} has the same level as {sender}: only a higher one may change it")
            if max(before if before is not None else own, after if after is not None else own) > own:
                return Forbidden(f"{name} is, or would be, above the level of {sender}")
        return None


def _validation_error(view: RoomView, content: Mapping[str, Any]) -> Forbidden | None:
    validation_error = _invalid_users(view, content.get("users", {}))
    if validation_error:
        return validation_error
    if view.levels.version.integer_levels:
        for key, value in content.items():
            if key in _SINGLE and type(value) is not int:
                return _not_valid(f"{value!r} must be an integer.")
            if key in _MAPS and not (
                isinstance(value, Mapping) and all(type(level) is int for level in value.values())
            ):
                return _not_valid(f"{value!r} must be a dict wherein all the values are integers.")
    return None


def _invalid_users(view: RoomView, users: object) -> Forbidden | None:
    if not isinstance(users, Mapping):
        return _not_valid("users is not an object")
    for user, level in users.items():
        if not user.startswith("@") or ":" not in user:
            return _not_valid(f"Not a valid user_id: {user}")
        if as_level(level) is None:
            return _not_valid(f"Not a valid power level: {level}")
    if view.levels.version.creator_power:
        if view.creators and view.creators[0] in users:
            return _not_valid(f"Creator user {view.creators[0]} must not appear in content.users")
        if any(creator in users for creator in view.creators):
            return _not_valid("Additional creators users must not appear in content.users")
    return None


def _changes(
    old: Mapping[str, Any], new: Mapping[str, Any], maps: tuple[str, ...]
) -> Iterator[tuple[str, str, int | None, int | None]]:
    for name in _SINGLE:
        yield "", name, as_level(old.get(name)), as_level(new.get(name))
    for where in maps:
        before, after = (
            part if isinstance(part, Mapping) else {} for part in (old.get(where), new.get(where))
        )
        for name in {**before, **after}:
            yield where, name, as_level(before.get(name)), as_level(after.get(name))


_CLOSED = Forbidden("This room has been marked as unfederatable.")


def closed_to(view: RoomView, user: UserId) -> bool:
    """Whether the room is closed to the user's server (``m.federate: false``)."""
    return (
        not view.federate and bool(view.creators) and server_name_of(user) != server_name_of(view.creators[0])
    )


def inviting(view: RoomView, sender: UserId, target: UserId) -> Forbidden | None:
    """Return why one user may not invite another; None if allowed."""
    if closed_to(view, sender) or closed_to(view, target):
        return _CLOSED
    if view.membership_of(sender) != "join":
        return Forbidden(f"{sender} is not in the room")
    if view.membership_of(target) == "ban":
        return Forbidden(f"{target} is banned from the room")
    if view.membership_of(target) == "join":
        return Forbidden(f"{target} is already in the room")
    if view.levels.level_of(sender) < view.levels.invite:
        return Forbidden("You don't have permission to invite users")
    return None


def joining(view: RoomView, user: UserId) -> Forbidden | None:
    """Return why a user may not join now; None if allowed.

    In a restricted room, a member who may invite has to authorise the join. Synapse uses a local member for
    this. Without one, Synapse asks other servers, and their answer cannot be predicted.
    """
    if closed_to(view, user):
        return _CLOSED
    membership, rule = view.membership_of(user), view.join_rule or "invite"
    if membership == "ban":
        return Forbidden(f"{user} is banned from the room")
    if not lets_users_in(rule, view.levels.version):
        return Forbidden(f"the join rule {rule} lets no user join")
    if rule == "public" or membership in {"join", "invite"}:
        return None
    if rule not in RESTRICTED:
        return Forbidden(f"{user} is not invited")
    if not _has_local_inviter(view):
        return Forbidden("no member on this server may vouch for a join")
    if user not in view.allowed_members:
        return Forbidden(f"{user} is in none of the rooms whose members may join")
    return None


def lets_users_in(join_rule: str, version: RoomVersion) -> bool:
    """Whether users can join by a join rule. By a rule that the version lacks, even invited users cannot."""
    return {
        "public": True,
        "invite": True,
        "knock": version.knock,
        "restricted": version.restricted,
        "knock_restricted": version.knock_restricted,
    }.get(join_rule, False)


def _has_local_inviter(view: RoomView) -> bool:
    if view.unknown_local_members and view.levels.users_default >= view.levels.invite:
        return True
    return any(view.levels.level_of(user) >= view.levels.invite for user in view.known_local_members)


def leaving(view: RoomView, user: UserId) -> Forbidden | None:
    """Return why a user may not leave, or reject an invitation, or withdraw a knock; None if allowed."""
    if closed_to(view, user):
        return _CLOSED
    stays = {"join", "invite", "knock"} if view.levels.version.knock else {"join", "invite"}
    return None if view.membership_of(user) in stays else Forbidden(f"{user} is not in the room")


def kicking(view: RoomView, sender: UserId, target: UserId) -> Forbidden | None:
    """Return why one user may not kick another, or lift the ban of a banned user; None if allowed."""
    if closed_to(view, sender) or closed_to(view, target):
        return _CLOSED
    if view.membership_of(sender) != "join":
        return Forbidden(f"{sender} is not in the room")
    level = view.levels.level_of(sender)
    if view.membership_of(target) == "ban" and level < view.levels.ban:
        return Forbidden(f"lifting a ban needs {view.levels.ban}, and {sender} has {level}")
    if level < view.levels.kick:
        return Forbidden(f"kicking needs {view.levels.kick}, and {sender} has {level}")
    if level <= view.levels.level_of(target):
        return Forbidden(f"{target} has the level of {sender} or a higher one")
    return None


def unbanning(view: RoomView, sender: UserId, target: UserId) -> Forbidden | None:
    """Return why one user may not lift another's ban; None if allowed. It needs ``ban`` and ``kick``."""
    if view.membership_of(target) != "ban":
        return Forbidden(f"{target} is not banned")
    return kicking(view, sender, target)


def unacceptable(content: Mapping[str, Any], version: RoomVersion) -> Forbidden | None:
    """Return why Synapse refuses new power levels from every local user; None where it accepts them.

    Synapse is stricter than the rules of old room versions: levels must be integers in every version.
    """
    if version.strict_json:
        outside = _outside_canonical_json(content)
        if outside:
            return _not_valid(outside, "M_BAD_JSON")
    for key in _SINGLE:
        if key in content and not _is_integer(content[key]):
            return _not_valid(f"\"{key}\": {content[key]!r} is not of type 'integer'", "M_BAD_JSON")
    for key in _MAPS:
        if key not in content:
            continue
        if not isinstance(content[key], Mapping):
            return _not_valid(f"\"{key}\": {content[key]!r} is not of type 'object'", "M_BAD_JSON")
        for name, level in content[key].items():
            if not _is_integer(level):
                return _not_valid(f"\"{name}\": {level!r} is not of type 'integer'", "M_BAD_JSON")
    return None


def _is_integer(value: object) -> bool:
    # By JSON Schema, 100.0 is an integer, and true is not.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return value == value // 1 and abs(value) <= HIGHEST_NUMBER


def _outside_canonical_json(value: object) -> str | None:
    if isinstance(value, float):
        return "Bad JSON value: float"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > HIGHEST_NUMBER:
        return "JSON integer out of range"
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return next((found for part in inner if (found := _outside_canonical_json(part))), None)
