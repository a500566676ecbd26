"""The rooms of a control file: find them, and print their plans and results."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.confirm import allow_option
from synadmin.cli.invocation import Invocation
from synadmin.cli.output import Output
from synadmin.cli.targets import counted
from synadmin.columns import Column
from synadmin.errors import RefusedError, SettingsError
from synadmin.ids import server_name_of
from synadmin.text import safe_text

if TYPE_CHECKING:
    from synadmin.cli.saved_plan import SavedPlan
    from synadmin.client import Synapse
    from synadmin.control.file import RoomsEntry
    from synadmin.control.heirs import HeirNotices
    from synadmin.control.records import MatchedRoom, RoomChange, RoomReport
    from synadmin.control.selection import Selection
    from synadmin.power.room import Reach

_COLUMNS = (
    Column("room_id", title="room", whole=True),
    Column("room.name", title="name", breakable=True),
    Column("entry"),
    Column("outcome"),
    Column("reason"),
    Column("message"),
    Column("changes", shown=False),
    Column("steps", shown=False),
)

ALLOW = allow_option(
    "The most it may do beyond your own token. Without it each entry's own `allow` counts.", reactivate=True
)


@dataclass(frozen=True, slots=True)
class ControlFile:
    """A control file.

    Attributes:
        path: its path.
        text: its text.
        entries: its entries.
    """

    path: str
    text: str
    entries: "tuple[RoomsEntry, ...]"

    @classmethod
    def read(cls, path: str, plan: "SavedPlan | None" = None) -> "ControlFile":
        """Read a control file; for an applied plan, use the text in the plan if the file does not exist.

        Raises:
            SettingsError: it cannot be read, or something in it is not valid.
            RefusedError: it has changed since the plan was made.
        """
        from synadmin import toml_files
        from synadmin.control import file

        def parsed(text: str) -> ControlFile:
            if plan is not None and text != planned:
                message = f"{path} has changed since the plan was made ({plan.made_at})"
                raise RefusedError(message, hint="make a new plan with `synadmin control plan`")
            return cls(path, text, file.parse(text))

        planned = "" if plan is None else str(plan.options.get("file"))
        if plan is not None and not Path(path).exists():  # the plan was made on another machine
            return parsed(planned)
        return toml_files.read(Path(path), parsed)


@dataclass(frozen=True, slots=True)
class ControlRooms:
    """The rooms that the entries of a file match.

    Attributes:
        selection: the matched rooms, and the ids and entries without a room.
        looked_at: each room, and whether a quick check found it in order.
        notices: the record of the notices to controllers about their heirs.
    """

    selection: "Selection"
    looked_at: "tuple[tuple[MatchedRoom, bool], ...]"
    notices: "HeirNotices"

    def unknown(self) -> "Iterator[RoomReport]":
        """Yield reports for the room ids in the file that the server does not know."""
        from synadmin.api.rooms import Room
        from synadmin.control.records import MatchedRoom, RoomReport

        for room_id, entry in self.selection.unknown:
            message = f"This server knows no room {room_id}."
            target = MatchedRoom(Room(room_id=room_id), entry)
            yield RoomReport(target=target, outcome="refused", reason="unknown-room", message=message)

    @property
    def total(self) -> int:
        """The number of reports."""
        return len(self.looked_at) + len(self.selection.unknown)


def find_rooms(invocation: Invocation, synapse: "Synapse", source: ControlFile) -> ControlRooms:
    """Return the rooms of a file, after a quick check of each.

    Raises:
        SettingsError: an entry leaves no local user with control, or two contradict each other.
        SynadminError: the server could not be asked.
    """
    from synadmin.control import file, look, selection
    from synadmin.control.heirs import HeirNotices
    from synadmin.library.audit import prefetching

    notices = HeirNotices.of(synapse.transport.homeserver)
    with prefetching(synapse, invocation.settings.concurrency) as prefetcher:
        try:
            file.require_local_admins(source.entries, server_name_of(prefetcher.owner.result()))
            selected = selection.select(prefetcher.synapse, source.entries)
        except SettingsError as error:
            raise SettingsError(f"{source.path}: {error}", hint=error.hint) from None
        for room_id in dict.fromkeys(selected.elsewhere):
            invocation.say(f"{room_id} is in a space of the file, but this server is not in it: left out.")
        looked_at = tuple(look.looked_at(prefetcher, selected.targets, notices))
    return ControlRooms(selected, looked_at, notices)


def reach_of(allow: str | None) -> "Reach | None":
    """Return the reach for the value of ``--allow``; None where it was not given."""
    from synadmin.power.room import Reach

    return None if allow is None else Reach.of(allow)


def write_reports(output: Output, reports: "Iterable[RoomReport]", unmatched: "Sequence[RoomsEntry]") -> None:
    """Print the reports: for scripts all, for people only those of rooms that are not in order."""
    if output.in_words:
        deviating = (report for report in reports if report.outcome != "in-order")
        output.write_blocks(deviating, report_text, lambda report: report.as_record(), _COLUMNS)
        for entry in unmatched:
            click.echo(safe_text(f"{_entry_text(entry)} matches no room."))
    elif output.form == "json" and output.names is None:
        records: list[dict[str, Any]] = []
        try:
            records.extend(report.as_record() for report in reports)
        except BaseException:
            if records:  # the rooms that are done
                output.write_one(document(records, unmatched), _COLUMNS)
            raise
        output.write_one(document(records, unmatched), _COLUMNS)
    else:
        output.write((report.as_record() for report in reports), _COLUMNS)


def document(records: "Sequence[Mapping[str, Any]]", unmatched: "Sequence[RoomsEntry]") -> dict[str, Any]:
    """Return the document for ``-o json``."""
    return {"version": 1, "rooms": [*records], "unmatched": [entry.name for entry in unmatched]}


def summary(outcomes: Mapping[str, int], unmatched: int) -> str:
    """Return the counts in one sentence: ``18 rooms: 12 in order, 5 planned, 1 refused.``."""
    total = sum(outcomes.values())
    names = ("in-order", "planned", "done", "pending", "refused", "failed")
    parts = [f"{outcomes[name]} {name.replace('-', ' ')}" for name in names if outcomes.get(name)]
    lost = f" {counted(unmatched, 'entry', 'entries')} without a room." if unmatched else ""
    return f"{counted(total, 'room')}{': ' if parts else ''}{', '.join(parts)}.{lost}"


def report_text(report: "RoomReport") -> str:
    """Return a report as lines of safe text."""
    room = report.target.room
    name = room.name or room.canonical_alias
    lines = [f"{name}: {room.room_id}" if name else room.room_id]
    lines += [f"  {line}" for line in map(_change_text, report.changes)]
    if report.outcome == "planned":
        lines += [f"  {number}.    {step.detail}" for number, step in enumerate(report.steps, 1)]
        lines.append(f"  then: {report.message}")
    else:
        lines.append(f"  {report.outcome}: {report.message}")
        if report.outcome == "failed":
            lines += [f"    {step.status}: {step.detail}" for step in report.steps]
    lines += [f"  warning: {warning}" for warning in report.warnings]
    return "\n".join(map(safe_text, lines))


def _change_text(change: "RoomChange") -> str:
    """Return the line for a change."""
    from synadmin.control.records import where
    from synadmin.control.toml_text import toml_value

    if not isinstance(change.before, dict):
        return f"{change.kind} {change.subject}: {toml_value(change.before)} -> {toml_value(change.after)}"
    before, after = change.before, change.after
    return (
        f"{change.kind} {change.subject}: level {before['level']}, {where(before['membership'])} -> "
        f"level {after['level']}, {where(after['membership'])}"
    )


def _entry_text(entry: "RoomsEntry") -> str:
    return f"The entry {entry.name!r}" + ("" if entry.line is None else f" (line {entry.line})")
