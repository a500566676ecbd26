"""The saved plans of ``room make-admin``: the stored data of a room, and its comparison."""

from dataclasses import replace
from typing import TYPE_CHECKING

from synadmin.cli.saved_plan import CHANGED, SavedPlan, save

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from synadmin.cli.invocation import Invocation
    from synadmin.client import Synapse
    from synadmin.recovery.make_admin import Preview
    from synadmin.recovery.outcome import Outcome


def kept_to_plan(plan: SavedPlan | None, previews: "Iterable[Preview]") -> "Iterator[Preview]":
    """Yield the previews; a room that differs from the plan is refused, unless it is done."""
    for preview in previews:
        yield preview if plan is None else _compared(plan, preview)


def _compared(plan: SavedPlan, preview: "Preview") -> "Preview":
    result = preview.result
    if result.outcome == "done":
        return preview
    room = result.room_id or result.room
    change = plan.difference(room, result.as_record(), power_levels=preview.observation.event_id)
    if change is None:
        return preview
    refused = replace(
        result, outcome="refused", reason=CHANGED, message=change, lines=(), reach=None, steps=()
    ).as_before()
    return replace(
        preview, result=refused, observation=replace(preview.observation, answer=None), enters=None
    )


def planned_results(
    invocation: "Invocation",
    synapse: "Synapse",
    previews: "Iterable[Preview]",
    command: "Callable[[Sequence[str]], list[str]]",
    file: str | None,
) -> "Iterator[Outcome]":
    """Yield the results of a dry run; at the end, save the plan to the file, if there is one.

    Args:
        previews: the previews of the rooms.
        command: returns the command line for rooms.
        file: the file for the plan.
    """
    plan = SavedPlan.begin(synapse.owner, invocation.reason)
    for preview in previews:
        result = preview.result
        if preview.plan is not None:
            room = result.room_id or result.room
            plan.add(room, result.as_record(), power_levels=preview.observation.event_id)
        yield result
    if file is not None:
        plan.command = [word for word in command([*plan.targets]) if word != "--yes"]
        save(invocation.say, plan, file, "room")
