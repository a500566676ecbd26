"""From a plan to requests: each step is carried out, then the room is read back for the outcome."""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

from synadmin.errors import (
    ConnectError,
    JournalError,
    MatrixError,
    NotAuthenticatedError,
    NotFoundError,
    RateLimitedError,
    ReplyError,
    ServerError,
    SynadminError,
)
from synadmin.ids import RoomAlias, RoomId, UserId
from synadmin.parallel import side_by_side
from synadmin.power.levels import format_level
from synadmin.power.room import Goal, Reach, RoomView
from synadmin.power.steps import Action, Plan, Refusal, Step
from synadmin.recovery import outcome
from synadmin.recovery.actions import StepRunner
from synadmin.recovery.observer import Observation, Observer
from synadmin.recovery.outcome import Outcome, StepTaken
from synadmin.recovery.overwritten import set_again
from synadmin.recovery.temporary_changes import Revert
from synadmin.recovery.temporary_membership import TemporaryMembership
from synadmin.recovery.workspace import Recovery

_HASH = 43  # characters of the id of a room from version 12 on, which is a hash
_NO_SERVER_HELPED = frozenset({404, 502, 503, 504})
_TRIES = 5  # tries to gain a level that others overwrite at the same time
_IS = {"join": "is in the room", "invite": "is invited", "ban": "is banned", "knock": "has knocked"}


@dataclass(frozen=True, slots=True)
class Preview:
    """A room that was read, with its plan or refusal.

    Attributes:
        observation: the room as it was seen.
        result: the outcome so far: refused, planned, or done already.
        enters: a local user has to join before the room can be seen, and a plan made.
    """

    observation: Observation
    result: Outcome
    enters: Plan | None = None

    @property
    def plan(self) -> Plan | None:
        """The plan, where there is something to be done."""
        answer = self.enters or self.observation.answer
        return answer if isinstance(answer, Plan) and answer.steps else None


def preview_rooms(
    observer: Observer, rooms: Iterable[RoomId | RoomAlias], goal: Goal, *, at_once: int = 1
) -> Iterator[Preview]:
    """Look at each room and plan; nothing is changed.

    A room that is given twice, by its id and by an alias, is read once. A room that cannot be read does not
    stop the others: its outcome is ``failed``.

    Args:
        observer: looks at the rooms.
        rooms: the rooms.
        goal: the user who is to have control.
        at_once: how many rooms are read at the same time. More than one only if no room is changed in
            between.

    Raises:
        NotPermittedError: the token is not a server admin's.
        SynadminError: the server did not answer a request, or answered with an error.
    """

    def look(room: RoomId | RoomAlias) -> Preview:
        try:
            return _preview(observer if at_once == 1 else observer.beside(), room, goal)
        except (ServerError, ReplyError) as error:
            hint = f" {error.hint[0].upper()}{error.hint[1:]}." if error.hint else ""
            message = f"The room could not be read: {error}.{hint} Nothing was changed."
            return _unread(Observation(room), goal, outcome.FAILED, "server-error", message)

    looked_at: set[RoomId] = set()
    for preview in side_by_side(look, rooms, at_once=at_once):
        room_id = preview.result.room_id
        if room_id not in looked_at:
            yield preview
        if room_id is not None:
            looked_at.add(room_id)


def _unread(observation: Observation, goal: Goal, state: outcome.State, reason: str, message: str) -> Preview:
    """Return the result of a room that could not be read."""
    room, user = observation.room, goal.target
    room_id = None if room.startswith("#") else RoomId(room)
    result = Outcome(room=room, room_id=room_id, user_id=user, outcome=state, reason=reason, message=message)
    return Preview(observation, result)


def _advice_on_id(room_id: str) -> str:
    """Return a hint on an id of a wrong length; empty where the length is right."""
    opaque, colon, _ = room_id[1:].partition(":")
    if colon and len(opaque) == _HASH:
        return f" From room version 12 on, ids have no server name: !{opaque}."
    if not colon and len(opaque) != _HASH:
        return f" Before room version 12, ids end with a server name: !{opaque}:SERVER."
    return ""


def _preview(observer: Observer, room: RoomId | RoomAlias, goal: Goal, *, may_enter: bool = True) -> Preview:
    try:
        observation = observer.observe(room, goal)
    except NotFoundError:
        observation = Observation(room)
    if observation.view is None or observation.answer is None or observation.details is None:
        reason, message = "unknown-room", f"This server does not know the room {room}.{_advice_on_id(room)}"
        if room.startswith("#") and observation.details is None:
            reason, message = (
                "unknown-alias",
                f"The alias {room} does not point to a room that this server knows.",
            )
        message += " `synadmin room list --search TEXT` finds rooms by name."
        return _unread(observation, goal, outcome.REFUSED, reason, message)
    start = outcome.before(room, goal.target, observation.details, observation.view)
    answer = observation.answer
    if isinstance(answer, Refusal):
        if answer.reason == "not-in-room" and observation.via and may_enter:
            first = _join_plan(observation, goal)
            planned = outcome.planned(start, first, observation.view)
            return Preview(observation, _replaced(replace(planned, abilities=()), observation), first)
        return Preview(observation, _replaced(outcome.refused(start, answer), observation))
    if not answer.steps:
        kind: outcome.State = outcome.DONE if start.control else outcome.PENDING
        return Preview(observation, replace(start, outcome=kind, message=answer.message, reach=answer.reach))
    return Preview(observation, _replaced(outcome.planned(start, answer, observation.view), observation))


def _replaced(result: Outcome, observation: Observation) -> Outcome:
    """Name the room that has replaced this one."""
    if observation.replacement is None:
        return result
    words = f"The room was upgraded: '{observation.replacement}' has replaced it."
    lines = (*result.lines, words) if result.lines else ()
    return replace(result, message=f"{result.message} {words}", lines=lines)


def _join_plan(observation: Observation, goal: Goal) -> Plan:
    """Return the first half of a plan for a room without local members: to join, then to read the room."""
    caller, servers = goal.caller, ", ".join(observation.via)
    return Plan(
        steps=(Step(action=Action.JOIN, as_user=caller, user=caller),),
        reach=Reach.API,
        outcome="pending",
        level=0,
        promoter=None,
        message=(
            f"The rest of the plan depends on the room's state, which is visible only after joining. "
            f"It is carried out if --allow permits it. Otherwise {caller} leaves again."
        ),
        warnings=(
            (
                f"No user of this server is in the room: {caller} tries to join it through {servers}. "
                f"That works if the room is public."
            ),
        ),
    )


class InterruptedRun(KeyboardInterrupt):
    """Ctrl-C in the middle of a room.

    Attributes:
        result: the outcome of this room, with the begun steps. Temporary changes are reverted already.
    """

    def __init__(self, result: Outcome) -> None:
        super().__init__()
        self.result = result


class TokenEndedError(NotAuthenticatedError):
    """The token became invalid in the middle of a room.

    Attributes:
        result: the outcome of this room, with the steps that were begun.
    """

    def __init__(self, error: NotAuthenticatedError, result: Outcome) -> None:
        super().__init__(status=error.status, errcode=error.errcode, reason=error.reason, hint=error.hint)
        self.result = result


@dataclass(frozen=True, slots=True)
class Run:
    """Carries out the plans of rooms, one after the other.

    Attributes:
        recovery: the server, and what is reverted at the end.
        goal: the goal.
    """

    recovery: Recovery
    goal: Goal

    def carry_out(self, preview: Preview) -> Outcome:
        """Carry out a plan, revert temporary changes, and read the room back.

        An error that affects only this room is a part of the outcome. Errors that stop all rooms are raised:

        Raises:
            NotAuthenticatedError: the token has become invalid. After the first step it is a
                :class:`TokenEndedError`.
            JournalError: the journal cannot be written.
            InterruptedRun: Ctrl-C came.
        """
        plan, view = preview.plan, preview.observation.view
        if plan is None or view is None:
            return preview.result
        with self.recovery.lock(view.room_id) as waited:
            if waited:
                self.recovery.observer.forget_all()
                preview = _preview(self.recovery.observer, view.room_id, self.goal)
            result = self._carry_out(preview)
            for _ in range(_TRIES):
                again = self._plan_again(preview, result)
                if again is None:
                    break
                preview = again
                result = self._carry_out(preview).continuing(result)
            return result

    def _plan_again(self, preview: Preview, result: Outcome) -> Preview | None:
        """Plan a room again where others have overwritten the level; None where another try does not help.

        Of two power-levels events that are sent at once, Synapse accepts both and the room keeps one.
        """
        before, level, needed = preview.observation.view, result.level_after, result.level_needed
        lacks_level = level is not None and needed is not None and level < needed
        if result.outcome != outcome.FAILED or result.reason == "rate-limited" or not lacks_level:
            return None
        if before is None or preview.enters is not None:
            return None
        self.recovery.observer.forget_all()
        try:
            again = _preview(self.recovery.observer, before.room_id, self.goal)
        except NotAuthenticatedError as error:
            raise TokenEndedError(error, result) from error
        except (MatrixError, ConnectError, ReplyError):
            return None
        now = again.observation.view
        changed = now is not None and now.power_levels != before.power_levels
        return again if changed and again.result.outcome != outcome.REFUSED else None

    def _carry_out(self, preview: Preview) -> Outcome:
        plan, view = preview.plan, preview.observation.view
        if plan is None or view is None:
            return preview.result
        if preview.enters is not None:
            return self._join_and_act(preview, preview.enters.steps[0], view.room_id)
        mark = self.recovery.temporary.mark
        taken: list[StepTaken] = []
        failure: SynadminError | None = None
        stopped: KeyboardInterrupt | NotAuthenticatedError | None = None
        try:
            failure = self._take_all(plan, view, preview.observation, taken)
        except (KeyboardInterrupt, NotAuthenticatedError) as caught:
            stopped = caught
        finally:
            left = self.recovery.temporary.revert_since(mark)
        forward = (step for step in plan.steps if not step.puts_back)
        pairs = zip(forward, taken, strict=False)  # an interruption leaves the rest without a record
        begun = {(step.action, step.user) for step, record in pairs if record.status != "planned"}
        taken += [_reverted_step(step, begun, left) for step in plan.steps if step.puts_back]
        start = replace(preview.result, promoter=plan.promoter, steps=tuple(taken))
        if stopped is not None:
            raise _stop_error(stopped, start, is_begun=len(taken) > 1) from stopped
        try:
            now = self.recovery.observer.again(preview.observation, self.goal)
            result = _outcome_read_back(start.with_state(now), view, now, failure, is_reverted=not left)
            if result.outcome != outcome.FAILED:
                problem = set_again(self.recovery, self.goal, view, now)
                result = result if problem is None else replace(result, message=f"{result.message} {problem}")
        except (KeyboardInterrupt, NotAuthenticatedError) as caught:
            raise _stop_error(caught, start, is_begun=True) from caught
        except (MatrixError, ConnectError, ReplyError) as error:
            message = f"The room's state could not be read back: {error}. Run the command again to see it."
            return replace(start.unread(message), reason=outcome.reason_of(failure or error))
        if left:
            words = f"Not reverted, and tried again at the end: {'; '.join(map(str, left))}."
            result = replace(result, message=f"{result.message} {words}")
        return result

    def _join_and_act(self, preview: Preview, join: Step, room_id: RoomId) -> Outcome:
        """Join a room without local members, plan and act; leave it unless the caller is the new admin."""
        observation, goal, mark = preview.observation, self.goal, self.recovery.temporary.mark
        visit = TemporaryMembership(self.recovery, room_id)
        result: Outcome | None = None
        try:
            try:
                visit.join(join.user, via=list(observation.via))
            except NotAuthenticatedError:
                raise
            except (MatrixError, ConnectError) as error:
                return _join_failed(preview, join, error)
            self.recovery.observer.forget_all()
            try:
                # By its id: an alias may point to another room by now.
                inside = _preview(self.recovery.observer, room_id, goal, may_enter=False)
                result = self._carry_out(inside)
            except NotAuthenticatedError as error:
                steps = error.result.steps if isinstance(error, TokenEndedError) else ()
                start = replace(preview.result, steps=(StepTaken.of(join, "done"), *steps))
                raise _stop_error(error, start, is_begun=True) from error
        finally:
            mine = goal.join and goal.target == goal.caller
            stays = mine and result is not None and result.outcome == outcome.DONE
            if stays:
                self.recovery.temporary.keep(mark)
            left = self.recovery.temporary.revert_since(mark)
            self.recovery.observer.forget_all()
        stands = result.outcome in {outcome.DONE, outcome.PENDING} or left
        status: outcome.StepState = "done" if stands else "undone"
        taken = StepTaken.of(join, status)
        before = preview.result.membership_before
        result = replace(result, membership_before=before, steps=(taken, *result.steps))
        if goal.target != goal.caller or stays or left:
            return result
        result = replace(result, membership_after="leave", control=False)
        if result.outcome != outcome.DONE:
            return result
        level = format_level(result.level_after or 0)
        message = f"{goal.target} has level {level} and has to join the room to have control."
        return replace(result, outcome=outcome.PENDING, message=message)

    def _take_all(
        self, plan: Plan, view: RoomView, observation: Observation, taken: list[StepTaken]
    ) -> SynadminError | None:
        """Take the steps until one fails, without those that revert temporary changes."""
        failure: SynadminError | None = None
        steps = StepRunner(self.recovery, plan, view, observation.via)
        for step in plan.steps:
            if step.puts_back:
                continue
            if failure is not None:
                taken.append(StepTaken.of(step))
                continue
            try:
                steps.carry_out(step)
            except JournalError:
                raise
            except SynadminError as error:
                if isinstance(error, NotAuthenticatedError) and self._is_with_own_token(step):
                    taken.append(StepTaken.of(step, "failed", error=error))
                    raise
                failure = _explain(error, step, view, observation)
                waits = isinstance(failure, IncompleteRoomError)
                status: outcome.StepState = "planned" if waits else "failed"
                taken.append(StepTaken.of(step, status, error=failure))
            except KeyboardInterrupt:
                taken.append(StepTaken.of(step, "failed", error="Interrupted: it may have been carried out."))
                raise
            else:
                taken.append(StepTaken.of(step, "done"))
        return failure

    def _is_with_own_token(self, step: Step) -> bool:
        """Whether a step is a request with the caller's token, on which all other steps depend."""
        if step.action is Action.MAKE_ROOM_ADMIN:
            return True
        return (step.as_user or self.goal.caller) == self.goal.caller


def _reverted_step(
    step: Step,
    begun: Container[tuple[Action, UserId]],
    left: Sequence[Revert],
) -> StepTaken:
    """Return the result of a step that reverts an earlier one."""
    if (step.action.reverts, step.user) not in begun:
        return StepTaken.of(step)
    failed = any(step.user in {back.user, *unquote(back.path).split("/")} for back in left)
    return StepTaken.of(step, "failed" if failed else "done")


def _stop_error(
    why: KeyboardInterrupt | NotAuthenticatedError, start: Outcome, *, is_begun: bool
) -> KeyboardInterrupt | NotAuthenticatedError:
    """Return the error for a run that stops in the middle of a room, with the room's outcome so far."""
    resume = "`synadmin journal resume last` continues the run and reads the result back."
    if isinstance(why, KeyboardInterrupt):
        message = f"Interrupted in this room: the result was not read back. {resume}"
        return InterruptedRun(replace(start.unread(message), reason="interrupted"))
    if not is_begun:
        return why
    message = (
        "The token became invalid in this room: the result was not read back. After "
        f"`synadmin login`, {resume}"
    )
    return TokenEndedError(why, replace(start.unread(message), reason=outcome.reason_of(why)))


def _join_failed(preview: Preview, join: Step, error: MatrixError | ConnectError) -> Outcome:
    """Return the outcome of a room without local members that no local user could join."""
    refused = isinstance(error, MatrixError) and not isinstance(error, RateLimitedError)
    way = f"{join.user} could not join it through {', '.join(preview.observation.via)}: {error}"
    return replace(
        preview.result,
        outcome=outcome.REFUSED if refused else outcome.FAILED,
        reason="not-in-room" if refused else outcome.reason_of(error),
        message=f"No user of this server is in the room, and {way}",
        reach=None,
        steps=() if refused else (StepTaken.of(join, "failed", error=error),),
        warnings=(),
    ).as_before()


class IncompleteRoomError(SynadminError):
    """The server does not have the room's state complete, so it needs another server to join the room."""


def _explain(error: SynadminError, step: Step, view: RoomView, observation: Observation) -> SynadminError:
    """Return the error of a failed step; where Synapse's error is about servers, one about the room.

    Where Synapse has the state of the room, it asks other servers only about restricted joins.
    """
    # Synapse says so with this errcode; a 404 with another one, or a page of a proxy, means something else.
    needs_servers = (
        isinstance(error, MatrixError) and error.status in _NO_SERVER_HELPED and error.errcode == "M_UNKNOWN"
    )
    if step.action is not Action.JOIN or not needs_servers or "restricted" in (view.join_rule or ""):
        return error
    tried = (
        f"through {', '.join(observation.via)}"
        if observation.via
        else "(no other server in the room is known)"
    )
    return IncompleteRoomError(
        f"this server does not have the complete state of the room yet, and could not join {tried} ({error})",
        hint="run it again when a server of the room is reachable, or name one with --via",
    )


def _outcome_read_back(
    read: Outcome,
    earlier: RoomView,
    now: RoomView,
    failure: SynadminError | None,
    *,
    is_reverted: bool,
) -> Outcome:
    """Build the outcome from the room state read back."""
    user = read.user_id
    membership = now.membership_of(user)
    level = now.levels.level_of(user)
    enough = level >= now.levels.control
    if read.control:
        return replace(
            read,
            outcome=outcome.DONE,
            message=f"{user} is in the room with level {format_level(level)} and has control.",
        )
    reason = outcome.reason_of(failure) if failure is not None else None
    may_come = membership == "invite" or (
        now.join_rule == "public" and membership != "ban" and not now.blocked
    )
    if enough and isinstance(failure, IncompleteRoomError):
        message = (
            f"{user} has level {format_level(level)} and is not in the room: {failure}. Next: {failure.hint}."
        )
        return replace(read, outcome=outcome.PENDING, reason=reason, message=message)
    if enough and may_come and failure is None:
        way = "accept the invitation" if membership == "invite" else "join the room"
        message = f"{user} has level {format_level(level)} and has to {way} to have control."
        return replace(read, outcome=outcome.PENDING, message=message)
    changed = now.power_levels != earlier.power_levels or membership != earlier.membership_of(user)
    holds = f"{user} has level {format_level(level)} now and {_IS.get(membership, 'is not in the room')}"
    words = (
        f"{failure}"
        if failure is not None
        else "the server reported success, but the room does not show the change"
    )
    same = "Nothing was changed." if is_reverted else "The room is unchanged."
    message = f"{words}. {holds}." if changed else f"{words}. {same}"
    if isinstance(failure, RateLimitedError):
        wait, again = "for an unknown time", "later"
        if failure.retry_after is not None:
            wait, again = f"for {failure.retry_after:.0f} s", "after that"
        message = (
            f"{message} The rate limit lasts {wait}. Run the command again {again}: "
            "finished steps are not repeated."
        )
    elif reason == "target-blocks-invites":
        message = f"{message} {user} blocks invitations. Run it again after {user} allows them."
    elif enough and may_come:
        message = f"{message} Run it again to finish."
    return replace(read, outcome=outcome.FAILED, reason=reason or "server-error", message=message)
