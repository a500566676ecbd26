"""Finds the rooms that the entries of a file match: of several entries, the last one decides."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from synadmin.api.rooms import Room
from synadmin.client import Synapse
from synadmin.control.file import RoomsEntry, Selector, content_of, contradiction
from synadmin.control.records import MatchedRoom
from synadmin.errors import NotFoundError
from synadmin.ids import RoomAlias, RoomId, server_name_of
from synadmin.power.events import SPACE
from synadmin.recovery.rooms_in_space import rooms_in_space

_FEW = 20  # rooms that are read one by one, instead of with the list of all rooms


@dataclass(slots=True)
class Selection:
    """The rooms of the entries of a file.

    Attributes:
        targets: the rooms, spaces last, each with the entry that decides about it.
        unknown: ids in the file that are no room of the server, with their entry.
        unmatched: the entries that match no room.
        elsewhere: rooms in a space of the file that this server is not in.
    """

    targets: list[MatchedRoom] = field(default_factory=list)
    unknown: list[tuple[RoomId, RoomsEntry]] = field(default_factory=list)
    unmatched: list[RoomsEntry] = field(default_factory=list)
    elsewhere: list[RoomId] = field(default_factory=list)


def select(synapse: Synapse, entries: Sequence[RoomsEntry]) -> Selection:
    """Ask the server which rooms the entries match.

    Args:
        synapse: the server, with a server admin's token.
        entries: those of the file, in its order.

    Raises:
        SettingsError: two entries name the same room by id and by alias and contradict each other.
        SynadminError: the server did not answer a request, or answered with an error.
    """
    selection = Selection()
    index = _Index([_Matcher.of(synapse, entry, selection) for entry in entries])
    _require_consistent(index.matchers)
    matched: set[int] = set()
    rooms = index.listed(synapse)
    targets: list[MatchedRoom] = []
    for room_id in dict.fromkeys((*rooms, *index.by_name)):
        room = rooms.get(room_id) or _room(synapse, room_id)
        matching = index.matching(room_id if room is None else room)
        matched.update(matching)
        if not matching:
            continue
        last = index.matchers[matching[-1]]
        if room is None:
            selection.unknown.append((room_id, last.entry))
        else:
            targets.append(MatchedRoom(room, last.entry, named=room_id in last.named))
    selection.targets = sorted(targets, key=lambda target: target.room.room_type == SPACE)
    selection.unmatched = [entry for number, entry in enumerate(entries) if number not in matched]
    return selection


def _room(synapse: Synapse, room_id: RoomId) -> Room | None:
    try:
        return synapse.rooms.get(room_id)
    except NotFoundError:
        return None


@dataclass(slots=True)
class _Index:
    """An index of the entries by the rooms that they name.

    Attributes:
        matchers: the entries, in the order of the file.
        by_name: by room, the numbers of the entries that name it.
    """

    matchers: list["_Matcher"]
    by_name: dict[RoomId, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number, matcher in enumerate(self.matchers):
            for room_id in matcher.named:
                self.by_name.setdefault(room_id, []).append(number)

    def listed(self, synapse: Synapse) -> Mapping[RoomId, Room]:
        """Return the rooms of the server's list that match; none if all entries name their few rooms."""
        if len(self.by_name) <= _FEW and not any(matcher.by_list for matcher in self.matchers):
            return {}
        return {room.room_id: room for room in synapse.rooms.list() if self.matching(room)}

    def matching(self, room: Room | RoomId) -> list[int]:
        """Return the numbers of the entries that match a room, in order."""
        if isinstance(room, str):
            return [
                number for number in self.by_name.get(room, ()) if not self.matchers[number].excludes(room)
            ]
        named = self.by_name.get(room.room_id, [])
        by_list = [
            number
            for number, matcher in enumerate(self.matchers)
            if matcher.by_list is not None and matcher.by_list(room)
        ]
        numbers = sorted({*named, *by_list}) if by_list else named
        alias = room.canonical_alias
        return [number for number in numbers if not self.matchers[number].excludes(room.room_id, alias)]


@dataclass(frozen=True, slots=True)
class _Matcher:
    """An entry with the conditions for a room to match it.

    Attributes:
        entry: the entry.
        named: the rooms that it names: by id, by alias, or as part of a space.
        by_list: whether a listed room matches by its list entry; None where the entry matches none this way.
        only_room: the only room that it names, where it names one by id or alias.
        excluded: the rooms that it names as exceptions.
        excluded_aliases: whether a main alias is one of its exceptions.
    """

    entry: RoomsEntry
    named: Mapping[RoomId, None]
    by_list: Callable[[Room], bool] | None
    only_room: RoomId | None
    excluded: frozenset[RoomId]
    excluded_aliases: tuple[Callable[[str], bool], ...]

    @classmethod
    def of(cls, synapse: Synapse, entry: RoomsEntry, selection: Selection) -> "_Matcher":
        match = entry.match
        named = [*match.ids, *_resolved(synapse, match.aliases)]
        only_room = named[0] if len(named) == len((*match.ids, *match.aliases)) == 1 else None
        if match.space is not None:
            for space in _resolved(synapse, (match.space,)):
                below = _rooms_below(synapse, space)
                named += below[0]
                selection.elsewhere += below[1]
        excluded = frozenset(_resolved(synapse, match.excluded))
        globs = tuple(_glob(alias) for alias in match.excluded if "*" in alias)
        by_list = _by_list(match, server_name_of(synapse.owner))
        return cls(entry, dict.fromkeys(named), by_list, only_room, excluded, globs)

    def excludes(self, room_id: RoomId, alias: RoomAlias | None = None) -> bool:
        if room_id in self.excluded:
            return True
        return alias is not None and any(glob(alias) for glob in self.excluded_aliases)


def _require_consistent(matchers: Iterable[_Matcher]) -> None:
    """Refuse two contradicting entries that name the same room, by its id and by an alias."""
    first: dict[RoomId, RoomsEntry] = {}
    for matcher in matchers:
        if matcher.only_room is None:
            continue
        other = first.setdefault(matcher.only_room, matcher.entry)
        if content_of(other) != content_of(matcher.entry):
            raise contradiction(other, matcher.entry)


def _by_list(match: Selector, server_name: str) -> Callable[[Room], bool] | None:
    if match.ours:
        return lambda room: bool(room.creator) and server_name_of(room.creator or "") == server_name
    if match.creator is not None:
        return lambda room: room.creator == match.creator
    globs = [_glob(alias) for alias in match.aliases if "*" in alias]
    if not globs:
        return None
    return lambda room: room.canonical_alias is not None and any(glob(room.canonical_alias) for glob in globs)


def _glob(pattern: str) -> Callable[[str], bool]:
    """Return whether a text matches a pattern in which ``*`` stands for any characters."""
    expression = re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
    return lambda text: expression.fullmatch(text) is not None


def _resolved(synapse: Synapse, rooms: Iterable[str]) -> Iterator[RoomId]:
    """Yield the ids of rooms that are named by id or alias; an alias that does not exist is left out."""
    for room in rooms:
        if room.startswith("!"):
            yield RoomId(room)
        elif "*" not in room:
            try:
                yield synapse.client_server.resolve_alias(RoomAlias(room)).room_id
            except NotFoundError:
                continue


def _rooms_below(synapse: Synapse, space: RoomId) -> tuple[tuple[RoomId, ...], tuple[RoomId, ...]]:
    """Return a space with all rooms below it, and the rooms in it that this server is not in."""
    try:
        below = rooms_in_space(synapse, space)
    except NotFoundError:
        return (), ()
    return below.rooms, below.elsewhere
