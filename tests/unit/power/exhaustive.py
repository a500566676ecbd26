"""Find the shortest plan in small rooms by trying all steps in all orders, to check the planner."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from operator import itemgetter
from typing import Literal

from synadmin.ids import UserId
from synadmin.power import rules
from synadmin.power.make_room_admin import predict
from synadmin.power.room import AccountState, Goal, Reach, RoomView

# Stands for a local member whose user id the planner does not know.
UNNAMED = UserId("@unnamed:example.org")
Outcome = Literal["done", "pending"]


def can_act_as(view: RoomView, goal: Goal, user: UserId, reach: Reach) -> bool:
    """Whether a plan with this reach can act as the user, in the room as it is now."""
    return (
        view.is_local(user)
        and view.account_of(user).state is AccountState.ACTIVE
        and (user == goal.caller or reach >= Reach.IMPERSONATE)
    )


def is_goal_reached(view: RoomView, goal: Goal, outcome: Outcome) -> bool:
    if view.levels.level_of(goal.target) < view.levels.control:
        return False
    if view.membership_of(goal.target) == "join":
        return True
    return outcome == "pending" and not view.blocked and rules.joining(view, goal.target) is None


@dataclass(frozen=True)
class _Node:
    view: RoomView
    length: int

    @property
    def key(self) -> str:
        view = self.view
        return repr(
            (
                sorted(view.memberships.items()),
                sorted(view.accounts.items(), key=itemgetter(0)),
                view.power_levels,
            )
        )

    def with_membership(self, user: UserId, membership: str, cost: int) -> "_Node":
        memberships = {**self.view.memberships, user: membership}
        return _Node(replace(self.view, memberships=memberships), self.length + cost)


def shortest(view: RoomView, goal: Goal, outcome: Outcome, reach: Reach) -> int | None:
    """Return the least number of steps, with those that revert temporary changes; None without a plan."""
    start = view
    if view.unknown_local_members:
        view = replace(view, memberships={**view.memberships, UNNAMED: "join"})
    first = _Node(view, 0)
    tie_breakers = count()
    queue = [(0, next(tie_breakers), first)]
    seen = set()
    while queue:
        _, _, node = heapq.heappop(queue)
        key = node.key
        if key in seen:
            continue
        seen.add(key)
        if is_goal_reached(node.view, goal, outcome):
            return node.length
        for new in _steps(start, node, goal, outcome, reach):
            heapq.heappush(queue, (new.length, next(tie_breakers), new))
    return None


def _steps(start: RoomView, node: _Node, goal: Goal, outcome: Outcome, reach: Reach) -> Iterator[_Node]:
    view, target = node.view, goal.target
    prediction = predict(view, target)
    if prediction.status == 200:
        content, promoter = prediction.content, prediction.promoter
        granted = _Node(replace(view, power_levels=content, power_levels_sender=promoter), node.length + 1)
        yield granted.with_membership(target, "invite", 0) if prediction.invited else granted
    users = dict.fromkeys((*view.memberships, *view.accounts, *view.creators, *view.levels.listed(), target))
    for user in users:
        if view.is_local(user) and user != UNNAMED:
            yield from _steps_to_join(start, node, goal, outcome, reach, user=user)
        if can_act_as(view, goal, user, reach):
            yield from _steps_of_actor(node, goal, reach, user, tuple(users))


def _steps_to_join(
    start: RoomView, node: _Node, goal: Goal, outcome: Outcome, reach: Reach, *, user: UserId
) -> Iterator[_Node]:
    view, target = node.view, goal.target
    is_inactive = view.account_of(user).state not in {AccountState.ACTIVE, AccountState.MISSING}
    if is_inactive and reach is Reach.REACTIVATE and user != goal.caller:
        accounts = {**view.accounts, user: replace(view.account_of(user), state=AccountState.ACTIVE)}
        yield _Node(replace(view, accounts=accounts), node.length + 2)
    joinable = not view.blocked and view.membership_of(user) != "join" and rules.joining(view, user) is None
    if joinable and can_act_as(view, goal, user, reach) and (user != target or outcome == "done"):
        leaves_when_deactivated = start.account_of(user).state is AccountState.DEACTIVATED
        yield node.with_membership(user, "join", 1 if user == target or leaves_when_deactivated else 2)


def _steps_of_actor(
    node: _Node, goal: Goal, reach: Reach, actor: UserId, users: tuple[UserId, ...]
) -> Iterator[_Node]:
    view, target = node.view, goal.target
    if reach >= Reach.IMPERSONATE and rules.unbanning(view, actor, target) is None:
        yield node.with_membership(target, "leave", 1)
    if view.account_of(actor).shadow_banned:
        return
    for user in users:
        invitable = not view.blocked and view.membership_of(user) != "invite"
        if invitable and rules.inviting(view, actor, user) is None:
            yield node.with_membership(user, "invite", 1)
    if view.levels.level_of(target) >= view.levels.control:
        return
    needed = view.levels.control
    for level in {min(view.levels.level_of(actor), max(100, needed)), needed}:
        content = view.levels.granting(target, level)
        unacceptable = rules.unacceptable(content, view.levels.version)
        if not unacceptable and rules.changing_power_levels(view, actor, content) is None:
            changed = replace(view, power_levels=content, power_levels_sender=actor)
            yield _Node(changed, node.length + 1)
