"""Random rooms: compare the predictions and plans of synadmin with what Synapse really does.

    python -m tests.live.differential --rooms 1000 --seed 7

Each room has random parameters. It is made on a real Synapse and observed as synadmin observes rooms. Then
either Make Room Admin is called, and its answer and effect are compared with the prediction; or the plan is
carried out, and the outcome is compared with the plan. The program prints the number of rooms and every
difference. Its exit code is 1 if there is a difference.
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
# With these reasons synadmin refuses although Make Room Admin might work: the target could not use the power.
_PROTECTIVE_REFUSALS = {"target-unknown", "target-suspended", "target-deactivated", "room-blocked"}


# The state of a room, and the reply of Synapse


@dataclass(frozen=True)
class Reply:
    """Synapse's reply to a Make Room Admin request."""

    status: int
    errcode: str | None = None
    message: str | None = None


@dataclass(frozen=True)
class RoomState:
    """The power levels event of a room, and the membership of one user in it."""

    event_id: str | None
    content: dict[str, Any] | None
    membership: str | None


def call_make_room_admin(synapse: Synapse, room: RoomId | RoomAlias, target: UserId) -> Reply:
    """Send a Make Room Admin request directly; return the reply."""
    try:
        synapse.rooms.make_admin(room, user_id=target)
    except MatrixError as error:
        return Reply(error.status, error.errcode, error.reason)
    return Reply(200)


def room_state(admin: Person, room_id: RoomId, user: UserId) -> RoomState:
    """Read the power levels event of a room and the membership of a user."""
    event = admin.levels_event(room_id)
    membership = admin.membership(room_id, user)
    if event is None:
        return RoomState(None, None, membership)
    return RoomState(event["event_id"], event["content"], membership)


def predict_make_admin(
    observer: Observer, room: RoomId | RoomAlias, goal: Goal
) -> tuple[Observation, Prediction]:
    """Observe a room as synadmin does, and predict the effect of Make Room Admin."""
    observation = observer.observe(room, goal)
    assert observation.view is not None
    prediction = predict(observation.view, goal.target)
    promoter = prediction.promoter
    if promoter is not None and promoter not in observation.view.accounts:
        # For a refusal the observer does not read the promoter's account, but the prediction needs it.
        accounts = {**observation.view.accounts, promoter: observer.account(promoter)}
        prediction = predict(replace(observation.view, accounts=accounts), goal.target)
    return observation, prediction


# The random parameters of a room


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """The random parameters of a room, with users by name."""

    version: str
    join_rule: str
    creator: str
    additional: tuple[str, ...]
    federate: bool
    memberships: dict[str, str]
    levels: dict[str, Any]
    sender: str
    account_states: dict[str, str]
    blocked: bool
    target: str
    join: bool
    allow: str
    carry_out: bool


NAMES = ("ann", "ben", "cleo", "dan", "eve")
UNREGISTERED = "ghost"
REMOTE = "abroad"
ADMIN = "admin"


def draw(rng: random.Random) -> Drawn:
    """Return random parameters of a room, and a random goal."""
    version = rng.choice(VERSIONS)
    creator, *others = rng.sample(NAMES, len(NAMES))
    additional = tuple(rng.sample(others, rng.choice([0, 0, 0, 1, 2]))) if version == "12" else ()
    memberships = {
        name: rng.choice(["join", "join", "join", "leave", "left", "invite", "ban"])
        for name in (*others, ADMIN)
    }
    for name in additional:
        if memberships[name] == "ban":
            memberships[name] = "left"  # a creator cannot be banned
    memberships[creator] = rng.choice(["join", "join", "left"])
    memberships[UNREGISTERED] = rng.choice(["leave", "leave", "leave", "invite", "ban"])
    in_levels = tuple(
        name
        for name in (*NAMES, ADMIN, UNREGISTERED, REMOTE)
        if version != "12" or name not in {creator, *additional}
    )
    joining = [
        name for name in (*others, ADMIN) if memberships[name] in {"join", "left"} and name not in additional
    ]
    targets = (*NAMES, *NAMES, ADMIN, ADMIN, ADMIN, ADMIN, UNREGISTERED, REMOTE)
    target = rng.choice(targets)
    account_states = {}
    for name in NAMES:
        if rng.random() < 0.08:
            account_states[name] = rng.choice(["suspended", "locked", "shadow-banned"])
    federate = rng.random() > 0.1
    join_rule = rng.choice(_RULES)
    if target == REMOTE and federate:
        # The remote server does not exist, so an invitation would fail. Other tests use two servers.
        join_rule = "public"
    return Drawn(
        version=version,
        join_rule=join_rule,
        creator=creator,
        additional=additional,
        federate=federate,
        memberships=memberships,
        levels=_levels(rng, in_levels),
        sender=rng.choice([creator, creator, *joining[:1]]),
        account_states=account_states,
        blocked=rng.random() < 0.06,
        target=target,
        join=rng.random() < 0.75,
        allow=rng.choice(["api"] * 6 + ["impersonate"] * 3 + ["reactivate"] * 3),
        carry_out=rng.random() < 0.6,
    )


def _levels(rng: random.Random, names: tuple[str, ...]) -> dict[str, Any]:
    users = {name: rng.choice(LEVELS) for name in rng.sample(names, rng.randint(0, min(4, len(names))))}
    if rng.random() < 0.4:
        users[rng.choice(names[:3])] = 100  # otherwise most rooms would be without control
    content: dict[str, Any] = {"users": users}
    if rng.random() < 0.04:
        content = {}
    for name in ("users_default", "state_default", "events_default", "invite", "kick", "ban"):
        if rng.random() < 0.25:
            content[name] = rng.choice(LEVELS)
    if rng.random() < 0.5:
        content["events"] = {"m.room.power_levels": rng.choice(LEVELS)}
    if rng.random() < 0.2:
        content.setdefault("events", {})["m.room.name"] = rng.choice(LEVELS)
    if rng.random() < 0.2:
        content["notifications"] = {"room": rng.choice(LEVELS)}
    return content


# The room on the server


@dataclass
class RoomBuilder:
    """Makes rooms from random parameters, on one server with a few users."""

    server: Homeserver
    people: dict[str, Person] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Register the users."""
        self.people = {name: self.server.register(f"drawn-{name}") for name in NAMES}
        self.people[ADMIN] = self.server.admin

    def user_id(self, name: str) -> UserId:
        """Return the user id for a name."""
        if name in self.people:
            return self.people[name].user_id
        host = "elsewhere.example" if name == REMOTE else self.server.server_name
        return UserId(f"@drawn-{name}:{host}")

    def content(self, levels: dict[str, Any]) -> dict[str, Any]:
        """Return the content of a power levels event, with user ids in place of names."""
        if "users" not in levels:
            return levels
        return {**levels, "users": {self.user_id(name): level for name, level in levels["users"].items()}}

    def make(self, drawn: Drawn) -> RoomId:
        """Make the room with few requests."""
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
            # The sender first needs the power to send levels. Its own event may then remove that power.
            users = {**content.get("users", {}), sender.user_id: 100}
            creator.set_levels(room_id, {**content, "users": users, "events": {}, "state_default": 50})
        sender.set_levels(room_id, content)

    def set_account_states(self, drawn: Drawn, *, active: bool) -> None:
        """Suspend, lock and shadow-ban the users as drawn; with ``active=False``, undo that."""
        admin = self.server.admin
        for name, state in drawn.account_states.items():
            who = self.user_id(name)
            if state == "suspended":
                admin.suspend(who, suspended=active)
            elif state == "locked":
                admin.modify_user(who, locked=active)
            else:
                path = f"/_synapse/admin/v1/users/{who}/shadow_ban"
                admin.call("POST" if active else "DELETE", path, {} if active else None)


# The comparison


@dataclass
class Comparison:
    """The comparison of the expected and the actual state of one room."""

    builder: RoomBuilder
    drawn: Drawn
    room_id: RoomId
    differences: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, builder: RoomBuilder, drawn: Drawn) -> Self:
        """Make the room and return its comparison."""
        return cls(builder, drawn, builder.make(drawn))

    def expect_equal(self, what: str, *, expected: object, actual: object) -> None:
        """Record a difference if two values are not equal."""
        if expected != actual:
            self.differences.append(f"{what}: expected {expected!r}, actual {actual!r}")

    @property
    def admin(self) -> Person:
        """The server admin, who owns the token."""
        return self.builder.server.admin

    @property
    def target(self) -> UserId:
        """The user who gets control."""
        return self.builder.user_id(self.drawn.target)

    @property
    def goal(self) -> Goal:
        """The goal of the plan."""
        allow = Reach[self.drawn.allow.upper()]
        return Goal(target=self.target, caller=self.admin.user_id, allow=allow, join=self.drawn.join)

    def compare(self) -> str:
        """Compare the room while the accounts are in their drawn states."""
        self.builder.set_account_states(self.drawn, active=True)
        try:
            return self._compare_room()
        finally:
            self.builder.set_account_states(self.drawn, active=False)

    def _compare_room(self) -> str:
        """Predict, act, and compare the result; return the kind of the room."""
        before = room_state(self.admin, self.room_id, self.target)
        observer = Observer(self.admin.synapse)
        observation, prediction = predict_make_admin(observer, self.room_id, self.goal)
        observed = observation.view and observation.view.membership_of(self.target)
        self.expect_equal("membership as observed", expected=observed, actual=before.membership or "leave")
        if self.drawn.carry_out and isinstance(observation.answer, Plan):
            self._carry_out(observation.answer)
            plan = observation.answer
            return f"carried out: {plan.reach}, {plan.outcome}, {len(plan.steps)} steps"
        self.expect_equal(
            "state after the observation",
            expected=before,
            actual=room_state(self.admin, self.room_id, self.target),
        )
        reply = self._call_make_room_admin(before, prediction)
        verdict = "a plan"
        if isinstance(observation.answer, Refusal):
            verdict = observation.answer.reason
            self._check_refusal(observation, observation.answer)
        return f"Make Room Admin: {reply.status} {reply.errcode or ''}, {verdict}"

    def _call_make_room_admin(self, before: RoomState, prediction: Prediction) -> Reply:
        reply = call_make_room_admin(self.admin.synapse, self.room_id, self.target)
        after = room_state(self.admin, self.room_id, self.target)
        expected = Reply(prediction.status, prediction.errcode, prediction.message)
        self.expect_equal("reply", expected=expected, actual=reply)
        # After all local users have left, Synapse shows no state of the room.
        content = prediction.content if before.event_id is not None else None
        self.expect_equal("levels", expected=content, actual=after.content)
        self.expect_equal(
            "new event", expected=prediction.new_event, actual=before.event_id != after.event_id
        )
        membership = "invite" if prediction.invited else before.membership
        self.expect_equal("membership", expected=membership, actual=after.membership)
        return reply

    def _check_refusal(self, observation: Observation, refusal: Refusal) -> None:
        """Check that the target did not get control from the Make Room Admin request."""
        if refusal.reason in _PROTECTIVE_REFUSALS or self.drawn.target in self.drawn.account_states:
            return
        assert observation.view is not None
        now = room_state(self.admin, self.room_id, self.target)
        gained = replace(observation.view, power_levels=now.content).levels
        if gained.level_of(self.target) >= gained.control:
            self.expect_equal(f"control after {refusal.reason}", expected=False, actual=self._try_join())

    def _carry_out(self, plan: Plan) -> None:
        """Carry out the plan; compare the outcome with the plan, and both with the state of the room."""
        synapse = self.admin.synapse
        others = self._others()
        for step in plan.steps:
            if step.action is Action.LEAVE:
                # A user who joins temporarily no longer has the invitation that they had before.
                others[0].pop(step.user, None)
        (preview,) = make_admin.preview_rooms(Observer(synapse), [self.room_id], self.goal)
        journal = Journal(self.builder.server.directory / "journal.sqlite3")
        with Recovery(synapse, journal) as recovery:
            result = make_admin.Run(recovery, self.goal).carry_out(preview)
        self.expect_equal("outcome", expected=(plan.outcome, None), actual=(result.outcome, result.reason))
        self.expect_equal("level", expected=plan.level, actual=result.level_after)
        self.expect_equal("control", expected=plan.outcome == "done", actual=result.control)
        done = [step.status for step in result.steps]
        self.expect_equal("steps", expected=["done"] * len(plan.steps), actual=done)
        view = Observer(synapse).observe(self.room_id, self.goal).view
        assert view is not None
        self.expect_equal("level read", expected=result.level_after, actual=view.levels.level_of(self.target))
        self.expect_equal(
            "membership read", expected=result.membership_after, actual=view.membership_of(self.target)
        )
        self.expect_equal("other users", expected=others, actual=self._others())
        # A second run must find nothing to do.
        self.expect_equal("a second run", expected=(result.outcome, ()), actual=self._preview_again())
        if plan.outcome == "pending" and self._target_can_join():
            self.expect_equal("the target can join", expected=True, actual=self._try_join())
            self.expect_equal("a run after the join", expected=("done", ()), actual=self._preview_again())

    def _others(self) -> tuple[dict[str, str], dict[str, int], dict[str, Account]]:
        """Return the memberships, levels and accounts of all users except the target."""
        memberships, levels = {}, {}
        for event in self.admin.state_events(self.room_id):
            if event["type"] == "m.room.member" and event["content"]["membership"] != "leave":
                memberships[event["state_key"]] = event["content"]["membership"]
            elif event["type"] == "m.room.power_levels":
                levels = dict(event["content"].get("users", {}))
        for values in (memberships, levels):
            values.pop(self.target, None)
        observer = Observer(self.admin.synapse)
        people = self.builder.people.values()
        return memberships, levels, {who.user_id: observer.account(who.user_id) for who in people}

    def _preview_again(self) -> tuple[str, tuple[StepTaken, ...]]:
        (again,) = make_admin.preview_rooms(Observer(self.admin.synapse), [self.room_id], self.goal)
        return again.result.outcome, again.result.steps

    def _target_can_join(self) -> bool:
        return self.drawn.target in self.builder.people and self.drawn.target not in self.drawn.account_states

    def _try_join(self) -> bool:
        """Join the room as the target; return whether that succeeded."""
        if not self._target_can_join():
            return False
        try:
            self.builder.people[self.drawn.target].join(self.room_id)
        except MatrixError:
            return False
        return True


def run(server: Homeserver, *, rooms: int, seed: int) -> Iterator[Tally]:
    """Compare this many rooms; yield the tally after each room."""
    builder = RoomBuilder(server)

    def make(rng: random.Random) -> Comparison:
        return Comparison.of(builder, draw(rng))

    return random_rooms.compare_rooms(make, rooms=rooms, seed=seed)


def main() -> int:
    """Run the comparison from the shell; return the exit code."""
    parser = argparse.ArgumentParser(
        description="Compare plans and predictions with a real Synapse, in random rooms."
    )
    return random_rooms.main(
        parser, lambda server, options: run(server, rooms=options.rooms, seed=options.seed)
    )


if __name__ == "__main__":
    sys.exit(main())
