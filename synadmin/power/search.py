"""The search for the shortest plan that gives the target control of a room.

Uniform-cost search over a small abstract state: the levels, the memberships and the accounts that the
plan has changed so far. Every step is checked by :mod:`rules` and :mod:`make_room_admin` on
the room as it would then be, so that no plan has a forbidden step.

Three things keep the search small in rooms with hundreds of powerful users, and lose no shortest plan:

- To bring a user in (reactivate the account, invite, join) is one move: half of it is useless.
- Of users with the same abilities, one is enough. A user is left out if another one can do everything
  that this user can, and takes no more steps to bring in.
- Moves other than grants make no other move impossible. So where the target cannot get control even after
  all of them, no plan exists, and no search is needed.

Knocking is not among the moves: a user who may be invited after a knock may also be invited without one.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from typing import Any, Literal

from synadmin.ids import UserId
from synadmin.power import rules
from synadmin.power.levels import LEVEL_WITHOUT_EVENT
from synadmin.power.make_room_admin import predict
from synadmin.power.room import AccountState, Goal, Reach, RoomView
from synadmin.power.steps import ENABLING, Action, Step

Outcome = Literal["done", "pending"]


def unnamed_member(view: RoomView) -> UserId:
    """Return the stand-in for a joined local member known by number only; no real id has a NUL in it."""
    return UserId(f"@\0:{view.server_name}")


@dataclass(frozen=True, kw_only=True)
class _State:
    """The state of a room after some steps of a plan."""

    view: RoomView
    moved: Mapping[UserId, str] = field(default_factory=dict)
    enabled: frozenset[UserId] = frozenset()
    granted: tuple[str, int] | None = None
    steps: tuple[Step, ...] = ()
    put_back: tuple[Step, ...] = ()

    @cached_property
    def key(self) -> object:
        return (frozenset(self.moved.items()), self.enabled, self.granted)

    def after(
        self,
        *steps: Step,
        moved: Mapping[UserId, str] | None = None,
        enabled: UserId | None = None,
        levels: tuple[str, int, Mapping[str, Any], UserId] | None = None,
        put_back: tuple[Step, ...] = (),
    ) -> "_State":
        moved = moved or {}
        view = replace(self.view, memberships={**self.view.memberships, **moved})
        if enabled is not None:
            view = replace(
                view, accounts={**view.accounts, enabled: replace(view.account_of(enabled), state=_ACTIVE)}
            )
        if levels is not None:
            view = replace(view, power_levels=levels[2], power_levels_sender=levels[3])
        return _State(
            view=view,
            moved={**self.moved, **moved},
            enabled=self.enabled | {enabled} if enabled is not None else self.enabled,
            granted=levels[:2] if levels is not None else self.granted,
            steps=(*self.steps, *steps),
            put_back=(*put_back, *self.put_back),
        )


_ACTIVE = AccountState.ACTIVE


class Search:
    """The search for a plan in one room."""

    def __init__(self, view: RoomView, goal: Goal) -> None:
        self._goal = goal
        self._target = goal.target
        self._start = view
        if view.unknown_local_members:
            memberships = {**view.memberships, unnamed_member(view): "join"}
            view = replace(view, memberships=memberships)
        self._view = view
        self._actors = tuple(self._useful_actors())

    def shortest(self, outcome: Outcome, reach: Reach) -> tuple[Step, ...] | None:
        """Return the fewest steps to this outcome within the reach, None where there is no way.

        Of ways of the same length, the best one uses Make Room Admin rather than levels that a user sets, and
        known users rather than one yet to be found. It joins the target after the level is set, not before.
        """
        first = _State(view=self._view)
        if not self._is_possible(first, outcome, reach):
            return None
        tie_breaker = count()
        queue = [((0, 0), next(tie_breaker), first)]
        seen: set[object] = set()
        while queue:
            (length, penalty), _, state = heapq.heappop(queue)
            if state.key in seen:
                continue
            seen.add(state.key)
            if self.reached(state.view, outcome):
                return tuple(self._named(step) for step in (*state.steps, *state.put_back))
            for move in self._moves(state, outcome, reach):
                if move.key in seen:
                    continue
                new = (
                    *move.steps[len(state.steps) :],
                    *move.put_back[: len(move.put_back) - len(state.put_back)],
                )
                early = self._enters_early(state, new)
                cost = (length + len(new), penalty + sum(map(self._penalty, new)) + early)
                heapq.heappush(queue, (cost, next(tie_breaker), move))
        return None

    def reached(self, view: RoomView, outcome: Outcome) -> bool:
        """Whether the room is as the goal asks for."""
        if view.levels.level_of(self._target) < view.levels.control:
            return False
        membership = view.membership_of(self._target)
        if outcome == "done" or membership == "join":
            return membership == "join"
        return not view.blocked and rules.joining(view, self._target) is None

    def _is_possible(self, state: _State, outcome: Outcome, reach: Reach) -> bool:
        """Whether the outcome can be reached if every helpful move is made."""
        state = self._all_prepared(state, outcome, reach)
        if self.reached(state.view, outcome):
            return True
        grants = list(self._grants(state, reach))
        return any(self.reached(self._all_prepared(grant, outcome, reach).view, outcome) for grant in grants)

    def _all_prepared(self, state: _State, outcome: Outcome, reach: Reach) -> _State:
        while (better := next(self._preparations(state, outcome, reach), None)) is not None:
            state = better
        return state

    def _moves(self, state: _State, outcome: Outcome, reach: Reach) -> Iterator[_State]:
        yield from self._grants(state, reach)
        yield from self._preparations(state, outcome, reach)

    def _preparations(self, state: _State, outcome: Outcome, reach: Reach) -> Iterator[_State]:
        """Yield every move that brings a user into the room: the target, or a helper."""
        view, target = state.view, self._target
        membership = view.membership_of(target)
        if membership == "ban" and reach >= Reach.IMPERSONATE:
            yield from self._unbans(state, reach)
        if membership not in {"join", "invite", "ban"} and not view.blocked:
            inviter = self._inviter(view, target, reach)
            if inviter is not None:
                step = self._step(Action.INVITE, inviter, target)
                yield state.after(step, moved={target: "invite"})
        if outcome == "done" and membership != "join" and view.is_local(target):
            yield from self._entry(state, target, reach, stays=True)
        for actor in self._actors:
            if actor != target:
                yield from self._entry(state, actor, reach, stays=False)

    def _unbans(self, state: _State, reach: Reach) -> Iterator[_State]:
        target = self._target
        for actor in self._able(state.view, reach):
            # Lifting a ban overrules a moderator, so it needs this reach even where the caller may do it.
            if rules.unbanning(state.view, actor, target) is None:
                step = replace(self._step(Action.UNBAN, actor, target), reach=Reach.IMPERSONATE)
                yield state.after(step, moved={target: "leave"})
                return

    def _entry(self, state: _State, user: UserId, reach: Reach, *, stays: bool) -> Iterator[_State]:
        """Yield the steps after which a local user is joined and able to act, where that is possible."""
        view, account = state.view, state.view.account_of(user)
        steps: list[Step] = []
        back: list[Step] = []
        enabled = None
        if account.state in ENABLING:
            if reach < Reach.REACTIVATE or user == self._goal.caller or not account.actable:
                return
            enable, disable = ENABLING[account.state]
            enabled = user
            steps.append(self._account_step(enable, user))
            back.append(replace(self._account_step(disable, user), puts_back=True))
        elif account.state is not _ACTIVE or not self._in_reach(user, reach):
            return
        if view.membership_of(user) == "join":
            if enabled is not None:
                yield state.after(*steps, enabled=enabled, put_back=tuple(back))
            return
        if view.blocked:
            return
        if rules.joining(view, user) is not None:
            inviter = self._inviter(view, user, reach)
            invited = replace(view, memberships={**view.memberships, user: "invite"})
            if inviter is None or rules.joining(invited, user) is not None:
                return
            steps.append(self._step(Action.INVITE, inviter, user))
        steps.append(self._step(Action.JOIN, user, user))
        if not stays and account.state is not AccountState.DEACTIVATED:
            # To leave comes before disabling the account. A deactivated user is taken out by Synapse.
            back.insert(0, replace(self._step(Action.LEAVE, user, user), puts_back=True))
        yield state.after(*steps, moved={user: "join"}, enabled=enabled, put_back=tuple(back))

    def _inviter(self, view: RoomView, invitee: UserId, reach: Reach) -> UserId | None:
        for actor in self._able(view, reach):
            if not view.account_of(actor).shadow_banned and rules.inviting(view, actor, invitee) is None:
                return actor
        return None

    def _grants(self, state: _State, reach: Reach) -> Iterator[_State]:
        """Yield every way to give the target the level for control."""
        view, target, named_promoter = state.view, self._target, self._goal.promoter
        prediction = predict(view, target)
        promoter = prediction.promoter
        if prediction.status == 200 and promoter is not None and named_promoter in {None, promoter}:  # noqa: PLR2004
            content = prediction.content
            if content is not None and (prediction.levels_changed or prediction.invited):
                level = replace(view, power_levels=content).levels.level_of(target)
                step = Step(
                    action=Action.MAKE_ROOM_ADMIN,
                    as_user=promoter,
                    user=target,
                    level=level,
                    invites=prediction.invited,
                )
                moved = {target: "invite"} if prediction.invited else {}
                yield state.after(step, moved=moved, levels=("Synapse", level, content, promoter))
        if view.levels.level_of(target) >= view.levels.control:
            return
        for actor in self._able(view, reach):
            if view.account_of(actor).shadow_banned or named_promoter not in {None, actor}:
                continue
            level = self._level_from(view, actor)
            content = view.levels.granting(target, level)
            if rules.unacceptable(content, view.levels.version):
                continue
            if rules.changing_power_levels(view, actor, content) is None:
                step = replace(self._step(Action.SET_LEVEL, actor, target), level=level)
                yield state.after(step, levels=("by hand", level, content, actor))

    def _level_from(self, view: RoomView, actor: UserId) -> int:
        """Return the level that an actor grants: like Make Room Admin the own level, if it is a number."""
        if view.levels.is_creator(actor):
            return max(LEVEL_WITHOUT_EVENT, view.levels.control)
        return view.levels.level_of(actor)

    def _able(self, view: RoomView, reach: Reach) -> Iterator[UserId]:
        """Yield the joined users who can act now: the caller first, a member yet to be found last."""
        for actor in self._actors:
            if (
                view.membership_of(actor) == "join"
                and self._in_reach(actor, reach)
                and view.account_of(actor).state is _ACTIVE
            ):
                yield actor

    def _in_reach(self, user: UserId, reach: Reach) -> bool:
        if user == self._goal.caller:
            return True
        return reach >= Reach.IMPERSONATE and self._view.account_of(user).actable

    def _step(self, action: Action, actor: UserId, user: UserId) -> Step:
        reach = Reach.API if actor == self._goal.caller else Reach.IMPERSONATE
        return Step(action=action, as_user=actor, user=user, reach=reach)

    def _account_step(self, action: Action, user: UserId) -> Step:
        return Step(action=action, as_user=self._goal.caller, user=user, reach=Reach.REACTIVATE)

    def _penalty(self, step: Step) -> int:
        return 2 * (step.action is Action.SET_LEVEL) + 2 * (step.as_user == unnamed_member(self._start))

    def _enters_early(self, state: _State, new: tuple[Step, ...]) -> bool:
        # If a later step fails, the target should not have joined for nothing.
        levels = state.view.levels
        return levels.level_of(self._target) < levels.control and any(
            step.action is Action.JOIN and step.user == self._target for step in new
        )

    def _named(self, step: Step) -> Step:
        return replace(step, as_user=None) if step.as_user == unnamed_member(self._start) else step

    def _useful_actors(self) -> Iterator[UserId]:
        """Yield the caller, the local users with different abilities, and the unnamed member."""
        caller, unnamed = self._goal.caller, unnamed_member(self._start)
        yield caller
        if self._target != caller and self._view.is_local(self._target):
            yield self._target  # as a member the caller may invite users who can help
        rest = [user for user in _local_users(self._view) if user not in {caller, self._target, unnamed}]
        named_promoter = self._goal.promoter
        if named_promoter in rest:
            yield named_promoter
            rest.remove(named_promoter)
        yield from _unsurpassed(self._view, rest)
        if unnamed in self._view.memberships:
            yield unnamed


def _local_users(view: RoomView) -> Iterable[UserId]:
    users = (*view.memberships, *view.accounts, *view.levels.listed(), *view.creators)
    return dict.fromkeys(user for user in users if view.is_local(user))


@dataclass(frozen=True, slots=True)
class _Abilities:
    """The abilities of a user in a plan; of each, more is better."""

    level: int
    near: int  # joined, invited, neither
    account: AccountState
    sends: bool  # not shadow-banned
    actable: bool
    listed: bool  # Make Room Admin considers them
    allowed: bool  # a member of a room whose members may join

    def covers(self, other: "_Abilities") -> bool:
        return (
            self.level >= other.level
            and self.near >= other.near
            and other.account in _NO_EASIER[self.account]
            and self.sends >= other.sends
            and self.actable >= other.actable
            and self.listed >= other.listed
            and self.allowed >= other.allowed
        )


_NEAR = {"join": 2, "invite": 1}
# By state: the states that are no easier to use. Make Room Admin works through a locked account, but not
# through a suspended one. A deactivated one is not comparable: rarely joined, but without a step
# to leave.
_NO_EASIER = {
    _ACTIVE: frozenset(AccountState),
    AccountState.LOCKED: frozenset({AccountState.LOCKED, AccountState.SUSPENDED}),
    AccountState.SUSPENDED: frozenset({AccountState.SUSPENDED}),
    AccountState.DEACTIVATED: frozenset({AccountState.DEACTIVATED}),
}


def _unsurpassed(view: RoomView, users: Iterable[UserId]) -> Iterator[UserId]:
    """Yield the users who can do something that no other of these users can do as well or better."""
    levels = view.levels
    useful = min(levels.control, levels.invite, max(levels.ban, levels.kick))
    considered = {*levels.listed()} if levels.content is not None else {*view.creators[:1]}
    best: dict[_Abilities, UserId] = {}
    for user in sorted(users):
        account, membership, level = view.account_of(user), view.membership_of(user), levels.level_of(user)
        if account.state is AccountState.MISSING or membership == "ban" or level < useful:
            continue
        abilities = _Abilities(
            level=level,
            near=_NEAR.get(membership, 0),
            account=account.state,
            sends=not account.shadow_banned,
            actable=account.actable,
            listed=user in considered or levels.is_creator(user),
            allowed=user in view.allowed_members,
        )
        best.setdefault(abilities, user)
    # The highest first: a user who is left out is covered by one that was kept before.
    kept: list[_Abilities] = []
    for abilities in sorted(best, key=lambda abilities: abilities.level, reverse=True):
        if not any(other.covers(abilities) for other in kept):
            kept = [*(other for other in kept if not abilities.covers(other)), abilities]
    yield from (best[abilities] for abilities in kept)
