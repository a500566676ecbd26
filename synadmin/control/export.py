"""The control file for the present state: its plan is empty."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from synadmin.api.rooms import Room
from synadmin.audit.facts import RoomFacts
from synadmin.audit.gather.prefetch import Prefetcher
from synadmin.audit.gather.some_rooms import look_at
from synadmin.client import Synapse
from synadmin.control.plan import read_setting
from synadmin.control.settings import DIRECTORY, EVENT_TYPES, as_written
from synadmin.control.toml_text import toml_comment, toml_value
from synadmin.ids import RoomId, UserId

_NAMED = 3  # admins in the name of an entry, at most


@dataclass(frozen=True, slots=True)
class ExportedRoom:
    """Who has control of a room now.

    Attributes:
        room_id: the room.
        label: its name or alias; empty where it has none.
        admins: the joined local users with control.
        moderators: the users with a level between the default and the level for control, by level.
        settings: lines of TOML.
    """

    room_id: RoomId
    label: str
    admins: tuple[UserId, ...]
    moderators: tuple[tuple[int, tuple[UserId, ...]], ...]
    settings: tuple[str, ...]


def controls(prefetcher: Prefetcher, rooms: Iterable[Room], *, settings: bool) -> Iterator[ExportedRoom]:
    """Yield who has control of each room that users of this server are in.

    Rooms in which the server sends its notices are left out.

    Args:
        prefetcher: sends the requests.
        rooms: the rooms.
        settings: read the settings of the rooms, too.

    Raises:
        SynadminError: the server did not answer a request, or answered with an error.
    """

    def ask(synapse: Synapse, facts: RoomFacts) -> ExportedRoom | None:
        if not facts.view.in_room or facts.is_for_server_notices:
            return None
        return _control(facts, tuple(_settings(synapse, facts.room_id)) if settings else ())

    for future in look_at(prefetcher, rooms, ask, all_creators=True):
        control = future.result()
        if control is not None:
            yield control


def text(rooms: Iterable[ExportedRoom], *, now: str) -> str:
    """Return the file; rooms with the same admins, moderators and settings share an entry.

    Args:
        rooms: the rooms.
        now: when the rooms were read.
    """
    entries: dict[tuple[object, ...], list[ExportedRoom]] = {}
    without: list[ExportedRoom] = []
    for room in rooms:
        if room.admins:
            entries.setdefault((room.admins, room.moderators, room.settings), []).append(room)
        else:
            without.append(room)
    lines = [toml_comment(f"Written by `synadmin control export`: what holds at {now}."), "", "version = 1"]
    names: Counter[str] = Counter()
    for group in entries.values():
        lines += ["", *_entry(group, names)]
    if without:
        lines += ["", toml_comment("No user of this server has control by a level of its own:")]
        lines += [toml_comment(f"  {_named(room)}") for room in without]
    return "\n".join(lines) + "\n"


def _control(facts: RoomFacts, settings: tuple[str, ...]) -> ExportedRoom:
    levels = facts.view.levels
    by_level: dict[int, list[UserId]] = {}
    for user, level in levels.listed().items():
        if levels.users_default < level < levels.control and not levels.is_creator(user):
            by_level.setdefault(level, []).append(user)
    return ExportedRoom(
        room_id=facts.room_id,
        label=facts.name or facts.alias or "",
        admins=tuple(sorted(facts.holders)),
        moderators=tuple((level, tuple(sorted(by_level[level]))) for level in sorted(by_level)),
        settings=settings,
    )


def _settings(synapse: Synapse, room_id: RoomId) -> Iterator[str]:
    """Yield the settings of a room that a control file can have, as lines of TOML."""
    for name in (*EVENT_TYPES, DIRECTORY):
        for key, value in as_written(name, read_setting(synapse, room_id, name)).items():
            yield f"{key} = {toml_value(value)}"


def _entry(rooms: list[ExportedRoom], names: Counter[str]) -> Iterator[str]:
    """Yield the lines of an entry; ``names`` counts the names that are used."""
    first = rooms[0]
    name = _name(rooms)
    names[name] += 1
    if names[name] > 1:
        name = f"{name} ({first.room_id})"
    yield "[[rooms]]"
    yield f"name = {toml_value(name)}"
    yield f"admins = {toml_value(first.admins)}"
    groups = [{"level": level, "users": users} for level, users in first.moderators]
    if groups:
        yield f"moderators = {toml_value(groups[0] if len(groups) == 1 else groups)}"
    yield ""
    yield "[rooms.match]"
    yield "ids = ["
    for room in rooms:
        yield f"  {toml_value(room.room_id)}," + (f" {toml_comment(room.label)}" if room.label else "")
    yield "]"
    if first.settings:
        yield ""
        yield "[rooms.settings]"
        yield from first.settings


def _name(rooms: list[ExportedRoom]) -> str:
    if len(rooms) == 1:
        return rooms[0].label.strip() or rooms[0].room_id
    admins = [user[1:].partition(":")[0] for user in rooms[0].admins]
    more = f" and {len(admins) - _NAMED} more" if len(admins) > _NAMED else ""
    return f"rooms of {', '.join(admins[:_NAMED])}{more}"


def _named(room: ExportedRoom) -> str:
    return f"{room.room_id} {room.label}".rstrip()
