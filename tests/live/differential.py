"""Random rooms: what the planner foresees, against what Synapse then does.

    python -m tests.live.differential --rooms 1000 --seed 7

A room is drawn, made on a real Synapse, looked at through the same observer as the tool's, and then
either Make Room Admin is asked and its answer and effect compared with the prediction, or the plan is
carried out and the outcome compared with what was promised. Prints how many rooms there were and every
difference; ends with 1 where there is one.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from synadmin.errors import MatrixError
from synadmin.ids import UserId
from synadmin.journal import Journal
from synadmin.power.make_room_admin import Prediction, predict
from synadmin.power.room import Account, Goal, Reach
from synadmin.power.steps import Action, Plan, Refusal
from synadmin.recovery import make_admin
from synadmin.recovery.observer import Observation, Observer
from synadmin.recovery.workspace import Recovery
from tests.live import random_rooms

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from synadmin.client import Synapse
    from synadmin.ids import RoomAlias, RoomId
    from synadmin.recovery.outcome import StepTaken
    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.random_rooms import Tally

VERSIONS = ("6", "10", "11", "12")
LEVELS = (-1, 0, 0, 1, 25, 49, 50, 50, 51, 99, 100, 100, 100)
_RULES = ("invite",) * 6 + ("public",) * 4 + ("knock", "restricted", "knock_restricted", "private")
# Where Make Room Admin alone might do, and the tool refuses for the person's sake.
_FOR_THEIR_SAKE = {"target-unknown", "target-suspended", "target-deactivated", "room-blocked"}


# What a room holds, what Synapse says


@dataclass(frozen=True)
class Reply:
    """What Synapse said to Make Room Admin."""

    status: int
    errcode: str | None = None
    message: str | None = None


@dataclass(frozen=True)
class Held:
    """What a room holds for somebody: what must not change where the tool refuses."""

    event_id: str | None
    content: dict[str, Any] | None
    membership: str | None


def ask(synapse: Synapse, room: RoomId | RoomAlias, target: UserId) -> Reply:
    """Ask Synapse itself, without looking first."""
    try:
        synapse.rooms.make_admin(room, user_id=target)
    except MatrixError as error:
        return Reply(error.status, error.errcode, error.reason)
    return Reply(200)


def held(admin: Person, room_id: RoomId, user: UserId) -> Held:
    """Read what the room holds, from its state alone."""
    event = admin.levels_event(room_id)
    membership = admin.membership(room_id, user)
    if event is None:
        return Held(None, None, membership)
    return Held(event["event_id"], event["content"], membership)


def foresee(observer: Observer, room: RoomId | RoomAlias, goal: Goal) -> tuple[Observation, Prediction]:
    """Look at a room as the tool does, and predict Make Room Admin from what is seen there."""
    observation = observer.observe(room, goal)
    assert observation.view is not None
    prediction = predict(observation.view, goal.target)
    promoter = prediction.promoter
    if promoter is not None and promoter not in observation.view.accounts:
        # A refusal needs no look at the promoter's account; the prediction does.
        accounts = {**observation.view.accounts, promoter: observer.account(promoter)}
        prediction = predict(replace(observation.view, accounts=accounts), goal.target)
    return observation, prediction


# A room is drawn


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A room as drawn: people by name."""

    version: str
    join_rule: str
    creator: str
    additional: tuple[str, ...]
    federate: bool
    memberships: dict[str, str]
    levels: dict[str, Any]
    sender: str
    fates: dict[str, str]
    blocked: bool
    target: str
    join: bool
    allow: str
    carry_out: bool


NAMES = ("ann", "ben", "cleo", "dan", "eve")
GHOST = "ghost"
ABROAD = "abroad"
ADMIN = "admin"


def draw(chance: random.Random) -> Drawn:
    """Draw a room and a goal."""
    version = chance.choice(VERSIONS)
    creator, *others = chance.sample(NAMES, len(NAMES))
    additional = tuple(chance.sample(others, chance.choice([0, 0, 0, 1, 2]))) if version == "12" else ()
    memberships = {
        name: chance.choice(["join", "join", "join", "leave", "left", "invite", "ban"])
        for name in (*others, ADMIN)
    }
    for name in additional:
        if memberships[name] == "ban":
            memberships[name] = "left"  # nobody can ban a creator
    memberships[creator] = chance.choice(["join", "join", "left"])
    memberships[GHOST] = chance.choice(["leave", "leave", "leave", "invite", "ban"])
    listed = tuple(
        name
        for name in (*NAMES, ADMIN, GHOST, ABROAD)
        if version != "12" or name not in {creator, *additional}
    )
    joining = [
        name for name in (*others, ADMIN) if memberships[name] in {"join", "left"} and name not in additional
    ]
    everybody = (*NAMES, *NAMES, ADMIN, ADMIN, ADMIN, ADMIN, GHOST, ABROAD)
    target = chance.choice(everybody)
    fates = {}
    for name in NAMES:
        if chance.random() < 0.08:
            fates[name] = chance.choice(["suspended", "locked", "shadow-banned"])
    federate = chance.random() > 0.1
    join_rule = chance.choice(_RULES)
    if target == ABROAD and federate:
        # Nobody answers there, so nobody could be invited; tests with two servers see to that.
        join_rule = "public"
    return Drawn(
        version=version,
        join_rule=join_rule,
        creator=creator,
        additional=additional,
        federate=federate,
        memberships=memberships,
        levels=_levels(chance, listed),
        sender=chance.choice([creator, creator, *joining[:1]]),
        fates=fates,
        blocked=chance.random() < 0.06,
        target=target,
        join=chance.random() < 0.75,
        allow=chance.choice(["api"] * 6 + ["impersonate"] * 3 + ["reactivate"] * 3),
        carry_out=chance.random() < 0.6,
    )


def _levels(chance: random.Random, listed: tuple[str, ...]) -> dict[str, Any]:
    users = {
        name: chance.choice(LEVELS) for name in chance.sample(listed, chance.randint(0, min(4, len(listed))))
    }
    if chance.random() < 0.4:
        users[chance.choice(listed[:3])] = 100  # or nobody would hold power most of the time
    content: dict[str, Any] = {"users": users}
    if chance.random() < 0.04:
        content = {}
    for name in ("users_default", "state_default", "events_default", "invite", "kick", "ban"):
        if chance.random() < 0.25:
            content[name] = chance.choice(LEVELS)
    if chance.random() < 0.5:
        content["events"] = {"m.room.power_levels": chance.choice(LEVELS)}
    if chance.random() < 0.2:
        content.setdefault("events", {})["m.room.name"] = chance.choice(LEVELS)
    if chance.random() < 0.2:
        content["notifications"] = {"room": chance.choice(LEVELS)}
    return content


# A room is made


@dataclass
class Stage:
    """The server and the people that rooms are drawn for."""

    server: Homeserver
    people: dict[str, Person] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Bring the people on."""
        self.people = {name: self.server.register(f"drawn-{name}") for name in NAMES}
        self.people[ADMIN] = self.server.admin

    def user_id(self, name: str) -> UserId:
        """Return the id of a name that was drawn."""
        if name in self.people:
            return self.people[name].user_id
        host = "elsewhere.example" if name == ABROAD else self.server.server_name
        return UserId(f"@drawn-{name}:{host}")

    def content(self, levels: dict[str, Any]) -> dict[str, Any]:
        """Return drawn levels with ids in place of names."""
        if "users" not in levels:
            return levels
        return {**levels, "users": {self.user_id(name): level for name, level in levels["users"].items()}}

    def make(self, drawn: Drawn) -> RoomId:
        """Make the room, in as few requests as it takes."""
        people, memberships = self.people, drawn.memberships
        creator = people[drawn.creator]
        guests = [
            name for name, membership in memberships.items() if membership in {"join", "left", "invite"}
        ]
        creation: dict[str, Any] = {"m.federate": drawn.federate}
        if drawn.additional:
            creation["additional_creators"] = [self.user_id(name) for name in drawn.additional]
        room_id = creator.synapse.client_server.create_room(
            preset="public_chat" if drawn.join_rule == "public" else "private_chat",
            room_version=drawn.version,
            creation_content=creation,
            invite=[self.user_id(name) for name in guests if name != drawn.creator],
        ).room_id
        for name in guests:
            if memberships[name] != "invite" and name != drawn.creator:
                people[name].join(room_id)
        if drawn.join_rule not in {"public", "invite"}:
            rule: dict[str, Any] = {"join_rule": drawn.join_rule}
            if "restricted" in drawn.join_rule:
                rule["allow"] = []
            creator.send_state(room_id, "m.room.join_rules", rule)
        creator.ban(room_id, *(self.user_id(name) for name, kind in memberships.items() if kind == "ban"))
        self._set_levels(room_id, drawn)
        for name, membership in memberships.items():
            if membership == "left":
                people[name].leave(room_id)
        if drawn.blocked:
            self.server.admin.block(room_id)
        return room_id

    def _set_levels(self, room_id: RoomId, drawn: Drawn) -> None:
        content = self.content(drawn.levels)
        creator, sender = self.people[drawn.creator], self.people[drawn.sender]
        if sender is not creator:
            # The sender needs the power first, and may give it away with the last event.
            users = {**content.get("users", {}), sender.user_id: 100}
            creator.set_levels(room_id, {**content, "users": users, "events": {}, "state_default": 50})
        sender.set_levels(room_id, content)

    def meet_fates(self, drawn: Drawn, *, met: bool) -> None:
        """Suspend, lock, shadow-ban whom it was drawn for; or end that."""
        admin = self.server.admin
        for name, fate in drawn.fates.items():
            who = self.user_id(name)
            if fate == "suspended":
                admin.suspend(who, suspended=met)
            elif fate == "locked":
                admin.modify_user(who, locked=met)
            else:
                path = f"/_synapse/admin/v1/users/{who}/shadow_ban"
                admin.call("POST" if met else "DELETE", path, {} if met else None)


# Foreseen and seen


@dataclass
class Comparison:
    """One room: what was foreseen, what was seen, where they differ."""

    stage: Stage
    drawn: Drawn
    room_id: RoomId
    found: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, stage: Stage, drawn: Drawn) -> Self:
        """Make the room."""
        return cls(stage, drawn, stage.make(drawn))

    def same(self, what: str, *, foreseen: object, seen: object) -> None:
        """Note it where two things differ."""
        if foreseen != seen:
            self.found.append(f"{what}: foreseen {foreseen!r}, seen {seen!r}")

    @property
    def admin(self) -> Person:
        """Whose token it is."""
        return self.stage.server.admin

    @property
    def target(self) -> UserId:
        """Who shall have control."""
        return self.stage.user_id(self.drawn.target)

    @property
    def goal(self) -> Goal:
        """What is asked for."""
        allow = Reach[self.drawn.allow.upper()]
        return Goal(target=self.target, caller=self.admin.user_id, allow=allow, join=self.drawn.join)

    def compare(self) -> str:
        """Let happen to everybody what was drawn for them, and carry on while it lasts."""
        self.stage.meet_fates(self.drawn, met=True)
        try:
            return self.carry_on()
        finally:
            self.stage.meet_fates(self.drawn, met=False)

    def carry_on(self) -> str:
        """Foresee, act, look what came of it; return what kind of room it was."""
        before = held(self.admin, self.room_id, self.target)
        observer = Observer(self.admin.synapse)
        observation, prediction = foresee(observer, self.room_id, self.goal)
        seen = observation.view and observation.view.membership_of(self.target)
        self.same("membership as observed", foreseen=seen, seen=before.membership or "leave")
        if self.drawn.carry_out and isinstance(observation.answer, Plan):
            self._carry_out(observation.answer)
            plan = observation.answer
            return f"carried out: {plan.reach}, {plan.outcome}, {len(plan.steps)} steps"
        self.same("after looking", foreseen=before, seen=held(self.admin, self.room_id, self.target))
        reply = self._ask(before, prediction)
        verdict = "a plan"
        if isinstance(observation.answer, Refusal):
            verdict = observation.answer.reason
            self._was_right_to_refuse(observation, observation.answer)
        return f"asked: {reply.status} {reply.errcode or ''}, {verdict}"

    def _ask(self, before: Held, prediction: Prediction) -> Reply:
        reply = ask(self.admin.synapse, self.room_id, self.target)
        after = held(self.admin, self.room_id, self.target)
        foreseen = Reply(prediction.status, prediction.errcode, prediction.message)
        self.same("reply", foreseen=foreseen, seen=reply)
        # Once everybody has left, Synapse has no state left to show.
        content = prediction.content if before.event_id is not None else None
        self.same("levels", foreseen=content, seen=after.content)
        self.same("new event", foreseen=prediction.new_event, seen=before.event_id != after.event_id)
        membership = "invite" if prediction.invited else before.membership
        self.same("membership", foreseen=membership, seen=after.membership)
        return reply

    def _was_right_to_refuse(self, observation: Observation, refusal: Refusal) -> None:
        """See that Make Room Admin, which has been asked by now, does not lead to control after all."""
        if refusal.reason in _FOR_THEIR_SAKE or self.drawn.target in self.drawn.fates:
            return
        assert observation.view is not None
        now = held(self.admin, self.room_id, self.target)
        gained = replace(observation.view, power_levels=now.content).levels
        if gained.level_of(self.target) >= gained.control:
            self.same(f"control after {refusal.reason}", foreseen=False, seen=self._comes_in())

    def _carry_out(self, plan: Plan) -> None:
        """Carry a plan out, and hold the outcome to the plan, and both to the room's state."""
        synapse = self.admin.synapse
        others = self._others()
        for step in plan.steps:
            if step.action is Action.LEAVE:
                # Who was invited before, and comes to help, has used the invitation up.
                others[0].pop(step.user, None)
        (preview,) = make_admin.preview_rooms(Observer(synapse), [self.room_id], self.goal)
        journal = Journal(self.stage.server.directory / "journal.sqlite3")
        with Recovery(synapse, journal) as recovery:
            result = make_admin.Run(recovery, self.goal).carry_out(preview)
        self.same("outcome", foreseen=(plan.outcome, None), seen=(result.outcome, result.reason))
        self.same("level", foreseen=plan.level, seen=result.level_after)
        self.same("control", foreseen=plan.outcome == "done", seen=result.control)
        done = [step.status for step in result.steps]
        self.same("steps", foreseen=["done"] * len(plan.steps), seen=done)
        seen = Observer(synapse).observe(self.room_id, self.goal).view
        assert seen is not None
        self.same("level read", foreseen=result.level_after, seen=seen.levels.level_of(self.target))
        self.same("membership read", foreseen=result.membership_after, seen=seen.membership_of(self.target))
        self.same("everybody else", foreseen=others, seen=self._others())
        # Run again it has nothing left to do.
        self.same("a second run", foreseen=(result.outcome, ()), seen=self._look_again())
        if plan.outcome == "pending" and self._can_try():
            self.same("the target can come in", foreseen=True, seen=self._comes_in())
            self.same("once it has", foreseen=("done", ()), seen=self._look_again())

    def _others(self) -> tuple[dict[str, str], dict[str, int], dict[str, Account]]:
        """Return of everybody but the target the membership, the level, and the state of the account."""
        memberships, levels = {}, {}
        for event in self.admin.state_events(self.room_id):
            if event["type"] == "m.room.member" and event["content"]["membership"] != "leave":
                memberships[event["state_key"]] = event["content"]["membership"]
            elif event["type"] == "m.room.power_levels":
                levels = dict(event["content"].get("users", {}))
        for found in (memberships, levels):
            found.pop(self.target, None)
        observer = Observer(self.admin.synapse)
        people = self.stage.people.values()
        return memberships, levels, {who.user_id: observer.account(who.user_id) for who in people}

    def _look_again(self) -> tuple[str, tuple[StepTaken, ...]]:
        (again,) = make_admin.preview_rooms(Observer(self.admin.synapse), [self.room_id], self.goal)
        return again.result.outcome, again.result.steps

    def _can_try(self) -> bool:
        return self.drawn.target in self.stage.people and self.drawn.target not in self.drawn.fates

    def _comes_in(self) -> bool:
        """Have the target try to join, and tell whether that succeeded."""
        if not self._can_try():
            return False
        try:
            self.stage.people[self.drawn.target].join(self.room_id)
        except MatrixError:
            return False
        return True


def run(server: Homeserver, *, rooms: int, seed: int) -> Iterator[Tally]:
    """Compare as many rooms as asked for; yield the tally after each."""
    stage = Stage(server)

    def make(chance: random.Random) -> Comparison:
        return Comparison.of(stage, draw(chance))

    return random_rooms.compared(make, rooms=rooms, seed=seed)


def main() -> int:
    """Run it from the shell."""
    parser = argparse.ArgumentParser(description="Random rooms: the planner against a real Synapse.")
    return random_rooms.main(
        parser, lambda server, options: run(server, rooms=options.rooms, seed=options.seed)
    )


if __name__ == "__main__":
    sys.exit(main())
