"""Random rooms, and plans that need more than the Admin API: compare them with an exhaustive search.

    python -m tests.live.recovery.differential --allow reactivate --rooms 1000 --seed 7

Each room has random parameters and is probably without control. It is made on a real Synapse, and synadmin
plans for it. A plan is carried out: no step may fail, the outcome must be the planned one, and other users
must be unchanged. An exhaustive search must find no shorter plan. After a refusal, an exhaustive search with
all facts about the room must find no plan either. The program prints the number of rooms and every
difference. Its exit code is 1 if there is a difference.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

from synadmin.power.room import Reach
from synadmin.power.steps import Plan
from synadmin.recovery.observer import Observer
from tests.live import differential as plain
from tests.live import random_rooms
from tests.live.differential import ADMIN, NAMES, Comparison, Drawn, RoomBuilder
from tests.live.recovery.accounts import borrowed_tokens, deactivate
from tests.unit.power import exhaustive

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from synadmin.ids import RoomId
    from synadmin.power.room import RoomView
    from synadmin.power.steps import Refusal
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.random_rooms import Tally

_ACCOUNT_STATES = ("suspended", "locked", "shadow-banned", "suspended and locked")
_DEACTIVATED = ("deactivated", "erased")
_ALLOWED = (NAMES[:2], NAMES[2:4], (NAMES[4], ADMIN))
# Reasons that depend on the room or the target alone, not on the power levels.
_REFUSED_BY_CONDITION = {
    "not-in-room",
    "target-unknown",
    "target-deactivated",
    "target-suspended",
    "room-blocked",
}
_numbers = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class LostRoom(Drawn):
    """The random parameters of a room; if it is restricted, members of the space of ``allowed`` may join."""

    allowed: tuple[str, ...]


def draw(rng: random.Random, max_reach: Reach) -> LostRoom:
    """Return random parameters of a room that is probably without control, and a random goal."""
    room = plain.draw(rng)
    account_states, memberships, levels = {}, dict(room.memberships), dict(room.levels)
    users = dict(levels.get("users", {}))
    for name in NAMES:
        if rng.random() < 0.25:
            account_states[name] = rng.choice((*_ACCOUNT_STATES, *_DEACTIVATED))
    if rng.random() < 0.8:
        # The user with power has left or has an unusable account. A member without power is in the room.
        others = [name for name in NAMES if name != room.target]
        holder, member = rng.sample(others, 2)
        users.pop(room.target, None)
        users.pop(member, None)
        account_states.pop(member, None)
        if room.version != "12" or holder not in {room.creator, *room.additional}:
            users[holder] = 100
        if memberships[holder] != "ban" or holder in room.additional:
            memberships[holder] = "join" if holder in account_states and rng.random() < 0.4 else "left"
        if memberships[member] != "ban":
            memberships[member] = "join"
        levels["users"] = users
        for name in ("users_default", "invite"):
            if rng.random() < 0.7:
                levels.pop(name, None)
    drawn = {parameter.name: getattr(room, parameter.name) for parameter in fields(Drawn)}
    reaches = [reach for reach in Reach if reach <= max_reach]
    allow = rng.choice([*reaches, max_reach, max_reach])
    changes = {
        "account_states": account_states,
        "memberships": memberships,
        "levels": levels,
        "allow": str(allow),
        "carry_out": True,
    }
    return LostRoom(**{**drawn, **changes}, allowed=rng.choice(_ALLOWED))


@dataclass
class RecoveryRoomBuilder(RoomBuilder):
    """Makes rooms whose users may be deactivated, and which members of a space may join."""

    spaces: dict[tuple[str, ...], RoomId] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Register the users, and make the spaces that they are members of."""
        super().__post_init__()
        space_owner = self.server.register("keeper")
        for names in _ALLOWED:
            members = [self.people[name] for name in names]
            self.spaces[names] = space_owner.make_room(space=True, members=members)

    def with_disposable_users(self, drawn: LostRoom) -> RecoveryRoomBuilder:
        """Return a builder with new users for those that will be deactivated: these cannot be used again."""
        deactivated = [name for name, state in drawn.account_states.items() if state in _DEACTIVATED]
        disposable = {name: self.server.register(f"disposable-{next(_numbers)}") for name in deactivated}
        builder = RecoveryRoomBuilder.__new__(RecoveryRoomBuilder)
        builder.server, builder.spaces = self.server, self.spaces
        builder.people = {**self.people, **disposable}
        return builder

    def _set_levels(self, room_id: RoomId, drawn: Drawn) -> None:
        # Before the levels are set: afterwards the creator may have no power.
        if isinstance(drawn, LostRoom) and "restricted" in drawn.join_rule:
            allow = [{"type": "m.room_membership", "room_id": self.spaces[drawn.allowed]}]
            rule = {"join_rule": drawn.join_rule, "allow": allow}
            self.people[drawn.creator].send_state(room_id, "m.room.join_rules", rule)
        super()._set_levels(room_id, drawn)

    def set_account_states(self, drawn: Drawn, *, active: bool) -> None:
        """Set the account states as drawn; with ``active=False``, undo those that can be undone."""
        admin = self.server.admin
        simple = {
            name: state
            for name, state in drawn.account_states.items()
            if state in {"locked", "shadow-banned"}
        }
        super().set_account_states(replace(drawn, account_states=simple), active=active)
        for name, state in drawn.account_states.items():
            who = self.people[name]
            if state.startswith("suspended"):
                admin.suspend(who, suspended=active)
            if state == "suspended and locked":
                admin.modify_user(who, locked=active)
            if state in _DEACTIVATED and active:
                deactivate(admin, who, erase=state == "erased")


class RecoveryComparison(Comparison):
    """The comparison of the plan or refusal for one room with the exhaustive search."""

    def _compare_room(self) -> str:
        """Plan, carry out the plan or check the refusal; return the kind of the room."""
        observer = Observer(self.admin.synapse)
        observation = observer.observe(self.room_id, self.goal)
        assert observation.view is not None
        assert observation.answer is not None
        if isinstance(observation.answer, Plan):
            self._check_plan_length(self._complete_view(observer, observation.view), observation.answer)
            self._carry_out(observation.answer)
            tokens = borrowed_tokens(self.builder.server, self.builder.people.values())
            self.expect_equal("tokens that are still valid", expected=0, actual=tokens)
            plan = observation.answer
            return f"{plan.reach}, {plan.outcome}, {len(plan.steps)} steps"
        if observation.answer.reason in _REFUSED_BY_CONDITION:
            return f"refused: {observation.answer.reason}"
        self._check_refusal_exhaustively(self._complete_view(observer, observation.view), observation.answer)
        return f"refused: {observation.answer.reason}, {observation.answer.reach}"

    def _complete_view(self, observer: Observer, view: RoomView) -> RoomView:
        """Return the view of the room with all users, also those that synadmin did not read."""
        view = observer.with_users(view, [who.user_id for who in self.builder.people.values()])
        allowed = [
            who.user_id
            for who in self.builder.people.values()
            if any(observer.membership(who.user_id, room) == "join" for room in view.allowed_rooms)
        ]
        return replace(view, allowed_members=frozenset(allowed))

    def _check_plan_length(self, view: RoomView, plan: Plan) -> None:
        if not plan.steps:
            return
        least = exhaustive.shortest(view, self.goal, plan.outcome, plan.reach)
        self.expect_equal("number of steps", expected=least, actual=len(plan.steps))
        for reach in Reach:
            if reach < plan.reach:
                shorter = exhaustive.shortest(view, self.goal, plan.outcome, reach)
                self.expect_equal(f"shortest plan with {reach}", expected=None, actual=shorter)

    def _check_refusal_exhaustively(self, view: RoomView, refusal: Refusal) -> None:
        outcomes: list[exhaustive.Outcome] = ["pending"]
        if self.goal.join or view.membership_of(self.target) == "join":
            outcomes.append("done")
        possible = [
            reach
            for reach in Reach
            if any(exhaustive.shortest(view, self.goal, outcome, reach) is not None for outcome in outcomes)
        ]
        self.expect_equal("least reach", expected=possible[0] if possible else None, actual=refusal.reach)
        if possible:
            self.expect_equal("an allowed plan exists", expected=False, actual=possible[0] <= self.goal.allow)


def run(server: Homeserver, *, rooms: int, seed: int, max_reach: Reach) -> Iterator[Tally]:
    """Compare this many rooms; yield the tally after each room."""
    builder = RecoveryRoomBuilder(server)

    def make(rng: random.Random) -> RecoveryComparison:
        drawn = draw(rng, max_reach)
        return RecoveryComparison.of(builder.with_disposable_users(drawn), drawn)

    return random_rooms.compare_rooms(make, rooms=rooms, seed=seed)


def main() -> int:
    """Run the comparison from the shell; return the exit code."""
    parser = argparse.ArgumentParser(
        description="Compare plans and refusals with an exhaustive search, in random rooms."
    )
    parser.add_argument("--allow", choices=[str(reach) for reach in Reach], default="reactivate")
    return random_rooms.main(
        parser,
        lambda server, options: run(
            server, rooms=options.rooms, seed=options.seed, max_reach=Reach[options.allow.upper()]
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
