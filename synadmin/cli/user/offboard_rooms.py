"""The messages of ``user offboard`` about rooms: before the question, in the question, and after the run."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from synadmin.cli.confirm import PlannedRoom, confirm_plan
from synadmin.cli.targets import counted, join_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from synadmin.cli.invocation import Invocation
    from synadmin.ids import UserId
    from synadmin.recovery.offboard import RoomHandover
    from synadmin.recovery.room_control import RoomControl

BAD = frozenset({"refused", "failed", "partly"})
"""The outcomes of a room for which the account is not closed."""
DONE_WORDS = {"lock": "locked", "deactivate": "deactivated", "nothing": "unchanged"}


@dataclass(slots=True)
class HandoverReport:
    """Prints the outcome of each room; a line that was shown before the question is not repeated.

    Attributes:
        invocation: prints the lines.
        asks: whether a question follows the plan: then the rooms are printed with the question.
        planned: by user, the rooms of the plan.
    """

    invocation: "Invocation"
    asks: bool
    planned: "dict[UserId, list[RoomHandover]]" = field(default_factory=dict)
    _plan: list[PlannedRoom] = field(default_factory=list)
    _in_question: set[str] = field(default_factory=set)
    _printed: set[str] = field(default_factory=set)

    def say(self, handed: "Sequence[RoomHandover]") -> None:
        """Print the outcomes of an account's rooms after the run."""
        for room in handed:
            line = _line(room)
            if line not in self._printed:
                self.invocation.say(line)

    def plan_rooms(
        self, user: "UserId", handed: "list[RoomHandover]", leaves: "Sequence[RoomControl]", *, refused: bool
    ) -> None:
        """Print the planned rooms of an account, or keep them for the question.

        Args:
            user: the account.
            handed: the rooms that would be handed over.
            leaves: the rooms that the account would leave.
            refused: the question does not name the account.
        """
        self.planned[user] = handed
        gives_up = {control.label: _leaving_text(user, control) for control in leaves}
        for room in handed:
            line, further = _line(room), gives_up.pop(room.control.label, None)
            text = line if further is None else f"{line} {further}"
            if line in self._printed | self._in_question:
                continue
            if self.asks and not refused:
                self._in_question.add(line)
                self._plan.append(_planned_room(room.control, room.outcome, _note(room), text))
            else:
                self._printed.add(line)
                self.invocation.say(text)
        for control in leaves:
            if control.label not in gives_up:
                continue
            text = f"{control.label}: planned: {gives_up[control.label]}"
            if self.asks and not refused:
                self._plan.append(_planned_room(control, "planned", "the account leaves", text))
            else:
                self.invocation.say(text)

    def ask(self, question: str) -> None:
        """Show the rooms, refused ones first, and ask whether to continue."""
        plan = sorted(self._plan, key=lambda room: room.outcome == "planned")
        if confirm_plan(self.invocation, plan, question):
            self._printed |= self._in_question

    def refused_rooms(self, user: "UserId") -> "list[RoomHandover]":
        """Return the rooms of an account that cannot be handed over by the plan."""
        return [room for room in self.planned.get(user, []) if room.outcome in BAD]


def question(
    report: HandoverReport,
    rooms: "dict[UserId, int]",
    then: str,
    *,
    gives_up: bool,
    leave_rooms: bool,
) -> str | None:
    """Return the question, which says what will happen; None where nothing will happen.

    Args:
        report: the planned rooms.
        rooms: by user, how many rooms depend on it.
        then: the value of ``--then``.
        gives_up: whether the accounts give up their power.
        leave_rooms: whether an account with a refused room is locked or deactivated, too.
    """
    refused = {user: bad for user in rooms if (bad := report.refused_rooms(user))}
    kept = [] if leave_rooms or then == "nothing" else list(refused)
    sentences = _room_sentences(rooms, [room for bad in refused.values() for room in bad])
    if kept:
        names = "The account" if len(rooms) == 1 else join_names(kept)
        sentences.append(f"{names} will not be {DONE_WORDS[then]}; --leave-rooms does it anyway.")
    if gives_up and len(refused) < len(rooms):
        account = _accounts(len(rooms), len(refused)).capitalize()
        sentences.append(
            f"{account} gives up its power where other local users stay, and leaves these rooms."
        )
    if then != "nothing" and len(kept) < len(rooms):
        account = _accounts(len(rooms), len(kept))
        when = "Then" if refused and leave_rooms else "After its rooms are handed over,"
        sentences.append(
            f"{when} {account} is {DONE_WORDS[then]}."
            if any(rooms.values())
            else f"{account.capitalize()} will be {DONE_WORDS[then]}."
        )
    if not any(rooms.values()) and len(sentences) == 1:
        return None
    return " ".join([*sentences, "Continue?"])


def _accounts(total: int, without: int) -> str:
    """Return the remaining accounts as the subject of a sentence."""
    if total == 1:
        return "the account"
    if not without:
        return "each account"
    return "the other account" if total - without == 1 else "each other account"


def _room_sentences(rooms: "dict[UserId, int]", refused: "list[RoomHandover]") -> list[str]:
    names, total = join_names(list(rooms)), sum(rooms.values())
    if not total:
        return [f"No room depends on {names}."]
    if not refused:
        return [f"{counted(total, 'room')} of {names} will be handed over to the successors."]
    to = " to every successor" if any(room.outcome == "partly" for room in refused) else ""
    sentences = [f"{len(refused)} of {counted(total, 'room')} of {names} cannot be handed over{to}."]
    if possible := total - len(refused):
        sentences.append(f"{counted(possible, 'room')} will be handed over.")
    return sentences


def _line(room: "RoomHandover") -> str:
    messages = " ".join(dict.fromkeys(result.message for result in room.outcomes))
    return f"{room.control.label}: {room.outcome}: {messages}"


def _note(room: "RoomHandover") -> str:
    if room.outcome == "planned":
        return counted(sum(len(result.steps) for result in room.outcomes), "step")
    return room.worst.reason or room.worst.message


def _planned_room(control: "RoomControl", outcome: str, note: str, line: str) -> PlannedRoom:
    """Return a room of the plan that is shown before the question; its label is the heading."""
    label = control.label
    text = f"{label}\n  {line.removeprefix(f'{label}: ')}"
    name = control.details.name or control.details.canonical_alias
    return PlannedRoom(control.view.room_id, name, outcome, note, text)


def _leaving_text(user_id: "UserId", room: "RoomControl") -> str:
    kept = {True: "its power as a creator stays", False: "its level is taken away"}
    return f"{user_id} leaves the room; {kept[room.view.levels.is_creator(user_id)]}."
