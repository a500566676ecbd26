"""Carries a plan out on paper, and lets Synapse's own rules judge every step."""

from dataclasses import replace

from synadmin.ids import UserId
from synadmin.power import rules
from synadmin.power.make_room_admin import predict
from synadmin.power.room import AccountState, Goal, Reach, RoomView
from synadmin.power.steps import ENABLING, Action, Step
from tests.unit.power.exhaustive import UNNAMED
from tests.unit.power.referee import Referee

_WAKES = {wake: state for state, (wake, _) in ENABLING.items()}
_SLEEPS = {sleep: state for state, (_, sleep) in ENABLING.items()}


def played(view: RoomView, goal: Goal, steps: tuple[Step, ...]) -> RoomView:
    """Return the room after the steps; fail at the first that would be refused or goes too far."""
    if view.unknown_local_members:
        view = replace(view, memberships={**view.memberships, UNNAMED: "join"})
    for step in steps:
        view = _after(view, goal, step)
    return view


def _after(view: RoomView, goal: Goal, step: Step) -> RoomView:
    actor = UNNAMED if step.as_user is None else step.as_user
    if step.action in _WAKES or step.action in _SLEEPS:
        return _account_changed(view, goal, step)
    if step.action is Action.MAKE_ROOM_ADMIN:
        prediction = predict(view, step.user)
        assert (prediction.status, prediction.promoter, prediction.invited) == (200, actor, step.invites)
        assert view.account_of(actor).state is not AccountState.SUSPENDED
        assert prediction.content is not None
        if prediction.levels_changed:
            assert Referee(view).allows(actor, "m.room.power_levels", dict(prediction.content))
        view = replace(view, power_levels=prediction.content, power_levels_sender=actor)
        assert view.levels.level_of(step.user) == step.level
        if not step.invites:
            return view
        assert Referee(view).membership(actor, step.user, "invite")
        return _moved(view, step.user, "invite")

    _may_act(view, goal, actor, step)
    if step.action is Action.SET_LEVEL:
        assert step.level is not None
        content = view.levels.granting(step.user, step.level)
        assert rules.unacceptable(content, view.levels.version) is None
        assert Referee(view).allows(actor, "m.room.power_levels", content)
        return replace(view, power_levels=content, power_levels_sender=actor)
    assert not view.blocked or step.action in {Action.LEAVE, Action.UNBAN}
    if step.action is Action.JOIN:
        # An unnamed member vouches as well as a named one; the referee sees only names.
        assert Referee(view).join(step.user)
        return _moved(view, step.user, "join")
    memberships = {Action.INVITE: "invite", Action.LEAVE: "leave", Action.UNBAN: "leave"}
    assert step.action in memberships, f"say here what the step {step.action} changes in a room"
    membership = memberships[step.action]
    assert Referee(view).membership(actor, step.user, membership)
    return _moved(view, step.user, membership)


def _may_act(view: RoomView, goal: Goal, actor: UserId, step: Step) -> None:
    account = view.account_of(actor)
    assert view.is_local(actor)
    assert account.state is AccountState.ACTIVE
    if step.action in {Action.INVITE, Action.SET_LEVEL}:
        assert not account.shadow_banned
    if actor != goal.caller or step.action is Action.UNBAN:
        assert step.reach >= Reach.IMPERSONATE


def _account_changed(view: RoomView, goal: Goal, step: Step) -> RoomView:
    assert step.reach is Reach.REACTIVATE
    assert step.user != goal.caller
    account = view.account_of(step.user)
    if step.action in _WAKES:
        assert account.state is _WAKES[step.action]
        awake = replace(account, state=AccountState.ACTIVE)
        return replace(view, accounts={**view.accounts, step.user: awake})
    if step.action is Action.DEACTIVATE and view.membership_of(step.user) == "join":
        view = _moved(view, step.user, "leave")
    asleep = replace(account, state=_SLEEPS[step.action])
    return replace(view, accounts={**view.accounts, step.user: asleep})


def _moved(view: RoomView, user: UserId, membership: str) -> RoomView:
    return replace(view, memberships={**view.memberships, user: membership})
