"""Planning the changes of a room that the file asks for. Nothing is changed here."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from synadmin.client import Synapse
from synadmin.control.file import RoomsEntry
from synadmin.control.heirs import (
    HeirNotices,
    Stage,
    Succession,
    last_activity,
    succession,
    with_heirs,
)
from synadmin.control.records import (
    IN_ORDER,
    MatchedRoom,
    NotPossible,
    RoomChange,
    RoomReport,
    in_order,
    missing_admins,
    must_join,
)
from synadmin.control.settings import (
    DIRECTORY,
    EVENT_TYPES,
    JOIN_RULE,
    RETENTION,
    content_to_send,
    is_as_written,
    shown,
    shuts_out,
)
from synadmin.control.toml_text import toml_value
from synadmin.errors import MatrixError, NotFoundError, RefusedError, ReplyError, ServerError, SynadminError
from synadmin.ids import RoomId, UserId
from synadmin.parallel import side_by_side
from synadmin.power import control_goal, rules
from synadmin.power.control_goal import Difference
from synadmin.power.level_changes import Edit, edited
from synadmin.power.levels import format_level
from synadmin.power.planner import account_warnings
from synadmin.power.room import AccountState, Goal, Reach, RoomView
from synadmin.power.steps import Refusal
from synadmin.recovery import change_levels
from synadmin.recovery import outcome as results
from synadmin.recovery.change_levels import Actor, EditPlan
from synadmin.recovery.make_admin import Preview, preview_rooms
from synadmin.recovery.observer import Observer, local_members
from synadmin.recovery.outcome import StepTaken
from synadmin.recovery.reader import state_of
from synadmin.recovery.room_state import sender_of


def has_control_as_written(target: MatchedRoom, view: RoomView) -> bool:
    """Whether a room has the admins and moderators that its entry says.

    Args:
        target: the room and its entry.
        view: the room, with the local users who have power. A remote admin counts as missing.
    """
    goal = target.entry.goal
    return control_goal.refusal(view, goal) is None and not control_goal.differences(view, goal)


def has_settings_as_written(target: MatchedRoom, contents: Mapping[str, Any]) -> bool:
    """Whether a room is set as its entry says; ``contents`` are from :func:`read_settings`."""
    return not _other_settings(target.entry, contents)


def plan_room(observer: Observer, target: MatchedRoom, *, allow: Reach, notices: HeirNotices) -> RoomReport:
    """Read a room, and plan the changes that its entry needs.

    Args:
        observer: looks at the server.
        target: the room and its entry.
        allow: how far the plan may go.
        notices: the record of notices to controllers about heirs.

    Raises:
        NotAuthenticatedError: the token is not valid.
        NotPermittedError: the token is not a server admin's.
        ConnectError: the server does not answer.
    """
    planner = _Planner(observer, target, allow)
    reach = None
    try:
        planned = find_succession(observer, target, notices)
        planner.target = target_of(target, planned)
        return _with_announcement(planner.report(), planned)
    except NotPossible as answer:
        reason, message, reach = answer.reason, answer.message, answer.reach
    except NotFoundError as error:
        reason = "not-in-room" if "no longer in" in error.reason else "unknown-room"
        message = sentence_of(error)
    except (ServerError, ReplyError) as error:
        reason, message = "server-error", f"The room could not be read: {error}."
    return RoomReport(
        target=target,
        outcome=results.REFUSED,
        reason=reason,
        message=message,
        changes=tuple(planner.changes),
        reach=reach,
    )


def find_succession(observer: Observer, target: MatchedRoom, notices: HeirNotices) -> Succession | None:
    """Return the succession in a room; None where its entry names no heirs.

    Raises:
        NotFoundError: the server knows no such room, or is no longer in it.
    """
    heirs = target.entry.heirs
    if heirs is None:
        return None
    controllers = view_of(observer, target).local_controllers
    return succession(
        heirs,
        active=last_activity(observer.synapse, controllers, now=notices.now),
        notified=notices.notified(target.room_id),
        now=notices.now,
        controllers=controllers,
    )


def target_of(target: MatchedRoom, planned: Succession | None) -> MatchedRoom:
    """Return the target with the heirs among the admins, where they are due."""
    due = planned is not None and planned.stage is Stage.DUE
    return replace(target, entry=with_heirs(target.entry)) if due else target


def _with_announcement(report: RoomReport, planned: Succession | None) -> RoomReport:
    """Return a report that announces when the heirs take over."""
    heirs = report.target.entry.heirs
    if planned is None or heirs is None or planned.stage not in {Stage.ANNOUNCE, Stage.WAIT}:
        return report
    waiting = [user for user in heirs.users if user not in planned.controllers]
    if not waiting:
        return report
    changes = (RoomChange("heir", user, None, planned.date) for user in waiting)
    message = f"{', '.join(waiting)} will get control on {planned.date}, unless an admin is active before."
    steps = report.steps
    if planned.stage is Stage.ANNOUNCE:
        who = ", ".join(planned.controllers)
        steps = (*steps, StepTaken("notify", None, f"Send {who} a server notice about that."))
    return replace(
        report,
        outcome=results.PLANNED,
        message=message if report.outcome == IN_ORDER else f"{report.message} {message}",
        changes=(*report.changes, *changes),
        steps=steps,
    )


def view_of(observer: Observer, target: MatchedRoom) -> RoomView:
    """Return the view that an entry needs: all local users with power, and all users that it names.

    Raises:
        NotFoundError: the server knows no such room, or is no longer in it.
    """
    goal = target.entry.goal
    view = change_levels.view_to_edit(observer, target.room_id, goal.admins)
    if view.levels.users_default >= view.levels.control:
        members = local_members(observer.synapse, view.room_id)
        view = replace(view, memberships={**view.memberships, **dict.fromkeys(members, "join")})
    named = [user for user in (*goal.admins, *goal.moderators) if user not in view.memberships]
    # The accounts of all admins are read now: the plan for an admin may use admins that it made before.
    view = observer.with_users(view, [user for user in goal.admins if view.is_local(user)])
    view = observer.with_users(view, [user for user in named if view.is_local(user)])
    return observer.with_remote_users(view, [user for user in named if not view.is_local(user)])


def read_settings(synapse: Synapse, target: MatchedRoom) -> dict[str, Any]:
    """Return the contents of the events of an entry's settings; None for an event that does not exist."""
    return {name: read_setting(synapse, target.room_id, name) for name in target.entry.settings}


def read_setting(synapse: Synapse, room_id: RoomId, name: str) -> Any:  # noqa: ANN401  the content of an event
    """Return the content of the event of a setting; for ``directory`` whether the room is listed."""
    if name == DIRECTORY:
        return synapse.client_server.directory_visibility(room_id).visibility == "public"
    events = state_of(synapse, room_id, EVENT_TYPES[name])
    return next((event.content for event in events if event.state_key == ""), None)


def _other_settings(entry: RoomsEntry, contents: Mapping[str, Any]) -> list[str]:
    """Return the names of the settings that are not as an entry says."""
    return [
        name for name, wanted in entry.settings.items() if not is_as_written(name, wanted, contents.get(name))
    ]


def step_of_edit(edit: Edit, as_user: UserId) -> StepTaken:
    """Return an edit of levels as a step."""
    levels = ", ".join(
        f"{user} to the default level" if level is None else f"{user} to level {format_level(level)}"
        for user, level in edit.users.items()
    )
    return StepTaken("set-level", as_user, f"As {as_user} set {levels}.")


@dataclass(slots=True)
class RoomSteps(ABC):
    """The steps that change a room as its entry says: a plan predicts each, a run carries it out.

    Attributes:
        observer: looks at the server.
        target: the room and its entry.
        allow: how far the steps may go.
        steps: the steps so far.
    """

    observer: Observer
    target: MatchedRoom
    allow: Reach
    steps: list[StepTaken] = field(default_factory=list)

    def take_all(self, admins: Iterable[UserId], settings: Iterable[str]) -> list[UserId]:
        """Take all steps; return the admins who have to join by themselves.

        Args:
            admins: users who need control.
            settings: names of the settings to change.

        Raises:
            NotPossible: a step cannot be taken.
            SynadminError: a step failed.
        """
        waiting = [user for user in admins if self.give_control(user)]
        view = self.view_now()
        for edit in control_goal.edits(view, self.target.entry.goal):
            if waiting and takes_power(view, edit):
                continue
            planned = plan_edit(self.observer, view, edit)
            if planned.actor is not None:
                require_reach(planned.actor, self.allow)
                view = self.set_levels(planned, step_of_edit(edit, planned.actor.user))
        for name in settings:
            self._set(view, name, self.target.entry.settings[name])
            if name == JOIN_RULE:
                for user in waiting:  # from now on they need an invitation
                    self.give_control(user)
        return waiting

    def _set(self, view: RoomView, name: str, wanted: Any) -> None:  # noqa: ANN401
        actor, content, user = None, wanted, self.observer.synapse.owner
        if name != DIRECTORY:
            actor = plan_setting(self.observer, view, name, wanted)
            require_reach(actor, self.allow)
            user = actor.user
            # In this event, values that the file does not name stay.
            before = read_setting(self.observer.synapse, view.room_id, name) if name == RETENTION else None
            content = content_to_send(name, wanted, before)
        detail = f"As {user} set {name} to {toml_value(shown(name, content))}."
        self.set_setting(name, content, actor, StepTaken("set-setting", user, detail))

    @abstractmethod
    def give_control(self, user: UserId) -> bool:
        """Give a user control; return whether they have to join by themselves."""

    @abstractmethod
    def view_now(self) -> RoomView:
        """Return the room after the steps so far."""

    @abstractmethod
    def set_levels(self, planned: EditPlan, step: StepTaken) -> RoomView:
        """Make an edit of levels; return the room as it is then."""

    @abstractmethod
    def set_setting(self, name: str, content: Any, actor: Actor | None, step: StepTaken) -> None:  # noqa: ANN401
        """Change a setting through a user; None: as a server admin."""


@dataclass(slots=True)
class _Planner(RoomSteps):
    """Plans one room."""

    changes: list[RoomChange] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    view: RoomView = field(init=False)

    def report(self) -> RoomReport:
        self.view = view = view_of(self.observer, self.target)
        settings = read_settings(self.observer.synapse, self.target)
        entry = self.target.entry
        self.changes += _changes(entry, view, settings)
        refusal = control_goal.refusal(view, entry.goal)
        if refusal is not None:
            raise NotPossible(refusal.reason, refusal.message)
        if not self.changes:
            return in_order(self.target)
        waiting = self.take_all(missing_admins(self.changes), _other_settings(entry, settings))
        message = "Everything will be as the file says."
        if waiting:
            message = must_join(waiting, lowers=any(change.takes_power for change in self.changes))
        return RoomReport(
            target=self.target,
            outcome=results.PLANNED,
            message=message,
            changes=tuple(self.changes),
            steps=tuple(self.steps),
            warnings=tuple(self.warnings),
        )

    def give_control(self, user: UserId) -> bool:
        goal = Goal(target=user, caller=self.observer.synapse.owner, allow=self.allow)
        view, answer = self.observer.plan_until_verified(self.view, goal, wide=True)
        if isinstance(answer, Refusal):
            raise NotPossible(answer.reason, answer.message, answer.reach)
        self.steps += map(StepTaken.of, answer.steps)
        self.view = view = control_goal.after_plan(view, user, answer)
        self._show_level(user, format_level(view.levels.level_of(user)))
        self.warnings += [text for text in account_warnings(view, user) if text not in self.warnings]
        return answer.outcome != results.DONE

    def view_now(self) -> RoomView:
        return self.view

    def set_levels(self, planned: EditPlan, step: StepTaken) -> RoomView:
        self.steps.append(step)
        if planned.actor is not None:
            view = change_levels.after_leaving(planned.view, planned.actor)
            self.view = edited(view, planned.edit)
        return self.view

    def set_setting(self, name: str, content: Any, actor: Actor | None, step: StepTaken) -> None:  # noqa: ANN401
        del actor
        self.steps.append(step)
        if name == JOIN_RULE:
            local = filter(self.view.is_local, self.target.entry.goal.admins)
            self.view = self.observer.with_rules(self.view, content, local)

    def _show_level(self, user: UserId, level: int | str) -> None:
        """Record the level that an admin gets by the plan: it may be higher than the level for control."""
        self.changes = [
            replace(change, after={**change.after, "level": level})
            if change.subject == user and change.kind in {"admin", "heir"}
            else change
            for change in self.changes
        ]


def preview_admin(observer: Observer, room_id: RoomId, user: UserId, *, allow: Reach) -> Preview:
    """Read a room, and plan how a user gets control of it."""
    goal = Goal(target=user, caller=observer.synapse.owner, allow=allow)
    return next(iter(preview_rooms(observer, [room_id], goal)))


def takes_power(view: RoomView, edit: Edit) -> bool:
    """Whether an edit lowers a user."""
    return any(level is None or level < view.levels.level_of(user) for user, level in edit.users.items())


def plan_edit(observer: Observer, view: RoomView, edit: Edit) -> EditPlan:
    """Find the user who can set the levels, with any reach.

    Raises:
        NotPossible: no local user may, or the room would lose its last local control.
    """
    for user in edit.users if not takes_power(view, edit) else ():
        if view.membership_of(user) == "ban":
            raise NotPossible("target-banned", f"{user} is banned from the room.")
        if view.is_local(user) and observer.account(user).state is AccountState.MISSING:
            raise NotPossible("target-unknown", f"There is no account {user} on this server.")
    try:
        return change_levels.plan(observer, view, edit, allow=Reach.REACTIVATE, leave_rooms=False)
    except NotFoundError as error:
        raise NotPossible("target-unknown", sentence_of(error)) from None
    except RefusedError as error:
        raise NotPossible(error.reason, sentence_of(error)) from None


def require_reach(actor: Actor, allow: Reach) -> None:
    """Refuse a step that needs more reach than is allowed.

    Raises:
        NotPossible: it needs more.
    """
    if actor.reach > allow:
        message = (
            f"This needs acting as {actor.user}: --allow {actor.reach}, "
            f'or allow = "{actor.reach}" in the entry.'
        )
        raise NotPossible(f"needs-{actor.reach}", message, actor.reach)


def plan_setting(observer: Observer, view: RoomView, name: str, wanted: Any) -> Actor:  # noqa: ANN401
    """Find the user who can change a setting, with any reach.

    Raises:
        NotPossible: no local user may, or the setting would exclude this server or every user.
    """
    if name == "server_acl" and shuts_out(wanted, observer.server_name):
        message = f"The server_acl would exclude this server ({observer.server_name}) from the room."
        raise NotPossible("would-lose-control", message)
    if name == JOIN_RULE and not rules.lets_users_in(rule := wanted["join_rule"], view.levels.version):
        message = f"The join rule {rule} is not part of room version {view.version}: no user could join."
        raise NotPossible("unsupported-join-rule", message)
    actor = sender_of(observer, view, EVENT_TYPES[name])
    if actor is None:
        needed = view.levels.needed(EVENT_TYPES[name])
        message = f"No local user in the room may change {name}: that needs level {needed}."
        raise NotPossible("insufficient-power", message)
    return actor


def differences_now(observer: Observer, target: MatchedRoom) -> list[RoomChange]:
    """Return the differences from the file, read from the server.

    Raises:
        NotFoundError: the server knows no such room, or is no longer in it.
    """
    return _changes(target.entry, view_of(observer, target), read_settings(observer.synapse, target))


def _changes(entry: RoomsEntry, view: RoomView, settings: Mapping[str, Any]) -> list[RoomChange]:
    changes = [_change(entry, view, difference) for difference in control_goal.differences(view, entry.goal)]
    changes += [
        RoomChange("setting", name, shown(name, settings[name]), shown(name, entry.settings[name]))
        for name in _other_settings(entry, settings)
    ]
    return changes


def _change(entry: RoomsEntry, view: RoomView, difference: Difference) -> RoomChange:
    if difference.kind != "admin":
        return RoomChange(
            difference.kind, difference.user, format_level(difference.before), format_level(difference.after)
        )
    membership = view.membership_of(difference.user)
    before = {"level": format_level(difference.before), "membership": membership}
    kind = "heir" if entry.heirs is not None and difference.user in entry.heirs.users else "admin"
    return RoomChange(
        kind, difference.user, before, {"level": format_level(difference.after), "membership": "join"}
    )


def sentence_of(error: SynadminError) -> str:
    """Return an error as a sentence for a report."""
    text = error.reason if isinstance(error, MatrixError) else str(error)
    text = text.removeprefix("refused: ")
    return f"{text[0].upper()}{text[1:].rstrip('.')}."


def reports(
    observer: Observer,
    targets: Iterable[tuple[MatchedRoom, bool]],
    *,
    allow: Reach | None,
    notices: HeirNotices,
    at_once: int,
) -> Iterator[RoomReport]:
    """Yield the report of each room; rooms that the quick check found in order are not read again.

    Args:
        observer: looks at the server.
        targets: the rooms, each with whether it was found in order.
        allow: ``--allow``.
        notices: the record of notices to controllers about heirs.
        at_once: how many rooms are read at the same time.
    """

    def report(looked_at: tuple[MatchedRoom, bool]) -> RoomReport:
        target, is_in_order = looked_at
        if is_in_order:
            return in_order(target)
        return plan_room(observer.beside(), target, allow=reach_for(target.entry, allow), notices=notices)

    yield from side_by_side(report, targets, at_once=at_once)


def reach_for(entry: RoomsEntry, allow: Reach | None) -> Reach:
    """Return how far a plan may go: what the entry allows, and no further than ``--allow``."""
    if entry.allow is None:
        return Reach.API if allow is None else allow
    return entry.allow if allow is None else min(entry.allow, allow)
