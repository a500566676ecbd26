"""The report of a plan or an apply about a room: the differences, the steps, the outcome."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from synadmin.api.rooms import Room
from synadmin.control.file import RoomsEntry
from synadmin.ids import RoomId, UserId
from synadmin.power.room import Reach
from synadmin.recovery.outcome import StepTaken, room_record

IN_ORDER = "in-order"
_WHERE = {"join": "joined", "invite": "invited", "ban": "banned", "knock": "knocking"}


@dataclass(frozen=True, slots=True)
class MatchedRoom:
    """A room, and the entry that applies to it.

    Attributes:
        room: the room as the server lists it.
        entry: the last entry of the file that matches it.
        named: the entry names this room itself, instead of a kind of rooms.
    """

    room: Room
    entry: RoomsEntry
    named: bool = True

    @property
    def room_id(self) -> RoomId:
        """The room's id."""
        return self.room.room_id


@dataclass(frozen=True, slots=True)
class RoomChange:
    """A difference between a room and the file.

    Attributes:
        kind: ``admin``, ``moderator``, ``lower``, ``setting`` or ``heir``.
        subject: the user, or the name of the setting.
        before: the level, the membership and level of an admin, or the value of the setting now.
        after: the same, as the file says; for an admin the level that the plan gives, or in a room that is
            refused the least level that is enough.
    """

    kind: str
    subject: str
    before: Any
    after: Any

    @property
    def takes_power(self) -> bool:
        """Whether the change lowers a user: it is made after the new admins have joined."""
        return self.kind == "lower" or (self.kind == "moderator" and self.after < self.before)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomReport:
    """The plan or result of a room: its differences from the file, the steps, the outcome.

    Attributes:
        target: the room and its entry.
        outcome: ``in-order``, ``planned``, ``refused``; after an apply ``done``, ``pending`` or ``failed``.
        reason: a code for scripts; None where nothing went wrong.
        message: one sentence on what holds now, or will.
        changes: its differences from the file.
        steps: the planned or taken steps.
        reach: for a refused room the least ``--allow`` that would be enough.
        warnings: sentences on users who get control and cannot use it.
    """

    target: MatchedRoom
    outcome: str
    reason: str | None = None
    message: str = ""
    changes: tuple[RoomChange, ...] = ()
    steps: tuple[StepTaken, ...] = ()
    reach: Reach | None = None
    warnings: tuple[str, ...] = ()

    def as_record(self) -> dict[str, Any]:
        """Return the report as ``control plan -o json`` shows it."""
        room = self.target.room
        return {
            "room_id": room.room_id,
            "room": room_record(room),
            "entry": self.target.entry.name,
            "outcome": self.outcome,
            "reason": self.reason,
            "message": self.message,
            "changes": [asdict(change) for change in self.changes],
            "steps": [step.as_record() for step in self.steps],
            "warnings": list(self.warnings),
        }


class NotPossible(Exception):  # noqa: N818  a refusal, not an error
    """The room cannot be changed as the file says."""

    def __init__(self, reason: str, message: str, reach: Reach | None = None) -> None:
        super().__init__(message)
        self.reason, self.message, self.reach = reason, message, reach


def in_order(target: MatchedRoom) -> RoomReport:
    """Return the report of a room in which everything is as the file says."""
    return RoomReport(target=target, outcome=IN_ORDER, message="Everything is as the file says.")


def missing_admins(changes: Iterable[RoomChange]) -> list[UserId]:
    """Return the users who need control by these changes, without heirs who are not due yet."""
    return [
        UserId(change.subject)
        for change in changes
        if change.kind in {"admin", "heir"} and change.before is not None
    ]


def must_join(users: Iterable[str], *, lowers: bool) -> str:
    """Return the pending joins of users who have the level for control and are not in the room.

    Args:
        users: the users who have to join.
        lowers: other users are to be lowered after the joins.
    """
    message = f"The level is granted. {', '.join(users)} must join the room to have control."
    return f"{message} Other admins keep their level until then." if lowers else message


def where(membership: str) -> str:
    """Return a membership as a person reads it."""
    return _WHERE.get(membership, "not in the room")
