"""The outcome of one room: the record that people and scripts get."""

from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from synadmin.api.rooms import Room, RoomDetails
from synadmin.errors import MatrixError, NotPermittedError, RateLimitedError, SynadminError
from synadmin.ids import RoomId, UserId
from synadmin.power.levels import Ability, format_level
from synadmin.power.room import Reach, RoomView
from synadmin.power.steps import Plan, Refusal, Step

DONE: Final = "done"
PENDING: Final = "pending"
PLANNED: Final = "planned"
REFUSED: Final = "refused"
FAILED: Final = "failed"
PARTLY: Final = "partly"
StepState = Literal["planned", "done", "failed", "undone"]
"""The status of a step."""
State = Literal["done", "pending", "planned", "refused", "failed"]
"""The outcome of a room."""


@dataclass(frozen=True, slots=True)
class StepTaken:
    """A step and its result.

    Attributes:
        action: the action, as scripts see it.
        as_user: the user who takes the step; None where that is not known yet, or a server admin takes it.
        detail: the step as a sentence, and the server's words where it failed.
        status: ``planned``, ``done``, ``failed`` or ``undone``.
    """

    action: str
    as_user: UserId | None
    detail: str
    status: StepState = PLANNED

    @classmethod
    def of(cls, step: Step, status: StepState = PLANNED, *, error: object = None) -> "StepTaken":
        """Return the record of a step of a plan, with its error."""
        detail = step.detail if error is None else f"{step.detail} {error}"
        return cls(str(step.action), step.as_user, detail, status)

    @classmethod
    def announced(cls, user: UserId, failed: str | None) -> "StepTaken":
        """Return the record of a message to the room, which the user sent, or could not send."""
        return cls("announce", user, f"As {user} announce it in the room.", "failed" if failed else "done")

    def as_record(self) -> dict[str, Any]:
        """Return the step as scripts get it."""
        return {
            "action": self.action,
            "as": self.as_user,
            "status": self.status,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of one room.

    Attributes:
        room: the room as it was named: an id or an alias.
        room_id: its id; None where it is not known.
        user_id: the user who was to get control, or whose level was to change.
        outcome: ``done``, ``pending``, ``planned``, ``refused`` or ``failed``.
        message: the state now, and what to do next.
        lines: the message in lines, one for each step; empty where the message names no steps.
        reason: a code, such as ``needs-impersonate``; None where there is none.
        details: the server's details of the room.
        control: the user is joined and can change the levels, as read back.
        level_before: the user's level before.
        level_after: the user's level now; with a dry run, as planned.
        level_needed: the level needed to change the levels.
        level_highest: the highest level in the room.
        membership_before: the user's membership before.
        membership_after: the user's membership now; with a dry run, as planned.
        promoter: the local user through whom the level was given.
        reach: the reach that the plan needed; where it is refused, the least reach that would be enough.
        steps: the steps with their status.
        warnings: warnings about effects that members of the room see.
        abilities: the actions that the user can do in the room.
    """

    room: str
    room_id: RoomId | None
    user_id: UserId
    outcome: State
    message: str
    lines: tuple[str, ...] = ()
    reason: str | None = None
    details: RoomDetails | None = None
    control: bool = False
    level_before: int | None = None
    level_after: int | None = None
    level_needed: int | None = None
    level_highest: int | None = None
    membership_before: str | None = None
    membership_after: str | None = None
    promoter: UserId | None = None
    reach: Reach | None = None
    steps: tuple[StepTaken, ...] = ()
    warnings: tuple[str, ...] = ()
    abilities: tuple[Ability, ...] = ()

    def as_record(self) -> dict[str, Any]:
        """Return the outcome as scripts get it: the contract of ``room make-admin -o json``."""
        return {
            "room_id": self.room_id,
            "room": room_record(self.details),
            "user_id": self.user_id,
            "outcome": self.outcome,
            "reason": self.reason,
            "message": self.message,
            "control": self.control,
            "power_level": {
                "before": _level(self.level_before),
                "after": _level(self.level_after),
                "needed": _level(self.level_needed),
                "highest": _level(self.level_highest),
            },
            "membership": {"before": self.membership_before, "after": self.membership_after},
            "promoter": self.promoter,
            "reach": str(self.reach) if self.reach is not None else None,
            "steps": [step.as_record() for step in self.steps],
        }

    def continuing(self, earlier: "Outcome") -> "Outcome":
        """Return this outcome with the finished steps of an earlier attempt."""
        reach = self.reach if earlier.reach is None or self.reach is None else max(earlier.reach, self.reach)
        return replace(
            self,
            level_before=earlier.level_before,
            membership_before=earlier.membership_before,
            promoter=self.promoter or earlier.promoter,
            reach=reach,
            steps=(*(step for step in earlier.steps if step.status == "done"), *self.steps),
        )

    def as_before(self) -> "Outcome":
        """Return this outcome with level and membership as before: nothing was changed."""
        return replace(self, level_after=self.level_before, membership_after=self.membership_before)

    def unread(self, message: str) -> "Outcome":
        """Return this outcome as failed, for a room that was not read back."""
        return replace(
            self, outcome=FAILED, message=message, control=False, level_after=None, membership_after=None
        )

    def with_state(self, view: RoomView) -> "Outcome":
        """Return this outcome with the present state of the room."""
        return replace(
            self,
            control=view.has_control(self.user_id),
            level_after=view.levels.level_of(self.user_id),
            level_needed=view.levels.control,
            level_highest=view.levels.highest()[0],
            membership_after=view.membership_of(self.user_id),
        )


def room_record(details: Room | None) -> dict[str, str | None]:
    """Return how records name a room; all null where it is not known."""
    return {name: getattr(details, name, None) for name in ("name", "canonical_alias", "version")}


def _level(level: int | None) -> int | str | None:
    return None if level is None else format_level(level)


def before(room: str, user_id: UserId, details: RoomDetails, view: RoomView) -> Outcome:
    """Return an outcome with the level and the membership before; the rest is filled in later."""
    return Outcome(
        room=room,
        room_id=view.room_id,
        user_id=user_id,
        outcome=FAILED,
        message="",
        details=details,
        level_before=view.levels.level_of(user_id),
        membership_before=view.membership_of(user_id),
    ).with_state(view)


def refused(start: Outcome, refusal: Refusal) -> Outcome:
    """Return the outcome of a room that is refused; nothing was changed."""
    return replace(
        start,
        outcome=REFUSED,
        reason=refusal.reason,
        message=refusal.message,
        lines=refusal.lines,
        reach=refusal.reach,
    )


def planned(start: Outcome, plan: Plan, view: RoomView) -> Outcome:
    """Return the outcome of a dry run: the state after the plan, but ``control`` as it is now."""
    membership = start.membership_before
    if plan.outcome == DONE:
        membership = "join"
    elif any(step.invites or (step.action == "invite" and step.user == start.user_id) for step in plan.steps):
        membership = "invite"
    return replace(
        start,
        outcome=PLANNED,
        message=plan.message,
        promoter=plan.promoter,
        reach=plan.reach,
        level_after=plan.level,
        membership_after=membership,
        steps=tuple(StepTaken.of(step) for step in plan.steps),
        warnings=plan.warnings,
        abilities=view.levels.abilities(plan.level),
    )


def reason_of(error: SynadminError) -> str:
    """Return the code for scripts of an error that the server answered."""
    if isinstance(error, RateLimitedError):
        return "rate-limited"
    if isinstance(error, MatrixError) and error.errcode == "M_INVITE_BLOCKED":
        return "target-blocks-invites"
    if isinstance(error, NotPermittedError):
        return "not-permitted"
    return "server-error"
