"""Which rooms of the server the entries of a file are about: of several, the last one decides."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from synadmin.api.rooms import Room
from synadmin.client import Synapse
from synadmin.control.file import Entry, Selector, content_of, contradiction
from synadmin.control.records import Target
from synadmin.errors import NotFoundError
from synadmin.ids import RoomAlias, RoomId, server_name_of
from synadmin.recovery.rooms_in_space import rooms_in_space

_SPACE = "m.space"


@dataclass(slots=True)
class Selection:
    """The rooms of the entries of a file.

    Attributes:
        targets: the rooms, spaces last, each with the entry that decides about it.
        unknown: ids in the file that the server knows no room of, with their entry.
        unmatched: the entries that match no room.
        elsewhere: rooms in a space of the file that this server is not in.
    """

    targets: list[Target] = field(default_factory=list)
    unknown: list[tuple[RoomId, Entry]] = field(default_factory=list)
    unmatched: list[Entry] = field(default_factory=list)
    elsewhere: list[RoomId] = field(default_factory=list)


def select(synapse: Synapse, entries: Sequence[Entry]) -> Selection:
    """Ask the server which rooms the entries match.

    Args:
        synapse: the server, with a server admin's token.
        entries: those of the file, in its order.

    Raises:
        SettingsError: two entries name the same room by id and by alias and contradict each other.
        SynadminError: the server could not be asked.
    """
    found = Selection()
    matchers = [_Matcher.of(synapse, entry, found) for entry in entries]
    _require_consistent(matchers)
    matched: set[int] = set()
    rooms = _listed(synapse, matchers) if any(matcher.by_list for matcher in matchers) else {}
    targets: list[Target] = []
    for room_id in dict.fromkeys((*rooms, *(room for matcher in matchers for room in matcher.named))):
        room = rooms.get(room_id)
        if room is None:
            try:
                room = synapse.rooms.get(room_id)
            except NotFoundError:
                last = next(one for one in reversed(matchers) if room_id in one.named)
                if not last.excludes(room_id, None):
                    found.unknown.append((room_id, last.entry))
                    matched.add(id(last.entry))
                continue
        matching = [matcher for matcher in matchers if matcher.matches(room)]
        matched.update(id(matcher.entry) for matcher in matching)
        if matching:
            last = matching[-1]
            targets.append(Target(room, last.entry, named=room_id in last.named))
    found.targets = sorted(targets, key=lambda target: target.room.room_type == _SPACE)
    found.unmatched = [entry for entry in entries if id(entry) not in matched]
    return found


@dataclass(frozen=True, slots=True)
class _Matcher:
    """An entry, and what it takes for a room to match it.

    Attributes:
        entry: the entry.
        named: the rooms that it names: by id, by alias, or as part of a space.
        by_list: whether a room matches of which the list of rooms tells enough; None where none does.
        one: the only room that it names, where it names one by id or alias.
        excluded: the rooms that it names as exceptions.
    """

    entry: Entry
    named: frozenset[RoomId]
    by_list: Callable[[Room], bool] | None
    one: RoomId | None
    excluded: frozenset[RoomId]

    @classmethod
    def of(cls, synapse: Synapse, entry: Entry, found: Selection) -> "_Matcher":
        match = entry.match
        named = [*match.ids, *_resolved(synapse, match.aliases)]
        one = named[0] if len(named) == len((*match.ids, *match.aliases)) == 1 else None
        if match.space is not None:
            for space in _resolved(synapse, (match.space,)):
                below = _below(synapse, space)
                named += below[0]
                found.elsewhere += below[1]
        excluded = frozenset(_resolved(synapse, match.excluded))
        return cls(entry, frozenset(named), _by_list(match, server_name_of(synapse.owner)), one, excluded)

    def matches(self, room: Room) -> bool:
        by_list = self.by_list is not None and self.by_list(room)
        if not by_list and room.room_id not in self.named:
            return False
        return not self.excludes(room.room_id, room.canonical_alias)

    def excludes(self, room_id: RoomId, alias: RoomAlias | None) -> bool:
        if room_id in self.excluded:
            return True
        return alias is not None and any(_glob(one)(alias) for one in self.entry.match.excluded if "*" in one)


def _require_consistent(matchers: Iterable[_Matcher]) -> None:
    """Refuse two entries that name the same one room, by its id and by an alias, and say different things."""
    first: dict[RoomId, Entry] = {}
    for matcher in matchers:
        if matcher.one is None:
            continue
        other = first.setdefault(matcher.one, matcher.entry)
        if content_of(other) != content_of(matcher.entry):
            raise contradiction(other, matcher.entry)


def _listed(synapse: Synapse, matchers: Sequence[_Matcher]) -> Mapping[RoomId, Room]:
    """Return the rooms of the list that match an entry."""
    return {
        room.room_id: room
        for room in synapse.rooms.list()
        if any(matcher.matches(room) for matcher in matchers)
    }


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
    """Yield the ids of rooms that are named by id or alias; an alias that leads nowhere is left out."""
    for room in rooms:
        if room.startswith("!"):
            yield RoomId(room)
        elif "*" not in room:
            try:
                yield synapse.client_server.resolve_alias(RoomAlias(room)).room_id
            except NotFoundError:
                continue


def _below(synapse: Synapse, space: RoomId) -> tuple[tuple[RoomId, ...], tuple[RoomId, ...]]:
    """Return a space with all below it, and the rooms in it that this server is not in."""
    try:
        found = rooms_in_space(synapse, space)
    except NotFoundError:
        return (), ()
    return found.rooms, found.elsewhere
