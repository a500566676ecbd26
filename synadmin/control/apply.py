"""Changing rooms as the control file says: one room after the other, each step read back.

Admins come first, then levels are raised, then other users are lowered, then the settings are changed. So a
room never has fewer local users with control than before, unless the file says so. Each room is planned again
before it is changed: steps that a killed run did not take are steps of the next plan.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from synadmin.control.heirs import HeirNotices, notify
from synadmin.control.plan import (
    RoomSteps,
    differences_now,
    find_succession,
    plan_room,
    preview_admin,
    view_of,
)
from synadmin.control.records import (
    MatchedRoom,
    NotPossible,
    RoomChange,
    RoomReport,
    missing_admins,
    must_join,
)
from synadmin.control.settings import EVENT_TYPES
from synadmin.errors import (
    ConnectError,
    JournalError,
    MatrixError,
    NotAuthenticatedError,
    ReplyError,
    SynadminError,
)
from synadmin.ids import UserId
from synadmin.power.room import Goal, Reach, RoomView
from synadmin.recovery import change_levels
from synadmin.recovery import outcome as results
from synadmin.recovery.change_levels import Actor, EditPlan
from synadmin.recovery.make_admin import Run
from synadmin.recovery.outcome import StepTaken
from synadmin.recovery.room_state import set_state
from synadmin.recovery.workspace import Recovery


class InterruptedApply(KeyboardInterrupt):
    """Ctrl-C in the middle of a room.

    Attributes:
        report: its report so far. Temporary changes are reverted already.
    """

    def __init__(self, report: RoomReport) -> None:
        super().__init__()
        self.report = report


@dataclass(frozen=True, slots=True)
class Apply:
    """Changes rooms as the control file says.

    Attributes:
        recovery: the run.
        notices: the record of notices to controllers about heirs.
        before: is called before the first room is changed.
        approve: returns the report of a planned room; refused if the plan differs from the approved one.
    """

    recovery: Recovery
    notices: HeirNotices
    before: Callable[[], None] = lambda: None
    approve: Callable[[RoomReport], RoomReport] = lambda report: report

    def carry_out(self, target: MatchedRoom, *, allow: Reach) -> RoomReport:
        """Plan a room as it is now, carry out the plan, and read the room back.

        Raises:
            NotAuthenticatedError: the token has become invalid.
            JournalError: the journal cannot be written.
            ConnectError: the server does not answer.
            InterruptedApply: Ctrl-C came.
        """
        observer = self.recovery.observer
        observer.keeps_creators = True
        observer.forget_all()
        planned = self.approve(plan_room(observer, target, allow=allow, notices=self.notices))
        if planned.outcome != results.PLANNED:
            return planned
        if not planned.steps:  # an admin has to join, or the heirs have to wait
            return self._read_back(planned, None)
        self.before()
        work = _RoomWork(observer, planned.target, allow, recovery=self.recovery, notices=self.notices)
        failure: SynadminError | NotPossible | None = None
        try:
            settings = [change.subject for change in planned.changes if change.kind == "setting"]
            work.take_all(missing_admins(planned.changes), settings)
            work.announce(planned)
        except (JournalError, NotAuthenticatedError):
            raise
        except (SynadminError, NotPossible) as caught:
            failure = caught
        except KeyboardInterrupt as interruption:
            message = "Interrupted before the room was finished. Run the command again to finish."
            report = replace(
                planned,
                outcome=results.FAILED,
                reason="interrupted",
                message=message,
                steps=tuple(work.steps),
            )
            raise InterruptedApply(report) from interruption
        return self._read_back(replace(planned, steps=tuple(work.steps)), failure)

    def _read_back(self, report: RoomReport, failure: SynadminError | NotPossible | None) -> RoomReport:
        """Return the report with the present state of the room."""
        begun = any(step.status != "planned" for step in report.steps)
        if isinstance(failure, NotPossible) and not begun:
            return replace(
                report, outcome=results.REFUSED, reason=failure.reason, message=failure.message, steps=()
            )
        self.recovery.observer.forget_all()
        try:
            left = differences_now(self.recovery.observer, report.target)
        except (MatrixError, ConnectError, ReplyError) as error:
            message = f"The room could not be read back: {error}. Run the command again to see its state."
            return replace(report, outcome=results.FAILED, reason=results.reason_of(error), message=message)
        announced = [change for change in report.changes if change.kind == "heir" and change.before is None]
        if not left and failure is None and announced:
            return replace(report, outcome=results.PENDING)
        if not left and failure is None:
            return replace(report, outcome=results.DONE, message="Everything is as the file says.")
        waits = [change.subject for change in left if _waits(change)]
        others = [change for change in left if not _waits(change)]
        if failure is None and waits and all(change.takes_power for change in others):
            message = must_join(waits, lowers=bool(others))
            return replace(report, outcome=results.PENDING, message=message)
        reason = "server-error"
        message = "The server reported success, but the room does not show the change."
        if isinstance(failure, NotPossible):
            # These sentences are about the step that failed; steps before it may have changed the room.
            same = re.compile(r" (?:Nothing was changed|The room is unchanged)\.")
            reason, message = failure.reason, same.sub("", failure.message)
        elif failure is not None:
            reason, message = results.reason_of(failure), f"{failure}."
        if left:
            message += f" Not as the file says: {', '.join(change.subject for change in left)}."
        return replace(report, outcome=results.FAILED, reason=reason, message=message)


def _waits(change: RoomChange) -> bool:
    """Whether a user has the level for control and has not joined yet."""
    return (
        change.kind in {"admin", "heir"}
        and change.before["membership"] != "join"
        and change.before["level"] == change.after["level"]
    )


@dataclass(slots=True, kw_only=True)
class _RoomWork(RoomSteps):
    """The work on one room."""

    recovery: Recovery
    notices: HeirNotices

    def announce(self, planned: RoomReport) -> None:
        """Notify the controllers that heirs take over, where that is planned, and record it.

        Raises:
            SynadminError: the notices could not be sent or recorded.
        """
        steps = [step for step in planned.steps if step.action == "notify"]
        heirs = self.target.entry.heirs
        if not steps or heirs is None:
            return
        due = find_succession(self.observer, self.target, self.notices)
        room = self.target.room
        called = f"{room.name} ({room.room_id})" if room.name else room.room_id
        with _RecordedStep(self.steps, steps[0]):
            if due is not None:
                notify(self.recovery.synapse, called, room.room_id, heirs, due, notices=self.notices)

    def give_control(self, user: UserId) -> bool:
        self.observer.forget_all()
        preview = preview_admin(self.observer, self.target.room_id, user, allow=self.allow)
        goal = Goal(target=user, caller=self.observer.synapse.owner, allow=self.allow)
        result = Run(self.recovery, goal).carry_out(preview)
        self.steps += result.steps
        if result.outcome not in {results.DONE, results.PENDING}:
            raise NotPossible(result.reason or "server-error", result.message, result.reach)
        return result.outcome == results.PENDING

    def view_now(self) -> RoomView:
        self.observer.forget_all()
        return view_of(self.observer, self.target)

    def set_levels(self, planned: EditPlan, step: StepTaken) -> RoomView:
        with _RecordedStep(self.steps, step):
            return change_levels.carry_out(self.recovery, planned)

    def set_setting(self, name: str, content: Any, actor: Actor | None, step: StepTaken) -> None:  # noqa: ANN401
        room_id = self.target.room_id
        with _RecordedStep(self.steps, step):
            if actor is None:
                self.recovery.synapse.client_server.set_directory_visibility(room_id, listed=content)
            else:
                set_state(self.recovery, room_id, actor, EVENT_TYPES[name], content)


@dataclass(frozen=True, slots=True)
class _RecordedStep:
    """Records a step as done, or as failed if it raises an error."""

    steps: list[StepTaken]
    step: StepTaken

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            self.steps.append(replace(self.step, status="done"))
        else:
            note = (
                "Interrupted: it may have been carried out."
                if isinstance(error, KeyboardInterrupt)
                else error
            )
            self.steps.append(replace(self.step, status="failed", detail=f"{self.step.detail} {note}"))
