"""The file that says who has control of which rooms, read and checked without a server.

Of several entries that match a room the last one in the file decides about it, alone.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from synadmin import toml_files
from synadmin.control.lines import Lines
from synadmin.control.settings import RoomSettings, parse_settings
from synadmin.errors import SettingsError, UsageError
from synadmin.ids import (
    RoomAlias,
    RoomId,
    UserId,
    parse_alias,
    parse_room,
    parse_room_id,
    parse_user_id,
    server_name_of,
)
from synadmin.power.control_goal import ControlGoal
from synadmin.power.levels import HIGHEST_NUMBER
from synadmin.power.room import Reach
from synadmin.toml_files import boolean, nearest, quoted, require_known, strings, table

VERSION: Final = 1
_SELECTORS: Final = ("ids", "alias", "space", "creator", "ours")
_KEYS: Final = (
    *("name", "match", "admins", "moderators", "at_least", "nobody_else", "allow", "settings", "heirs"),
)
_MOST: Final = 10_000  # controllers that `at_least` may ask for
_LEVELS: Final = range(-HIGHEST_NUMBER, HIGHEST_NUMBER + 1)
_LENGTH_OF_TIME: Final = re.compile(r"([0-9]{1,9})\s*(m|h|d|w|y)")
_UNITS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_557_600_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """The selector of an entry: one of the first five attributes selects rooms, except those in ``excluded``.

    Attributes:
        ids: the rooms with these ids.
        aliases: the rooms with these aliases; ``*`` stands for any characters of a main alias.
        space: a space and all rooms and spaces below it.
        creator: the rooms that this user created.
        ours: the rooms that a user of this server created.
        excluded: ids, and aliases with or without ``*``.
    """

    ids: tuple[RoomId, ...] = ()
    aliases: tuple[str, ...] = ()
    space: RoomId | RoomAlias | None = None
    creator: UserId | None = None
    ours: bool = False
    excluded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Heirs:
    """The heirs of a room: who gets control when all controllers are inactive.

    Attributes:
        users: the heirs.
        after: how long the controllers have to be inactive, in milliseconds.
        notify: how long before that the controllers are notified, in milliseconds.
    """

    users: tuple[UserId, ...]
    after: int
    notify: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomsEntry:
    """A ``[[rooms]]`` entry of the file.

    Attributes:
        name: its name in reports.
        line: the line in the file where it begins; None where that is not known.
        match: the rooms that it matches.
        goal: the admins and moderators.
        allow: how far ``apply`` may go; None where the entry does not say.
        settings: how the rooms are set.
        heirs: the heirs.
    """

    name: str
    line: int | None = field(compare=False)
    match: Selector
    goal: ControlGoal
    allow: Reach | None = None
    settings: RoomSettings = field(default_factory=dict)
    heirs: Heirs | None = None


def read(path: Path) -> tuple[RoomsEntry, ...]:
    """Read and check a file.

    Raises:
        SettingsError: it cannot be read, or something in it is not valid.
    """
    return toml_files.read(path, parse)


def parse(text: str) -> tuple[RoomsEntry, ...]:
    """Read the entries of a file from its text.

    Raises:
        SettingsError: it is not TOML, or something in it is unknown, not valid or contradicts itself.
    """
    content = toml_files.document(text)
    require_known(content, ("version", "teams", "rooms"), where="the file")
    if content.get("version") != VERSION or isinstance(content["version"], bool):
        raise SettingsError(f"the file must say version = {VERSION}")
    teams = {
        name: tuple(_users(members, f"[teams] {name}"))
        for name, members in table(content.get("teams", {}), "[teams]").items()
    }
    rooms = content.get("rooms", [])
    if not isinstance(rooms, list):
        raise SettingsError("[[rooms]] needs two brackets: there can be several")
    lines = Lines(text, len(rooms))
    entries = tuple(_Reader(teams, lines, number).entry(value) for number, value in enumerate(rooms))
    _require_consistent(entries, lines)
    return entries


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one entry."""

    teams: Mapping[str, tuple[UserId, ...]]
    lines: Lines
    number: int

    def entry(self, value: object) -> RoomsEntry:
        where = f"[[rooms]] {self.lines.place(self.number)}"
        content = table(value, where)
        require_known(content, _KEYS, where=where)
        name = content.get("name", self.lines.place(self.number))
        if not isinstance(name, str) or not name.strip():
            raise SettingsError(f"{where}: name is not a text")
        admins = tuple(dict.fromkeys(self._users_and_teams(content.get("admins", []), f"{where} admins")))
        moderators = dict(self._moderators(content.get("moderators", []), f"{where} moderators"))
        nobody_else = boolean(content.get("nobody_else", False), f"{where} nobody_else")
        heirs = self._heirs(content["heirs"], f"{where} heirs") if "heirs" in content else None
        goal = ControlGoal(
            admins=admins,
            moderators=moderators,
            at_least=_whole_number(content.get("at_least", 1), f"{where} at_least"),
            nobody_else=nobody_else,
            spared=heirs.users if heirs is not None else (),
        )
        self._require_possible(goal, where)
        return RoomsEntry(
            name=name,
            line=self.lines.of(self.number),
            match=_selector(content.get("match"), f"{where} match"),
            goal=goal,
            allow=_reach(content["allow"], f"{where} allow") if "allow" in content else None,
            settings=parse_settings(content.get("settings", {}), f"{where} settings"),
            heirs=heirs,
        )

    def _require_possible(self, goal: ControlGoal, where: str) -> None:
        """Refuse an entry that contradicts itself."""
        both = next((user for user in goal.admins if user in goal.moderators), None)
        if both is not None:
            places = self.lines.both((self.number, "admins"), (self.number, "moderators"))
            raise SettingsError(f"{places}: {both} is among the admins and the moderators")
        if not goal.nobody_else:
            return
        if not goal.admins:
            message = f"{where}: nobody_else = true without admins would leave no user with control"
            raise SettingsError(message)
        if len(goal.admins) < goal.at_least:
            places = self.lines.both((self.number, "at_least"), (self.number, "nobody_else"))
            raise SettingsError(
                f"{places}: at_least = {goal.at_least}, but with nobody_else = true only the "
                f"{len(goal.admins)} in admins have control"
            )

    def _users_and_teams(self, value: object, where: str) -> Iterator[UserId]:
        """Yield the users of a list of users and teams."""
        for name in strings(value, where):
            if name.startswith("@"):
                yield _user(name, where)
            elif name in self.teams:
                yield from self.teams[name]
            else:
                message = f"{where}: there is no team {quoted(name)} in [teams]{nearest(name, self.teams)}"
                raise SettingsError(message, hint="a user is written as @alice:example.org")

    def _moderators(self, value: object, where: str) -> Iterator[tuple[UserId, int]]:
        """Yield the moderators with their levels; one table, or a list with one for each level."""
        seen: dict[UserId, int] = {}
        for group in value if isinstance(value, list) else [value]:
            entry = table(group, where)
            require_known(entry, ("level", "users"), where=where)
            level = entry.get("level")
            if not isinstance(level, int) or isinstance(level, bool) or level not in _LEVELS:
                raise SettingsError(f"{where}: level is missing, or not a power level")
            for user in self._users_and_teams(entry.get("users", []), f"{where} users"):
                if seen.setdefault(user, level) != level:
                    place = self.lines.place(self.number, "moderators")
                    raise SettingsError(f"{place}: {user} has level {seen[user]} and level {level}")
                yield user, level

    def _heirs(self, value: object, where: str) -> Heirs:
        content = table(value, where)
        require_known(content, ("users", "after", "notify"), where=where)
        users = tuple(dict.fromkeys(self._users_and_teams(content.get("users", []), f"{where} users")))
        if not users or "after" not in content:
            raise SettingsError(f"{where}: users and after are needed")
        after = length_of_time(content["after"], f"{where} after")
        notify = length_of_time(content.get("notify", "0d"), f"{where} notify")
        if notify > after:
            raise SettingsError(f"{where}: notify is longer than after")
        return Heirs(users=users, after=after, notify=notify)


def require_local_admins(entries: Iterable[RoomsEntry], server_name: str) -> None:
    """Refuse an entry with ``nobody_else`` that names too few admins of this server.

    Raises:
        SettingsError: there is such an entry.
    """
    for entry in entries:
        local = [user for user in entry.goal.admins if server_name_of(user) == server_name]
        if entry.goal.nobody_else and len(local) < max(1, entry.goal.at_least):
            place = "" if entry.line is None else f"line {entry.line}: "
            message = (
                f"{place}{quoted(entry.name)} has nobody_else = true and {len(local)} of its admins are on "
                f"{server_name}: {max(1, entry.goal.at_least)} needed"
            )
            raise SettingsError(message, hint="add local users to admins")


def _require_consistent(entries: tuple[RoomsEntry, ...], lines: Lines) -> None:
    """Refuse entries of the same name, and contradicting entries about the same rooms."""
    names: dict[str, int] = {}
    selectors: dict[Selector, int] = {}
    for number, entry in enumerate(entries):
        if entry.name in names:
            places = lines.both((names[entry.name], "name"), (number, "name"))
            raise SettingsError(f"{places}: two entries have the name {quoted(entry.name)}")
        names[entry.name] = number
        first = selectors.setdefault(entry.match, number)
        if first != number and content_of(entries[first]) != content_of(entry):
            raise contradiction(entries[first], entry, lines.both((first, ""), (number, "")))


def content_of(entry: RoomsEntry) -> tuple[object, ...]:
    """Return what an entry says about its rooms, to compare it with another."""
    return entry.goal, entry.allow, entry.settings, entry.heirs


def contradiction(first: RoomsEntry, second: RoomsEntry, places: str | None = None) -> SettingsError:
    """Return the error for two contradicting entries about the same rooms."""
    places = places or f"lines {first.line} and {second.line}"
    return SettingsError(
        f"{places}: {quoted(first.name)} and {quoted(second.name)} match the same rooms and contradict "
        "each other",
        hint="keep one of the two",
    )


def _selector(value: object, where: str) -> Selector:
    content = table(value, where)
    require_known(content, (*_SELECTORS, "except"), where=where)
    used = [name for name in _SELECTORS if name in content]
    if len(used) != 1:
        raise SettingsError(f"{where}: use exactly one of {', '.join(_SELECTORS)}")
    value, where = content[used[0]], f"{where} {used[0]}"
    excluded = tuple(strings(content.get("except", []), f"{where} except"))
    for room in excluded:
        _check_room(room, where)
    match used[0]:
        case "ids":
            ids = tuple(dict.fromkeys(_parsed(parse_room_id, room, where) for room in strings(value, where)))
            return Selector(ids=ids, excluded=excluded)
        case "alias":
            aliases = [value] if isinstance(value, str) else strings(value, where)
            for alias in aliases:
                _check_room(alias, where, sigil="#")
            return Selector(aliases=tuple(dict.fromkeys(aliases)), excluded=excluded)
        case "space":
            space = _parsed(parse_room, _text(value, where), where)
            return Selector(space=space, excluded=excluded)
        case "creator":
            return Selector(creator=_user(_text(value, where), where), excluded=excluded)
    if not boolean(value, where):
        raise SettingsError(f"{where}: write ours = true")
    return Selector(ours=True, excluded=excluded)


def _check_room(room: str, where: str, *, sigil: str = "#!") -> None:
    """Check an id, or an alias in which ``*`` may stand for anything."""
    if room[:1] not in sigil or not room:
        message = f"{where}: {quoted(room)} is not {'an alias' if sigil == '#' else 'a room id or an alias'}"
        raise SettingsError(message)
    if "*" not in room:
        _parsed(parse_room_id if room.startswith("!") else parse_alias, room, where)


def _parsed(parse_: Any, text: str, where: str) -> Any:  # noqa: ANN401  the parsers of synadmin.ids
    try:
        return parse_(text)
    except UsageError as error:
        raise SettingsError(f"{where}: {error}") from None


def _user(text: str, where: str) -> UserId:
    user: UserId = _parsed(parse_user_id, text, where)
    return user


def _users(value: object, where: str) -> Iterator[UserId]:
    return (_user(name, where) for name in strings(value, where))


def _reach(value: object, where: str) -> Reach:
    if value not in {"impersonate", "reactivate"}:
        raise SettingsError(f'{where}: {quoted(value)} is not "impersonate" or "reactivate"')
    return Reach.of(str(value))


def _whole_number(value: object, where: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST:
        return value
    raise SettingsError(f"{where}: {quoted(value)} is not a whole number from 0 to {_MOST}")


def _text(value: object, where: str) -> str:
    if isinstance(value, str):
        return value
    raise SettingsError(f"{where}: {quoted(value)} is not a text")


def length_of_time(value: object, where: str) -> int:
    """Return a length of time like ``180d`` in milliseconds, or raise SettingsError."""
    match = _LENGTH_OF_TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise SettingsError(f"{where}: {quoted(value)} is not a length of time: write 12h, 30d or 1y")
    return int(match[1]) * _UNITS[match[2]]
