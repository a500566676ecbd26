"""The saved plans of ``control plan``: the stored data of a room, and its comparison."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synadmin.cli.saved_plan import CHANGED, SavedPlan
from synadmin.text import option_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from synadmin.cli.control.report import ControlFile
    from synadmin.cli.invocation import Invocation
    from synadmin.client import Synapse
    from synadmin.control.records import RoomReport


def begin_plan(
    invocation: "Invocation", synapse: "Synapse", source: "ControlFile", allow: str | None
) -> SavedPlan:
    """Return a plan without rooms, with the current text of the control file."""
    plan = SavedPlan.begin(synapse.owner, invocation.reason)
    plan.command = ["control", "apply", str(Path(source.path).absolute()), *option_words(allow=allow)]
    plan.options = {"file": source.text}
    return plan


def added_to_plan(
    plan: SavedPlan, synapse: "Synapse", reports: "Iterable[RoomReport]"
) -> "Iterator[RoomReport]":
    """Yield the reports, and add the rooms that need a change to the plan."""
    for report in reports:
        if report.outcome == "planned":
            plan.add(report.target.room_id, _record(report), power_levels=_levels(synapse, report))
        yield report


def kept_to_plan(plan: SavedPlan, synapse: "Synapse", report: "RoomReport") -> "RoomReport":
    """Return a report; a room that differs from the plan is refused, unless it is in order."""
    if report.outcome != "planned":
        return report
    change = plan.difference(report.target.room_id, _record(report), power_levels=_levels(synapse, report))
    if change is None:
        return report
    return replace(report, outcome="refused", reason=CHANGED, message=change, steps=())


def _levels(synapse: "Synapse", report: "RoomReport") -> str | None:
    """Return the id of the power-levels event; None where there is none."""
    from synadmin.power.events import POWER_LEVELS
    from synadmin.recovery.observer import Observer

    event = Observer(synapse).state_event(report.target.room_id, POWER_LEVELS)
    return None if event is None else event.event_id


def _record(report: "RoomReport") -> dict[str, Any]:
    """Return a report without the date of the heirs: it changes every day until they are announced."""
    record = report.as_record()
    for change in record["changes"]:
        if change["kind"] == "heir" and change["before"] is None:
            change["after"] = None
    return record
