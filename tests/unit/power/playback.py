"""Simulate the steps of a plan, and check each with Synapse's own rules."""

from dataclasses import replace

from synadmin.ids import UserId
from synadmin.power import rules
from synadmin.power.make_room_admin import predict
from synadmin.power.room import AccountState, Goal, Reach, RoomView
from synadmin.power.steps import ENABLING, Action, Step
from tests.unit.power.exhaustive import UNNAMED
from tests.unit.power.synapse_rules import SynapseRules

_STATE_ENDED_BY = {enable: state for state, (enable, _) in ENABLING.items()}
_STATE_SET_BY = {disable: state for state, (_, disable) in ENABLING.items()}


def after_steps(view: RoomView, goal: Goal, steps: tuple[Step, ...]) -> RoomView:
    """Return the room after the steps; fail at a step that Synapse refuses or the reach does not allow."""
    if view.unknown_local_members:
        view = replace(view, memberships={**view.memberships, UNNAMED: "join"})
    for step in steps:
        view = _after_step(view, goal, step)
    return view


def _after_step(view: RoomView, goal: Goal, step: Step) -> RoomView:
    actor = UNNAMED if step.as_user is None else step.as_user
    if step.action in _STATE_ENDED_BY or step.action in _STATE_SET_BY:
        return _after_account_change(view, goal, step)
    if step.action is Action.MAKE_ROOM_ADMIN:
        prediction = predict(view, step.user)
        assert (prediction.status, prediction.promoter, prediction.invited) == (200, actor, step.invites)
        assert view.account_of(actor).state is not AccountState.SUSPENDED
        assert prediction.content is not None
        if prediction.levels_changed:
            assert SynapseRules(view).allows(actor, "m.room.power_levels", dict(prediction.content))
        view = replace(view, power_levels=prediction.content, power_levels_sender=actor)
        assert view.levels.level_of(step.user) == step.level
        if not step.invites:
            return view
        assert SynapseRules(view).membership(actor, step.user, "invite")
        return _with_membership(view, step.user, "invite")

    _assert_may_act(view, goal, actor, step)
    if step.action is Action.SET_LEVEL:
        assert step.level is not None
        content = view.levels.granting(step.user, step.level)
        assert rules.unacceptable(content, view.levels.version) is None
        assert SynapseRules(view).allows(actor, "m.room.power_levels", content)
        return replace(view, power_levels=content, power_levels_sender=actor)
    assert not view.blocked or step.action in {Action.LEAVE, Action.UNBAN}
    if step.action is Action.JOIN:
        # Any local member may authorise a restricted join. UNNAMED stands for members without a known name.
        assert SynapseRules(view).join(step.user)
        return _with_membership(view, step.user, "join")
    memberships = {Action.INVITE: "invite", Action.LEAVE: "leave", Action.UNBAN: "leave"}
    assert step.action in memberships, f"add the membership that the step {step.action} sets"
    membership = memberships[step.action]
    assert SynapseRules(view).membership(actor, step.user, membership)
    return _with_membership(view, step.user, membership)


def _assert_may_act(view: RoomView, goal: Goal, actor: UserId, step: Step) -> None:
    account = view.account_of(actor)
    assert view.is_local(actor)
    assert account.state is AccountState.ACTIVE
    if step.action in {Action.INVITE, Action.SET_LEVEL}:
        assert not account.shadow_banned
    if actor != goal.caller or step.action is Action.UNBAN:
        assert step.reach >= Reach.IMPERSONATE


def _after_account_change(view: RoomView, goal: Goal, step: Step) -> RoomView:
    assert step.reach is Reach.REACTIVATE
    assert step.user != goal.caller
    account = view.account_of(step.user)
    if step.action in _STATE_ENDED_BY:
        assert account.state is _STATE_ENDED_BY[step.action]
        active = replace(account, state=AccountState.ACTIVE)
        return replace(view, accounts={**view.accounts, step.user: active})
    if step.action is Action.DEACTIVATE and view.membership_of(step.user) == "join":
        view = _with_membership(view, step.user, "leave")
    inactive = replace(account, state=_STATE_SET_BY[step.action])
    return replace(view, accounts={**view.accounts, step.user: inactive})


def _with_membership(view: RoomView, user: UserId, membership: str) -> RoomView:
    return replace(view, memberships={**view.memberships, user: membership})
