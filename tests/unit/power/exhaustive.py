"""The planner's touchstone: every order of every single step, in small rooms, without any cleverness."""

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

UNNAMED = UserId("@somebody:example.org")
Outcome = Literal["done", "pending"]


def in_reach(view: RoomView, goal: Goal, user: UserId, reach: Reach) -> bool:
    """Tell whether one can act as this user, as things stand."""
    return (
        view.is_local(user)
        and view.account_of(user).state is AccountState.ACTIVE
        and (user == goal.caller or reach >= Reach.IMPERSONATE)
    )


def reached(view: RoomView, goal: Goal, outcome: Outcome) -> bool:
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

    def moved(self, user: UserId, membership: str, cost: int) -> "_Node":
        memberships = {**self.view.memberships, user: membership}
        return _Node(replace(self.view, memberships=memberships), self.length + cost)


def shortest(view: RoomView, goal: Goal, outcome: Outcome, reach: Reach) -> int | None:
    """Return how many steps it takes at least, those that put things back included."""
    start = view
    if view.unknown_local_members:
        view = replace(view, memberships={**view.memberships, UNNAMED: "join"})
    first = _Node(view, 0)
    tickets = count()
    queue = [(0, next(tickets), first)]
    seen = set()
    while queue:
        _, _, node = heapq.heappop(queue)
        key = node.key
        if key in seen:
            continue
        seen.add(key)
        if reached(node.view, goal, outcome):
            return node.length
        for new in _steps(start, node, goal, outcome, reach):
            heapq.heappush(queue, (new.length, next(tickets), new))
    return None


def _steps(start: RoomView, node: _Node, goal: Goal, outcome: Outcome, reach: Reach) -> Iterator[_Node]:
    view, target = node.view, goal.target
    prediction = predict(view, target)
    if prediction.status == 200:
        content, promoter = prediction.content, prediction.promoter
        granted = _Node(replace(view, power_levels=content, power_levels_sender=promoter), node.length + 1)
        yield granted.moved(target, "invite", 0) if prediction.invited else granted
    users = dict.fromkeys((*view.memberships, *view.accounts, *view.creators, *view.levels.listed(), target))
    for user in users:
        if view.is_local(user) and user != UNNAMED:
            yield from _entering(start, node, goal, outcome, reach, user=user)
        if in_reach(view, goal, user, reach):
            yield from _acting(node, goal, reach, user, tuple(users))


def _entering(
    start: RoomView, node: _Node, goal: Goal, outcome: Outcome, reach: Reach, *, user: UserId
) -> Iterator[_Node]:
    view, target = node.view, goal.target
    asleep = view.account_of(user).state not in {AccountState.ACTIVE, AccountState.MISSING}
    if asleep and reach is Reach.REACTIVATE and user != goal.caller:
        accounts = {**view.accounts, user: replace(view.account_of(user), state=AccountState.ACTIVE)}
        yield _Node(replace(view, accounts=accounts), node.length + 2)
    joinable = not view.blocked and view.membership_of(user) != "join" and rules.joining(view, user) is None
    if joinable and in_reach(view, goal, user, reach) and (user != target or outcome == "done"):
        leaves_by_itself = start.account_of(user).state is AccountState.DEACTIVATED
        yield node.moved(user, "join", 1 if user == target or leaves_by_itself else 2)


def _acting(
    node: _Node, goal: Goal, reach: Reach, actor: UserId, users: tuple[UserId, ...]
) -> Iterator[_Node]:
    view, target = node.view, goal.target
    if reach >= Reach.IMPERSONATE and rules.unbanning(view, actor, target) is None:
        yield node.moved(target, "leave", 1)
    if view.account_of(actor).shadow_banned:
        return
    for user in users:
        invitable = not view.blocked and view.membership_of(user) != "invite"
        if invitable and rules.inviting(view, actor, user) is None:
            yield node.moved(user, "invite", 1)
    if view.levels.level_of(target) >= view.levels.control:
        return
    needed = view.levels.control
    for level in {min(view.levels.level_of(actor), max(100, needed)), needed}:
        content = view.levels.granting(target, level)
        unacceptable = rules.unacceptable(content, view.levels.version)
        if not unacceptable and rules.changing_power_levels(view, actor, content) is None:
            changed = replace(view, power_levels=content, power_levels_sender=actor)
            yield _Node(changed, node.length + 1)
