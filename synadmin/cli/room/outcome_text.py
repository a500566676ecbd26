"""The plan and the outcome of a room as text."""

from typing import TYPE_CHECKING

from synadmin.cli.confirm import PlannedRoom
from synadmin.cli.targets import counted
from synadmin.text import safe_text

if TYPE_CHECKING:
    from synadmin.api.rooms import RoomDetails
    from synadmin.recovery.outcome import Outcome

_WHERE = {"join": "in the room", "invite": "invited", "ban": "banned", "knock": "knocking"}


def outcome_text(outcome: "Outcome", *, with_steps: bool = True, hint: str | None = None) -> str:
    """Return the outcome as lines of safe text.

    Args:
        outcome: the outcome of the room.
        with_steps: whether to add the steps that would regain a refused room.
        hint: the command that carries out these steps.
    """
    lines = [room_heading(outcome.room_id or outcome.room, outcome.details)]
    if outcome.outcome == "planned":
        lines += _planned(outcome)
    else:
        message, *steps = outcome.lines or (outcome.message,)
        lines.append(f"  {outcome.outcome}: {message}")
        if with_steps:
            lines += [f"    {step}" for step in steps]
            lines += [f"    hint: `{hint}`"] if hint is not None else []
        if outcome.steps and outcome.level_after is not None:
            lines += _before_and_after(outcome)
        if outcome.outcome == "failed":
            lines += [f"    {step.status}: {step.detail}" for step in outcome.steps]
    return "\n".join(safe_text(line) for line in lines)


def planned_room(outcome: "Outcome", hint: str | None) -> PlannedRoom:
    """Return the outcome as a room of a plan, with the command that would regain the room."""
    details = outcome.details
    note = counted(len(outcome.steps), "step") if outcome.outcome == "planned" else outcome.reason
    return PlannedRoom(
        outcome.room_id or outcome.room,
        (details.name or details.canonical_alias) if details else None,
        outcome.outcome,
        note or outcome.message,
        outcome_text(outcome, hint=hint),
        has_warnings=bool(outcome.warnings),
    )


def room_heading(room: str, details: "RoomDetails | None") -> str:
    """Return the heading of a room in a plan or an outcome: its name, id and version."""
    if details is None:
        return room
    name = details.name or details.canonical_alias
    called = f"{safe_text(name)}: " if name else ""
    return f"{called}{room} (room version {details.version or 'unknown'})"


def _planned(outcome: "Outcome") -> list[str]:
    can = "everything in the room"
    if not all(ability.allowed for ability in outcome.abilities):
        can = ", ".join(ability.text for ability in outcome.abilities if ability.allowed)
    where = _WHERE.get(outcome.membership_before or "", "not in the room")
    return [
        f"  now:  {outcome.user_id} has level {_level(outcome.level_before)}, {where}",
        *(f"  {number}.    {step.detail}" for number, step in enumerate(outcome.steps, 1)),
        f"  then: {outcome.message}",
        *([f"  can:  {can}"] if outcome.abilities else []),
        *(f"  warning: {warning}" for warning in outcome.warnings),
    ]


def _before_and_after(outcome: "Outcome") -> list[str]:
    changes = []
    if outcome.level_before != outcome.level_after:
        changes.append(
            f"level {_level(outcome.level_before)} -> {_level(outcome.level_after)} "
            f"(changing levels takes {outcome.level_needed})",
        )
    before = _WHERE.get(outcome.membership_before or "", "not in the room")
    after = _WHERE.get(outcome.membership_after or "", "not in the room")
    if before != after:
        changes.append(f"{before} -> {after}")
    if outcome.promoter:
        changes.append(f"through {outcome.promoter}")
    return [f"  {', '.join(changes)}"] if changes else []


def _level(level: int | None) -> object:
    from synadmin.power.levels import format_level

    return "-" if level is None else format_level(level)
