"""Plan the way from a room as it was read to a goal; without a way, return the reason.

The planner sends no request. It promises: No step of a plan is forbidden by the rules. No user except the
target gets more power. No plan is longer than necessary. Where the planner refuses, no plan of the allowed
reach exists.
"""

from dataclasses import replace

from synadmin.ids import UserId, server_name_of
from synadmin.power import rules
from synadmin.power.levels import CREATOR_LEVEL, LEVEL_WITHOUT_EVENT, PowerLevels, format_level
from synadmin.power.room import Account, AccountState, Goal, Reach, RoomView
from synadmin.power.search import Outcome, Search
from synadmin.power.steps import Action, Plan, Refusal, Step
from synadmin.text import command

_NAMED_AT_MOST = 3  # users in a sentence


def plan(view: RoomView, goal: Goal) -> Plan | Refusal:
    """Find the shortest, least intrusive plan after which the target is joined and has control.

    The plan has the least reach that is enough, and within this reach the fewest steps. Make Room Admin is
    preferred to levels that a user sets. Where the target cannot join within ``goal.allow``, the plan leaves
    the join to the target.
    """
    if not view.in_room:
        return Refusal(reason="not-in-room", reach=None, message=_not_in_room(view))
    if view.has_control(goal.target):
        return _finished(view, goal)
    refusal = _general_refusal(view, goal)
    if refusal:
        return refusal
    search = Search(view, goal)
    allow = min(goal.allow, goal.possible)
    found = _best(search, view, goal, allow)
    if found:
        return _plan_of(view, goal, *found)
    further = _least(search, view, goal, allow)
    if further:
        return _out_of_reach(view, goal, _plan_of(view, goal, *further))
    return _impossible(view, goal)


def _outcomes(view: RoomView, goal: Goal) -> tuple[Outcome, ...]:
    if view.membership_of(goal.target) == "join":
        return ("done",)
    if not view.is_local(goal.target) or not goal.join:
        return ("pending",)
    return ("done", "pending")


def _best(
    search: Search, view: RoomView, goal: Goal, allow: Reach
) -> tuple[Outcome, tuple[Step, ...]] | None:
    """Return the plan with the best result within the reach; of equal ones, the one with the least reach."""
    for outcome in _outcomes(view, goal):
        for reach in Reach:
            if reach <= allow and (steps := search.shortest(outcome, reach)) is not None:
                return outcome, steps
    return None


def _least(
    search: Search, view: RoomView, goal: Goal, allow: Reach
) -> tuple[Outcome, tuple[Step, ...]] | None:
    """Return the plan with the least reach above the allowed one; of equal ones, the best."""
    for reach in Reach:
        for outcome in _outcomes(view, goal):
            if reach > allow and (steps := search.shortest(outcome, reach)) is not None:
                return outcome, steps
    return None


def _general_refusal(view: RoomView, goal: Goal) -> Refusal | None:
    """Return the refusal where the target or the room makes every plan impossible."""
    target = goal.target
    account = view.account_of(target) if view.is_local(target) else Account()
    if account.state is AccountState.MISSING:
        message = (
            f"There is no account {target} on this server: anyone who registers that name would "
            f"control the room. Create the account first, or name another user."
        )
        return Refusal(reason="target-unknown", reach=None, message=message)
    if account.state is AccountState.DEACTIVATED:
        message = (
            f"The account {target} is deactivated: it cannot use the power. Reactivate it first, "
            f"or name another user."
        )
        return Refusal(reason="target-deactivated", reach=None, message=message)
    if account.state is AccountState.SUSPENDED:
        message = (
            f"The account {target} is suspended: it cannot join or change anything. Unsuspend it "
            f"first, or name another user."
        )
        return Refusal(reason="target-suspended", reach=None, message=message)
    if account.guest:
        message = f"{target} is a guest account: no user can sign in to it again. Name another user."
        return Refusal(reason="target-guest", reach=None, message=message)
    if view.blocked and view.membership_of(target) != "join":
        return Refusal(
            reason="room-blocked",
            reach=None,
            message=(
                f"The room is blocked on this server, so {target} cannot be invited or join. Unblock "
                f"the room first: `{command('room', 'unblock', view.room_id)}`."
            ),
        )
    return None


def _finished(view: RoomView, goal: Goal) -> Plan:
    level = view.levels.level_of(goal.target)
    return Plan(
        steps=(),
        reach=Reach.API,
        outcome="done",
        level=level,
        promoter=None,
        message=f"{goal.target} is joined and already has control (level {format_level(level)}).",
        warnings=tuple(_warnings(view, goal, (), level, "done")),
    )


def _plan_of(view: RoomView, goal: Goal, outcome: Outcome, steps: tuple[Step, ...]) -> Plan:
    grant = next((step for step in steps if step.level is not None), None)
    level = view.levels.level_of(goal.target) if grant is None or grant.level is None else grant.level
    named = (user for step in steps for user in (step.as_user, step.user) if user is not None)
    relied_on = dict.fromkeys((goal.target, *named))
    return Plan(
        steps=steps,
        reach=max((step.reach for step in steps), default=Reach.API),
        outcome=outcome,
        level=level,
        promoter=grant.as_user if grant is not None else None,
        message=_outlook(view, goal, outcome, level),
        warnings=tuple(_warnings(view, goal, steps, level, outcome)),
        unverified=tuple(
            user
            for user in relied_on
            if view.is_local(user) and user not in view.accounts and user != goal.caller
        ),
        needs_member=any(step.as_user is None for step in steps),
    )


def _outlook(view: RoomView, goal: Goal, outcome: Outcome, level: int) -> str:
    target = goal.target
    if outcome == "done":
        needed = view.levels.control
        return f"{target} will be joined with level {format_level(level)}; changing levels needs {needed}."
    how = "has to join" if view.join_rule == "public" else "has to accept the invitation"
    return f"{target} will have level {format_level(level)}, and {how} to have control."


def _warnings(view: RoomView, goal: Goal, steps: tuple[Step, ...], level: int, outcome: Outcome) -> list[str]:
    levels, target = view.levels, goal.target
    warnings = []
    missing = [ability for ability in levels.abilities(level) if not ability.allowed]
    if missing:
        cannot = "; ".join(f"{ability.text} (needs {ability.needed})" for ability in missing)
        warnings.append(f"With level {format_level(level)} {target} cannot {cannot}.")
    highest, holders = levels.highest()
    others = tuple(user for user in holders if user != target)
    if highest > level and others:
        stay = (
            "created the room and stays"
            if highest == CREATOR_LEVEL
            else f"has {format_level(highest)} and stays"
        )
        warnings.append(f"{_names(others)} {stay} above {target}, who cannot change that.")
    if levels.content is None and not levels.version.creator_power:
        by_synapse = any(step.action is Action.MAKE_ROOM_ADMIN for step in steps)
        creator = next((user for user in view.creators[:1] if user != target), None)
        if by_synapse and creator:
            warnings.append(
                f"The room has no power levels yet. When they are set, {creator} loses the level "
                f"{LEVEL_WITHOUT_EVENT} of its creator."
            )
    warnings += account_warnings(view, target)
    if not view.is_local(target) and outcome == "pending":
        warnings.append(
            f"{target} gets the level at once, but this server cannot make it join: that is up to "
            f"{server_name_of(target)}."
        )
    if view.blocked:
        warnings.append(
            "The room is blocked on this server: local users cannot be invited or join until it is unblocked."
        )
    visible = [step.user for step in steps if step.action is Action.JOIN and step.user != target]
    if visible:
        warnings.append(f"All members of the room see {_names(tuple(visible))} join and leave.")
    return warnings


def account_warnings(view: RoomView, user: UserId) -> list[str]:
    """Return the warning that a user of this server cannot use the power, where the account is not active."""
    state = view.account_of(user).state if view.is_local(user) else AccountState.ACTIVE
    if state is AccountState.ACTIVE:
        return []
    return [f"The account {user} is {state}, and cannot use its power until that is lifted."]


def _out_of_reach(view: RoomView, goal: Goal, plan: Plan) -> Refusal:
    banned = view.membership_of(goal.target) == "ban"
    impersonate = plan.reach is Reach.IMPERSONATE
    why = f"{goal.target} is banned from the room." if banned else _why_not_the_api_alone(view)
    if plan.reach > goal.possible:
        how: tuple[str, ...] = (f"This needs acting as other users. {goal.why_not or ''}".rstrip(),)
    else:
        steps = (f"{number}. {step.detail}" for number, step in enumerate(plan.steps, 1))
        how = (f"--allow {plan.reach} can do it:", *steps)
    return Refusal(
        reason="target-banned" if banned else "needs-impersonate" if impersonate else "needs-reactivate",
        reach=plan.reach if plan.reach <= goal.possible else None,
        message=" ".join((why, *how)),
        lines=(why, *how),
        unverified=plan.unverified,
        needs_member=plan.needs_member,
    )


def _why_not_the_api_alone(view: RoomView) -> str:
    """Return who could change the levels, and why Make Room Admin cannot do it through them."""
    levels = view.levels
    able = [
        user
        for user, level in _holders(levels).items()
        if view.is_local(user)
        and level >= levels.control
        and view.account_of(user).state is not AccountState.MISSING
    ]
    takes = f"changing the levels takes {levels.control}"
    if levels.users_default >= levels.control:
        return (
            f"Every member can change the room's levels ({takes}), but Synapse does not act through "
            f"users that hold only the default level."
        )
    if not able:
        return f"No user of this server has enough power in the room ({takes})."
    if view.power_levels is None and view.needs_levels:
        return (
            "The room has no power-levels event. Make Room Admin fails there before Synapse 1.136, and takes "
            "the creator's level later."
        )
    user = able[0]
    state, level = view.account_of(user).state, format_level(levels.level_of(user))
    if view.membership_of(user) != "join":
        left = "is deactivated" if state is AccountState.DEACTIVATED else "is not in it"
        holds = "created the room" if levels.is_creator(user) else f"has {level}"
        return (
            f"No joined user of this server can change the room's levels ({takes}): "
            f"{user} {holds} and {left}."
        )
    if state is not AccountState.ACTIVE:
        return f"{user} has level {level} ({takes}), but the account is {state}."
    return f"{user} has level {level} ({takes}), but Synapse would not act through them."


def _impossible(view: RoomView, goal: Goal) -> Refusal:
    target = goal.target
    if goal.promoter is not None:
        otherwise = plan(view, replace(goal, promoter=None))
        if isinstance(otherwise, Refusal):
            return otherwise
        return Refusal(
            reason="insufficient-power",
            reach=None,
            message=f"{goal.promoter} cannot grant it, another local user can: leave out --promoter.",
        )
    if rules.closed_to(view, target):
        return Refusal(
            reason="insufficient-power",
            reach=None,
            message=(
                f"The room is closed to other servers (m.federate is false): {target} can never join. "
                f"Name a user of this server."
            ),
        )
    if view.membership_of(target) == "ban":
        return Refusal(
            reason="target-banned",
            reach=None,
            message=(
                f"{target} is banned from the room, and no local user can lift the ban and give them "
                f"control. {_who_has_power(view)}"
            ),
        )
    return _powerless(view, goal)


def _powerless(view: RoomView, goal: Goal) -> Refusal:
    """Return the refusal where all local accounts together cannot reach the goal."""
    levels = view.levels
    some = {
        user: level
        for user, level in _holders(levels).items()
        if view.is_local(user)
        and level > max(levels.users_default, 0)
        and view.account_of(user).state is not AccountState.MISSING
    }
    able = tuple(user for user, level in some.items() if level >= levels.control)
    best = next((user for user in some if view.membership_of(user) == "join"), None)
    if best is None and able:
        return Refusal(
            reason="no-local-power",
            reach=None,
            message=f"{_names(able)} can change the levels, but {'are' if len(able) > 1 else 'is'} not in "
            f"the room, and no local user can invite them (needs {levels.invite}). {_who_has_power(view)}",
        )
    if best is None:
        return Refusal(
            reason="no-local-power",
            reach=None,
            message=f"No user of this server has power in the room; changing the levels needs "
            f"{levels.control}. {_who_has_power(view)}",
        )
    if able:
        short = f"no local user can invite {goal.target}: inviting needs {levels.invite}, and"
    else:
        short = f"changing the levels needs {levels.control}, and"
    return Refusal(
        reason="insufficient-power",
        reach=None,
        message=f"No user of this server has enough power: {short} of those in the room {best} "
        f"has the most, {format_level(some[best])}. {_who_has_power(view)}",
    )


def _who_has_power(view: RoomView) -> str:
    levels = view.levels
    elsewhere = tuple(
        user
        for user, level in _holders(levels).items()
        if level >= levels.control and not view.is_local(user) and view.membership_of(user) != "ban"
    )
    if elsewhere:
        return f"{_names(elsewhere)} can change the levels: ask them, or replace the room."
    return f"No user of another server can either: replace the room ({_replacement(view)})."


def _replacement(view: RoomView) -> str:
    return f"`{command('room', 'replace', view.room_id, '--admin', 'USER')}`"


def _holders(levels: PowerLevels) -> dict[UserId, int]:
    """Return the listed users and the creators, the highest level first."""
    users = dict.fromkeys((*levels.creators, *levels.listed()))
    held = {user: levels.level_of(user) for user in users}
    return dict(sorted(held.items(), key=lambda item: -item[1]))


def _not_in_room(view: RoomView) -> str:
    elsewhere = tuple(user for user in view.creators if not view.is_local(user))
    if elsewhere:
        return (
            "No user of this server is in the room, so its current state is not known here. If it is "
            "public, let a user join it by its alias first, and try again."
        )
    return (
        "No user of this server is in the room. If another server is, name it with --via. If not, no "
        f"user can join it again: replace it ({_replacement(view)})."
    )


def _names(users: tuple[UserId, ...]) -> str:
    shown_users = users[:_NAMED_AT_MOST]
    more = len(users) - len(shown_users)
    if more:
        return f"{', '.join(shown_users)} and {more} more"
    return " and ".join((", ".join(shown_users[:-1]), shown_users[-1])) if len(users) > 1 else users[0]
