"""Planning the transfer of a room: the owners, the steps, and why it is refused."""

import time
from dataclasses import dataclass, replace
from typing import Any, Literal

from synadmin.ids import RoomId, UserId
from synadmin.power import level_changes
from synadmin.power.events import TOMBSTONE
from synadmin.power.level_changes import Edit
from synadmin.power.levels import PowerLevels, format_level
from synadmin.power.room import RoomView
from synadmin.recovery import outcome
from synadmin.recovery.outcome import DONE, State, StepTaken
from synadmin.text import command

LOWER = "set-level"
_MOST_NAMED = 5
RATE_LIMITED = "rate-limited"
INSIDE = frozenset({"join", "invite"})
RETRY = 30.0  # seconds, where the server does not say how long it holds an invitation back


@dataclass(frozen=True, slots=True)
class Move:
    """The options of a transfer.

    Attributes:
        new: the new owner.
        old: the old owner, who is to have no power afterwards.
    """

    new: UserId
    old: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomTransfer:
    """The state of the transfer of one room.

    Attributes:
        steps: the steps, in order; the last one removes the old owner's power.
    """

    room: str
    room_id: RoomId | None
    outcome: State | Literal["partly"]
    message: str
    reason: str | None = None
    name: str | None = None
    before: RoomView | None = None
    now: RoomView | None = None
    steps: tuple[StepTaken, ...] = ()
    not_before: float = 0.0
    """By the monotonic clock: a request that was rate-limited is not sent again before this time."""

    def as_record(self, move: Move) -> dict[str, Any]:
        """Return the transfer as scripts get it."""
        return {
            "room_id": self.room_id,
            "room": {"name": self.name, "version": self.before.version if self.before else None},
            "from": move.old,
            "to": move.new,
            "outcome": self.outcome,
            "reason": self.reason,
            "message": self.message,
            "power_level": {
                "needed": format_level(self.now.levels.control) if self.now else None,
                "from": self._levels(move.old),
                "to": self._levels(move.new),
            },
            "membership": {
                "before": self.before.membership_of(move.new) if self.before else None,
                "after": self.now.membership_of(move.new) if self.now else None,
            },
            "steps": [step.as_record() for step in self.steps],
        }

    def done(self, action: str) -> "RoomTransfer":
        """Return the transfer with the last step of this kind done."""
        last = max((number for number, step in enumerate(self.steps) if step.action == action), default=None)
        if last is None:
            return self
        step = replace(self.steps[last], status=DONE)
        return replace(self, steps=(*self.steps[:last], step, *self.steps[last + 1 :]))

    def _levels(self, user: UserId) -> dict[str, int | str | None]:
        return {
            "before": format_level(self.before.levels.level_of(user)) if self.before else None,
            "after": format_level(self.now.levels.level_of(user)) if self.now else None,
        }


def lowering(view: RoomView, move: Move) -> str:
    """Return how the levels change in the last step, as a part of a sentence: ``lower … from 100 to 0``."""
    edit = last_edit(view, move)
    changes = level_changes.changes(view, edit) if edit is not None else ()
    words = [
        f"lower {change.what} from {format_level(change.before)} to {format_level(change.after)}"
        if change.after < change.before
        else f"give {change.what} level {format_level(change.after)}"
        for change in sorted(changes, key=lambda change: change.what != move.old)
    ]
    return ", ".join(words)


def _others_with_control(view: RoomView, move: Move, verb: str) -> str:
    """Return a clause that names the other users with control of the room; empty where no other user has it.

    Args:
        view: the room.
        move: the old and the new owner, who are not named.
        verb: of the clause, in the plural: ``have``, ``keep``.
    """
    if view.levels.users_default >= view.levels.control:
        return f"all members without a level of their own {verb} control"
    others = [user for user in level_changes.controllers(view) if user not in {move.new, move.old}]
    if not others:
        return ""
    singular = {"have": "has", "keep": "keeps"}[verb]
    return f"{', '.join(others[:_MOST_NAMED])} {verb if others[1:] else singular} control"


def objection(view: RoomView, move: Move) -> tuple[str, str] | None:
    """Return why a room is not handed over, as a reason and a sentence."""
    level, control = view.levels.level_of(move.old), view.levels.control
    if level < control and not view.has_control(move.new):
        have = _others_with_control(view, move, "have") or "no user in the room has control"
        make_admin = command("room", "make-admin", view.room_id, "--user", move.new, "--dry-run")
        return "insufficient-power", (
            f"{move.old} has level {format_level(level)} and no control to give away: control takes {control}"
            f"; {have}. `{make_admin}` shows how to give it to {move.new}."
        )
    if view.membership_of(move.new) == "ban":
        # A moderator could lift the ban, but the ban had a reason.
        return "target-banned", f"{move.new} is banned from the room: lift the ban first"
    return None


def is_over(view: RoomView, move: Move) -> bool:
    """Whether the new owner has control, and the old owner has no power that can be removed."""
    return (
        view.has_control(move.new) and last_edit(view, move) is None and not view.levels.is_creator(move.old)
    )


def over_message(move: Move) -> str:
    """Return the message for a room that needs no transfer."""
    return f"{move.new} already has control, and {move.old} has no power."


def outlook(view: RoomView, move: Move) -> str:
    """Return a message on the state after the transfer."""
    if view.levels.is_creator(move.old):
        rest = (
            f"{move.old} created the room and keeps the power of a creator (version {view.version}): "
            f"it cannot be removed"
        )
    else:
        rest = f"then {move.old} loses its power"
    if last_edit(view, move) is None and not view.levels.is_creator(move.old):
        rest = f"{move.old} has no power to give away"
    kept = _others_with_control(view, move, "keep")
    rest = f"{rest}; {kept}." if kept else f"{rest}."
    if view.has_control(move.new):
        return f"{move.new} already has control; {rest}"
    return f"{move.new} gets power and an invitation, and joins; {rest}"


def granted(view: RoomView, move: Move) -> RoomView:
    """Return the room as it will be when the new owner has come in with control."""
    level = max(view.levels.control, view.levels.level_of(move.new))
    if not view.levels.is_creator(move.new):
        view = replace(view, power_levels=view.levels.granting(move.new, level))
    return replace(view, memberships={**view.memberships, move.new: "join"})


def has_power(levels: PowerLevels, user: UserId) -> bool:
    """Whether a user has more power than a member without a level of their own should have."""
    level = levels.level_of(user)
    return level > max(levels.users_default, 0) or level >= levels.control


def last_edit(view: RoomView, move: Move) -> Edit | None:
    """Return the last edit of the levels in a transfer; None where the levels need no change.

    It removes the old owner's power. A creator's power cannot be removed: then the edit gives the new owner
    the level to upgrade the room. The user who upgrades it is the creator of the next room.
    """
    levels = view.levels
    if levels.is_creator(move.old):
        needed = levels.needed(TOMBSTONE)
        return Edit(users={move.new: needed}) if levels.level_of(move.new) < needed else None
    held = levels.level_of(move.old)
    if not has_power(levels, move.old) or held <= min(levels.users_default, 0):
        return None
    users: dict[UserId, int | None] = {move.old: None if levels.users_default <= 0 else 0}
    if levels.level_of(move.new) < held:
        users[move.new] = held  # control may need a lower level than the old owner had
    return Edit(users=users)


def waiting_for_rate_limit(room_transfer: RoomTransfer, move: Move, seconds: float | None) -> RoomTransfer:
    """Return the pending result of a transfer whose invitation is rate-limited."""
    wait = "" if seconds is None else f" for {seconds:.0f} s"
    message = (
        f"{move.new} has the level, but the server's rate limits delay the invitation{wait}; "
        f"{move.old} keeps control until {move.new} joins."
    )
    return replace(
        room_transfer,
        outcome=outcome.PENDING,
        reason=RATE_LIMITED,
        message=message,
        not_before=time.monotonic() + (RETRY if seconds is None else seconds),
    )
