"""The settings that a room admin can change: their values in the file, and their state events."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

from synadmin.errors import SettingsError
from synadmin.power.events import RESTRICTED
from synadmin.toml_files import boolean, quoted, require_known, strings, table

RoomSettings = Mapping[str, Any]
"""By name: the content of the state event; for ``directory`` whether the room is listed."""

DIRECTORY: Final = "directory"
JOIN_RULE: Final = "join_rule"
RETENTION: Final = "retention"
_DAY: Final = 86_400_000  # milliseconds
_MOST_DAYS: Final = 36_500


@dataclass(frozen=True, slots=True)
class _Choice:
    """A setting that has one of a few values."""

    type: str
    key: str
    values: tuple[str, ...]


_CHOICES: Final = {
    JOIN_RULE: _Choice("m.room.join_rules", "join_rule", ("public", "invite", "knock", *RESTRICTED)),
    "history_visibility": _Choice(
        "m.room.history_visibility",
        "history_visibility",
        ("invited", "joined", "shared", "world_readable"),
    ),
    "guest_access": _Choice("m.room.guest_access", "guest_access", ("can_join", "forbidden")),
}
EVENT_TYPES: Final[Mapping[str, str]] = {
    **{name: choice.type for name, choice in _CHOICES.items()},
    "encryption": "m.room.encryption",
    "server_acl": "m.room.server_acl",
    RETENTION: "m.room.retention",
}
"""The state event of each setting that has one."""


_ABSENT: Final[Mapping[str, Mapping[str, Any]]] = {"server_acl": {"deny": [], "allow_ip_literals": True}}
"""The values in force where an event has none."""


def parse_settings(value: object, where: str) -> RoomSettings:
    """Return the settings of an entry.

    Raises:
        SettingsError: one is unknown or not valid.
    """
    settings = table(value, where)
    require_known(settings, (*EVENT_TYPES, DIRECTORY, "allow_members_of"), where=where)
    checked: dict[str, Any] = {}
    for name, given in settings.items():
        place = f"{where} {name}"
        if name in _CHOICES:
            checked[name] = _choice(_CHOICES[name], given, place)
        elif name == "encryption":
            checked[name] = _encryption(given, place)
        elif name == DIRECTORY:
            checked[name] = boolean(given, place)
        elif name == "server_acl":
            checked[name] = _server_acl(given, place)
        elif name == RETENTION:
            checked[name] = {"max_lifetime": _days(given, place)}
    return _with_allowed_rooms(checked, settings.get("allow_members_of"), where)


def is_as_written(name: str, wanted: Any, content: Any) -> bool:  # noqa: ANN401  the content of an event
    """Whether a room is set as the file says; keys that the file does not have do not count."""
    if name == DIRECTORY or content is None:
        return bool(wanted == content)
    if name == "encryption":
        return bool(content.get("algorithm"))
    absent = _ABSENT.get(name, {})
    return all(content.get(key, absent.get(key)) == value for key, value in wanted.items())


def as_written(name: str, content: Any) -> dict[str, Any]:  # noqa: ANN401  the content of an event
    """Return the keys of the file for the present setting; empty if the file cannot express it."""
    value = shown(name, content)
    keys: dict[str, Any] = {} if value is None or (value is False and name == "encryption") else {name: value}
    if name == "server_acl" and keys:
        known = {"allow": [], **_ABSENT[name], **value}
        keys[name] = {key: known[key] for key in ("allow", "deny", "allow_ip_literals")}
    if name == JOIN_RULE and value in RESTRICTED:
        allow = content.get("allow")
        rooms = (
            [entry.get("room_id") for entry in allow if isinstance(entry, dict)]
            if isinstance(allow, list)
            else []
        )
        keys["allow_members_of"] = rooms
    try:
        settings = parse_settings(keys, name)
    except SettingsError:
        return {}
    return keys if all(is_as_written(key, wanted, content) for key, wanted in settings.items()) else {}


def shown(name: str, content: Any) -> Any:  # noqa: ANN401  the content of an event
    """Return the content of a setting's event as the file writes it; None where there is none."""
    if name == DIRECTORY or not content:
        return content if name == DIRECTORY else None
    if name in _CHOICES:
        return content.get(_CHOICES[name].key)
    if name == "encryption":
        return bool(content.get("algorithm"))
    if name == RETENTION:
        lifetime = content.get("max_lifetime")
        whole = isinstance(lifetime, int) and lifetime % _DAY == 0
        return f"{lifetime // _DAY}d" if whole else lifetime
    return dict(content)


def content_to_send(name: str, wanted: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the content of the event that sets a room as the file says."""
    return {**(before or {}), **wanted} if name == RETENTION else dict(wanted)


def shuts_out(content: Mapping[str, Any], server_name: str) -> bool:
    """Whether a server ACL excludes a server from the room; read as Synapse reads it."""
    host = server_name.rpartition(":")[0] if server_name.rpartition(":")[2].isdigit() else server_name
    if content.get("allow_ip_literals") is False and _is_ip_literal(host):
        return True

    def matches(patterns: object) -> bool:
        return isinstance(patterns, list) and any(_glob(pattern).fullmatch(host) for pattern in patterns)

    return matches(content.get("deny")) or not matches(content.get("allow"))


def _glob(pattern: str) -> re.Pattern[str]:
    """Return a pattern of a server ACL: only ``*`` and ``?`` are special, and case does not count."""
    wild = {"*": ".*", "?": "."}
    return re.compile("".join(wild.get(sign) or re.escape(sign) for sign in pattern), re.IGNORECASE)


def _is_ip_literal(host: str) -> bool:
    try:
        ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _choice(choice: _Choice, given: object, where: str) -> dict[str, Any]:
    if given not in choice.values:
        raise SettingsError(f"{where}: {quoted(given)} is not one of {', '.join(choice.values)}")
    return {choice.key: given}


def _encryption(given: object, where: str) -> dict[str, Any]:
    if given is not True:
        raise SettingsError(f"{where}: write true, or leave it out: encryption cannot be turned off")
    return {"algorithm": "m.megolm.v1.aes-sha2"}


def _server_acl(given: object, where: str) -> dict[str, Any]:
    content = table(given, where)
    require_known(content, ("allow", "deny", "allow_ip_literals"), where=where)
    return {
        "allow": strings(content.get("allow", ["*"]), f"{where} allow"),
        "deny": strings(content.get("deny", []), f"{where} deny"),
        "allow_ip_literals": boolean(content.get("allow_ip_literals", True), f"{where} allow_ip_literals"),
    }


def _days(given: object, where: str) -> int:
    text = given.removesuffix("d") if isinstance(given, str) else ""
    if text == given or not text.isascii() or not text.isdigit() or not 0 < int(text[:9]) <= _MOST_DAYS:
        raise SettingsError(f"{where}: {quoted(given)} is not a number of days: write 90d")
    return int(text) * _DAY


def _with_allowed_rooms(settings: dict[str, Any], allowed: object, where: str) -> RoomSettings:
    """Add the rooms whose members may join to the join rule."""
    restricted = settings.get(JOIN_RULE, {}).get("join_rule") in RESTRICTED
    if restricted != (allowed is not None):
        raise SettingsError(
            f"{where}: join_rule restricted or knock_restricted and allow_members_of go together: "
            "allow_members_of has the ids of the rooms whose members may join"
        )
    if restricted:
        rooms = strings(allowed, f"{where} allow_members_of")
        settings[JOIN_RULE]["allow"] = [{"type": "m.room_membership", "room_id": room} for room in rooms]
    return settings
