"""Random rooms, and plans that go beyond the Admin API: each is carried out, each refusal is searched again.

    python -m tests.live.recovery.differential --allow reactivate --rooms 1000 --seed 7

A room that is likely to be lost is drawn and made on a real Synapse, looked at and planned for by the
tool. A plan is carried out: no step may fail, it must be no longer than an exhaustive search says that it
has to be, end as promised, and leave everybody else as they were. A refusal is held against the exhaustive
search on all there is to know about the room, which must find no way either. Prints how many rooms there
were and every difference; ends with 1 where there is one.
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
from tests.live.differential import ADMIN, NAMES, Comparison, Drawn, Stage
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

_FATES = ("suspended", "locked", "shadow-banned", "suspended and locked")
_GONE = ("deactivated", "erased")
_ALLOWED = (NAMES[:2], NAMES[2:4], (NAMES[4], ADMIN))
# The room or the target itself rules these out, whatever the levels.
_RULED_OUT = {"not-in-room", "target-unknown", "target-deactivated", "target-suspended", "room-blocked"}
_numbers = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Lost(Drawn):
    """A room as drawn; ``allowed`` may join it where it is restricted."""

    allowed: tuple[str, ...]


def draw(chance: random.Random, furthest: Reach) -> Lost:
    """Draw a room that is likely to be lost, and a goal."""
    room = plain.draw(chance)
    fates, memberships, levels = {}, dict(room.memberships), dict(room.levels)
    users = dict(levels.get("users", {}))
    for name in NAMES:
        if chance.random() < 0.25:
            fates[name] = chance.choice((*_FATES, *_GONE))
    if chance.random() < 0.8:
        # Somebody held the power and is gone or asleep; somebody is there who has none.
        others = [name for name in NAMES if name != room.target]
        holder, member = chance.sample(others, 2)
        users.pop(room.target, None)
        users.pop(member, None)
        fates.pop(member, None)
        if room.version != "12" or holder not in {room.creator, *room.additional}:
            users[holder] = 100
        if memberships[holder] != "ban" or holder in room.additional:
            memberships[holder] = "join" if holder in fates and chance.random() < 0.4 else "left"
        if memberships[member] != "ban":
            memberships[member] = "join"
        levels["users"] = users
        for name in ("users_default", "invite"):
            if chance.random() < 0.7:
                levels.pop(name, None)
    drawn = {one.name: getattr(room, one.name) for one in fields(Drawn)}
    reaches = [reach for reach in Reach if reach <= furthest]
    allow = chance.choice([*reaches, furthest, furthest])
    changes = {
        "fates": fates,
        "memberships": memberships,
        "levels": levels,
        "allow": str(allow),
        "carry_out": True,
    }
    return Lost(**{**drawn, **changes}, allowed=chance.choice(_ALLOWED))


@dataclass
class Theatre(Stage):
    """A stage whose people may be gone for good, and whose rooms may be open to the members of others."""

    spaces: dict[tuple[str, ...], RoomId] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Bring the people on, and the rooms that they are members of."""
        super().__post_init__()
        keeper = self.server.register("keeper")
        for names in _ALLOWED:
            members = [self.people[name] for name in names]
            self.spaces[names] = keeper.make_room(space=True, members=members)

    def cast(self, drawn: Lost) -> Theatre:
        """Return the stage with somebody new for everybody who will be deactivated, and so is used up."""
        gone = [name for name, fate in drawn.fates.items() if fate in _GONE]
        doomed = {name: self.server.register(f"doomed-{next(_numbers)}") for name in gone}
        theatre = Theatre.__new__(Theatre)
        theatre.server, theatre.spaces = self.server, self.spaces
        theatre.people = {**self.people, **doomed}
        return theatre

    def _set_levels(self, room_id: RoomId, drawn: Drawn) -> None:
        # Here and not after it: the creator may have no power then.
        if isinstance(drawn, Lost) and "restricted" in drawn.join_rule:
            allow = [{"type": "m.room_membership", "room_id": self.spaces[drawn.allowed]}]
            rule = {"join_rule": drawn.join_rule, "allow": allow}
            self.people[drawn.creator].send_state(room_id, "m.room.join_rules", rule)
        super()._set_levels(room_id, drawn)

    def meet_fates(self, drawn: Drawn, *, met: bool) -> None:
        """Let happen to everybody what was drawn for them; end what can be ended."""
        admin = self.server.admin
        simple = {name: fate for name, fate in drawn.fates.items() if fate in {"locked", "shadow-banned"}}
        super().meet_fates(replace(drawn, fates=simple), met=met)
        for name, fate in drawn.fates.items():
            who = self.people[name]
            if fate.startswith("suspended"):
                admin.suspend(who, suspended=met)
            if fate == "suspended and locked":
                admin.modify_user(who, locked=met)
            if fate in _GONE and met:
                deactivate(admin, who, erase=fate == "erased")


class Trial(Comparison):
    """One room: its plan carried out, or its refusal searched again."""

    def carry_on(self) -> str:
        """Plan, act or search, look what came of it; return what kind of room it was."""
        observer = Observer(self.admin.synapse)
        observation = observer.observe(self.room_id, self.goal)
        assert observation.view is not None
        assert observation.answer is not None
        if isinstance(observation.answer, Plan):
            self._is_short(self._all_there_is(observer, observation.view), observation.answer)
            self._carry_out(observation.answer)
            tokens = borrowed_tokens(self.stage.server, self.stage.people.values())
            self.same("tokens left", foreseen=0, seen=tokens)
            plan = observation.answer
            return f"{plan.reach}, {plan.outcome}, {len(plan.steps)} steps"
        if observation.answer.reason in _RULED_OUT:
            return f"refused: {observation.answer.reason}"
        self._is_right(self._all_there_is(observer, observation.view), observation.answer)
        return f"refused: {observation.answer.reason}, {observation.answer.reach}"

    def _all_there_is(self, observer: Observer, view: RoomView) -> RoomView:
        """Return the room with everybody in view, whether the tool looked at them or not."""
        view = observer.with_users(view, [who.user_id for who in self.stage.people.values()])
        allowed = [
            who.user_id
            for who in self.stage.people.values()
            if any(observer.membership(who.user_id, room) == "join" for room in view.allowed_rooms)
        ]
        return replace(view, allowed_members=frozenset(allowed))

    def _is_short(self, view: RoomView, plan: Plan) -> None:
        if not plan.steps:
            return
        least = exhaustive.shortest(view, self.goal, plan.outcome, plan.reach)
        self.same("length", foreseen=least, seen=len(plan.steps))
        for reach in Reach:
            if reach < plan.reach:
                shorter = exhaustive.shortest(view, self.goal, plan.outcome, reach)
                self.same(f"a way with {reach}", foreseen=None, seen=shorter)

    def _is_right(self, view: RoomView, refusal: Refusal) -> None:
        outcomes: list[exhaustive.Outcome] = ["pending"]
        if self.goal.join or view.membership_of(self.target) == "join":
            outcomes.append("done")
        ways = [
            reach
            for reach in Reach
            if any(exhaustive.shortest(view, self.goal, outcome, reach) is not None for outcome in outcomes)
        ]
        self.same("least reach", foreseen=ways[0] if ways else None, seen=refusal.reach)
        if ways:
            self.same("a way that is allowed", foreseen=False, seen=ways[0] <= self.goal.allow)


def run(server: Homeserver, *, rooms: int, seed: int, furthest: Reach) -> Iterator[Tally]:
    """Try as many rooms as asked for; yield the tally after each."""
    theatre = Theatre(server)

    def make(chance: random.Random) -> Trial:
        drawn = draw(chance, furthest)
        return Trial.of(theatre.cast(drawn), drawn)

    return random_rooms.compared(make, rooms=rooms, seed=seed)


def main() -> int:
    """Run it from the shell."""
    parser = argparse.ArgumentParser(description="Random rooms: plans carried out, refusals searched again.")
    parser.add_argument("--allow", choices=[str(reach) for reach in Reach], default="reactivate")
    return random_rooms.main(
        parser,
        lambda server, options: run(
            server, rooms=options.rooms, seed=options.seed, furthest=Reach[options.allow.upper()]
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
