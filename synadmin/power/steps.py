"""The steps of a plan, and the sentence that describes each."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from synadmin.ids import UserId
from synadmin.power.levels import format_level
from synadmin.power.room import AccountState, Reach


class Action(StrEnum):
    """The action of a step. The values are part of the contract with scripts."""

    MAKE_ROOM_ADMIN = "make-room-admin"
    SET_LEVEL = "set-level"
    INVITE = "invite"
    JOIN = "join"
    UNBAN = "unban"
    LEAVE = "leave"
    REACTIVATE = "reactivate"
    UNLOCK = "unlock"
    UNSUSPEND = "unsuspend"
    DEACTIVATE = "deactivate"
    LOCK = "lock"
    SUSPEND = "suspend"

    @property
    def reverts(self) -> "Action | None":
        """The action of an earlier step that this one reverts; None where it reverts none."""
        match self:
            case Action.LEAVE:
                return Action.JOIN
            case Action.DEACTIVATE:
                return Action.REACTIVATE
            case Action.LOCK:
                return Action.UNLOCK
            case Action.SUSPEND:
                return Action.UNSUSPEND
            case Action.MAKE_ROOM_ADMIN | Action.SET_LEVEL | Action.INVITE | Action.JOIN | Action.UNBAN:
                return None
            case Action.REACTIVATE | Action.UNLOCK | Action.UNSUSPEND:
                return None


ENABLING = {
    AccountState.DEACTIVATED: (Action.REACTIVATE, Action.DEACTIVATE),
    AccountState.LOCKED: (Action.UNLOCK, Action.LOCK),
    AccountState.SUSPENDED: (Action.UNSUSPEND, Action.SUSPEND),
}
"""By account state: the action that enables the account for a short time, and the one that reverts it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A step of a plan.

    Attributes:
        action: the action.
        as_user: the user as whom the server takes the step. For :attr:`Action.MAKE_ROOM_ADMIN` it is the
            promoter, though the request has the caller's token. For a change of an account it is the caller.
            None: a joined local member who is yet to be found (``Plan.needs_member``).
        user: the user who is promoted, invited or unbanned, who joins or leaves, or whose account changes.
        level: the level that is set, where one is.
        invites: Make Room Admin also invites the user.
        reach: the reach that the step needs.
        puts_back: the step reverts an earlier step of the same plan.
    """

    action: Action
    as_user: UserId | None
    user: UserId
    level: int | None = None
    invites: bool = False
    reach: Reach = Reach.API
    puts_back: bool = False

    @property
    def detail(self) -> str:
        """The step as a sentence."""
        actor = self.as_user or "a local member, yet to be found,"
        match self.action:
            case Action.MAKE_ROOM_ADMIN:
                invited = ", and invite them" if self.invites else ""
                return f"Give {self.user} level {self._level} through {actor} (Make Room Admin){invited}."
            case Action.SET_LEVEL:
                return f"As {actor} give {self.user} level {self._level}."
            case Action.INVITE:
                return f"As {actor} invite {self.user}."
            case Action.UNBAN:
                return f"As {actor} lift the ban on {self.user}."
            case Action.JOIN:
                return f"Join the room as {self.user}."
            case Action.LEAVE:
                return f"Leave the room again as {self.user}."
            case Action.REACTIVATE | Action.UNLOCK | Action.UNSUSPEND:
                return f"{self.action.capitalize()} the account {self.user} for a short time."
            case Action.DEACTIVATE:
                return f"Deactivate the account {self.user} again; that makes it leave, too."
            case Action.LOCK | Action.SUSPEND:
                return f"{self.action.capitalize()} the account {self.user} again."

    @property
    def _level(self) -> str:
        return "as it is" if self.level is None else str(format_level(self.level))

    def __str__(self) -> str:
        return self.detail


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The steps that reach the goal.

    Attributes:
        steps: the steps in order, including those that revert others; empty where nothing is left to do.
        reach: the reach that the plan needs.
        outcome: ``done``: the target will be joined with control. ``pending``: the target will have the
            level, but has to join by itself.
        level: the level that the target will have.
        promoter: the user who grants the level; None where no level is granted, or the user is not known yet.
        message: one sentence on the state after the plan.
        warnings: sentences on effects that the person who asks may not expect.
        unverified: local users that the plan relies on, but whose account was not read.
        needs_member: an active joined local member has to be found first (``as_user`` is None): add this
            member to the view and plan again.
    """

    steps: tuple[Step, ...]
    reach: Reach
    outcome: Literal["done", "pending"]
    level: int
    promoter: UserId | None
    message: str
    warnings: tuple[str, ...] = ()
    unverified: tuple[UserId, ...] = ()
    needs_member: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """The refusal of a plan, with its reason. Nothing is changed.

    Attributes:
        reason: a code that scripts rely on.
        reach: the least reach that would be enough; None where none would.
        message: for people: the state now, which users have power, what to do next.
        lines: the message in lines, one for each step; empty where the message names no steps.
        unverified: as in a plan, for the plan that the least reach would allow.
        needs_member: as in a plan.
    """

    reason: Literal[
        "not-in-room",
        "no-local-power",
        "insufficient-power",
        "needs-impersonate",
        "needs-reactivate",
        "target-banned",
        "target-unknown",
        "target-deactivated",
        "target-suspended",
        "target-guest",
        "room-blocked",
        "would-lose-control",
        "too-few-controllers",
    ]
    reach: Reach | None
    message: str
    lines: tuple[str, ...] = ()
    unverified: tuple[UserId, ...] = ()
    needs_member: bool = False
