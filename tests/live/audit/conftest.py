"""A town with everything that an audit can find, each in a room of its own, and one room that is sound.

It federates with a neighbour that has gone when the audits look. What takes months is made by setting the
clock back in its database, while it is stopped.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from synadmin.audit import runner
from synadmin.audit.baseline import Baseline
from synadmin.audit.config import Config
from synadmin.audit.gather.gatherer import Gatherer
from synadmin.audit.gather.prefetch import Prefetcher
from synadmin.client import Synapse
from synadmin.errors import MatrixError
from synadmin.ids import RoomId, UserId, encoded
from synadmin.sandbox.homeserver import Homeserver
from tests.live.database import transaction
from tests.live.workers import shared_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from synadmin.audit.findings import Finding
    from synadmin.sandbox.accounts import Person
    from tests.live.conftest import Answer, Synadmin

DAY = 86_400_000  # milliseconds
_PATIENCE = 90  # seconds until the server has counted, or noticed
CONFIG = """
[audit]
server_admins = ["@admin:{server_name}"]

[audit.rules.complex-room]
state_events = 100
look_at_extremities = true

[[audit.ignore]]
rule = "weak-control"
subject = "!nothing:{server_name}"
reason = "a room that is no more"
"""


@dataclass
class Town:
    """The server, and its rooms by what is the matter with them."""

    server: Homeserver
    neighbour_name: str = ""
    rooms: dict[str, RoomId] = field(default_factory=dict)
    people: dict[str, UserId] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.server.directory / "audit.toml"


@pytest.fixture(scope="session")
def town() -> Iterator[Town]:
    with shared_server(federates=True) as server:
        town = Town(server)
        with Homeserver(federates=True) as neighbour:
            town.neighbour_name = neighbour.server_name
            Builder(town, neighbour).build()
            until(lambda: counted(server), "the server has counted who is in which room")
        _until_noticed(town)
        server.stop()
        _set_back_the_clock(town)
        server.start()
        town.config.write_text(CONFIG.format(server_name=server.server_name), "utf-8")
        yield town


class Builder:
    """Builds the town."""

    def __init__(self, town: Town, neighbour: Homeserver) -> None:
        self.town = town
        self.server = town.server
        self.anna, self.ben, self.cleo = (self.server.register(name) for name in ("anna", "ben", "cleo"))
        self.nick = neighbour.register("nick")
        self.nora = neighbour.register("nora")

    def build(self) -> None:
        self.plain()
        self.of_creators()
        self.of_accounts()
        self.federated()
        self.replaced()
        self.of_the_server()

    def room(self, what: str, by: Person, **room: Any) -> RoomId:  # noqa: ANN401
        self.town.rooms[what] = by.make_room(what, **room)
        return self.town.rooms[what]

    def person(self, name: str) -> Person:
        person = self.server.register(name)
        self.town.people[name] = person.user_id
        return person

    def plain(self) -> None:
        anna, ben, cleo = self.anna, self.ben, self.cleo
        self.room("sound", anna, members=[ben, cleo], users={ben: 100})
        self.room("lost", anna, members=[ben, cleo], left=[anna])
        self.room("ghost", anna, users={self.server.user_id("nobody"): 100})
        self.room("everyone", anna, exact_levels={"users": {anna.user_id: 100}, "users_default": 100})
        self.room("alone", anna, members=[ben, cleo])
        self.room("weak", anna, levels={"events": {"m.room.power_levels": 25}})
        self.room("departed", anna, members=[ben], users={ben: 50}, left=[ben])
        self.room("empty", anna, left=[anna])
        self.room("old", anna, version="5")
        self.room("unstable", anna, version="org.matrix.msc3757.11")
        state = [{"type": "example.state", "state_key": str(key), "content": {}} for key in range(100)]
        self.room("complex", anna, state=state)

    def of_creators(self) -> None:
        """Creators of version 12, who are in no list of levels."""
        ghost = self.server.user_id("phantom")
        self.room("ghost creator", self.anna, version="12", creation={"additional_creators": [ghost]})
        second = {"additional_creators": [self.ben.user_id]}
        self.room("two creators", self.anna, version="12", creation=second, members=[self.ben, self.cleo])
        self.room("one creator", self.anna, version="12", members=[self.ben, self.cleo])

    def of_accounts(self) -> None:
        admin = self.server.admin
        suspended, locked, away = self.person("suspended"), self.person("locked"), self.person("away")
        for person in (suspended, locked, away):
            self.room(f"of {person.user_id[1:].partition(':')[0]}", person, members=[self.ben])
        gone = self.person("gone")
        self.room("of gone", gone, members=[self.ben, self.cleo])
        admin.suspend(suspended)
        admin.modify_user(locked, locked=True)
        admin.modify_user(gone, deactivated=True)
        self.town.people["second"] = self.server.register("second", admin=True).user_id
        self.town.people["sleeper"] = self.server.register("sleeper", admin=True).user_id

    def federated(self) -> None:
        anna, ben, nick, nora = self.anna, self.ben, self.nick, self.nora
        self.room("foreign", anna, members=[ben, nick], users={ben: 100, nick: 100})
        self.room("foreign helper", anna, members=[ben, nick], users={ben: 100, nick: 50})
        self.room("foreign gone", anna, members=[ben, nick, nora], users={ben: 100, nora: 100}, left=[nora])
        theirs = nick.make_room("theirs", public=True, alias="theirs")
        ben.join(theirs, via=[nick.server_name])
        self.town.rooms["theirs"] = theirs
        abandoned = nick.make_room("left", public=True)
        ben.join(abandoned, via=[nick.server_name])
        ben.leave(abandoned)
        self.town.rooms["left"] = abandoned

    def replaced(self) -> None:
        for what in ("upgraded", "abandoned by hand", "upgraded and left"):
            self.room(what, self.anna, members=[self.ben], users={self.ben: 100})
        for what in ("upgraded", "upgraded and left"):
            path = f"/_matrix/client/v3/rooms/{encoded(self.town.rooms[what])}/upgrade"
            answer = self.anna.call("POST", path, {"new_version": "11"})
            self.town.rooms[f"{what}: new"] = RoomId(answer["replacement_room"])
        for person in (self.anna, self.ben):
            person.leave(self.town.rooms["upgraded and left"])
        # A client that knows nothing of upgrades, and leaves the levels as they are.
        content = {"body": "moved", "replacement_room": self.town.rooms["sound"]}
        self.anna.send_state(self.town.rooms["abandoned by hand"], "m.room.tombstone", content)

    def of_the_server(self) -> None:
        admin = self.server.admin
        admin.call("POST", "/_synapse/admin/v1/registration_tokens/new", {"token": "open-sesame"})
        admin.call("POST", "/_synapse/admin/v1/registration_tokens/new", {"uses_allowed": 1})
        room = self.room("reported", self.anna, members=[self.ben], users={self.ben: 100})
        path = f"/_matrix/client/v3/rooms/{encoded(room)}/send/m.room.message"
        for number in range(2):
            content = {"msgtype": "m.text", "body": "rude"}
            sent = self.anna.call("PUT", f"{path}/{number}", content)["event_id"]
            report = f"/_matrix/client/v3/rooms/{encoded(room)}/report/{encoded(sent)}"
            self.ben.call("POST", report, {"reason": "rude"})
        report = f"/_matrix/client/v3/users/{encoded(self.anna.user_id)}/report"
        self.ben.call("POST", report, {"reason": "rude"})


def counted(server: Homeserver) -> bool:
    """Tell whether the server's counts of members, which it keeps a moment late, are up to date."""
    admin = server.admin
    for room in admin.call("GET", "/_synapse/admin/v1/rooms", query={"limit": 1000})["rooms"]:
        path = f"/_synapse/admin/v1/rooms/{encoded(room['room_id'])}/members"
        members = admin.call("GET", path)["members"]
        local = sum(member.endswith(f":{server.server_name}") for member in members)
        if (room["joined_members"], room["joined_local_members"]) != (len(members), local):
            return False
    return True


def _until_noticed(town: Town) -> None:
    """Write to the neighbour until the server has noticed that nobody is there."""
    admin = town.server.admin
    ben = town.server.register("ben")
    path = f"/_matrix/client/v3/rooms/{encoded(town.rooms['theirs'])}/send/m.room.message"
    destination = f"/_synapse/admin/v1/federation/destinations/{encoded(town.neighbour_name)}"
    numbers = iter(range(1000))

    def noticed() -> bool:
        ben.call("PUT", f"{path}/{next(numbers)}", {"msgtype": "m.text", "body": "hello?"})
        try:
            return admin.call("GET", destination)["failure_ts"] is not None
        except MatrixError:
            return False

    until(noticed, "the server has noticed that the neighbour is gone")


def _set_back_the_clock(town: Town) -> None:
    now = int(time.time() * 1000)
    with transaction(town.server) as execute:
        for name, days in (("away", 100), ("sleeper", 100), ("cleo", 10)):
            user = town.server.user_id(name)
            then = now - days * DAY
            execute("UPDATE users SET creation_ts = ? WHERE name = ?", then // 1000, user)
            execute("UPDATE devices SET last_seen = ? WHERE user_id = ?", then, user)
            # Synapse forgets these after 28 days by itself.
            execute("DELETE FROM user_ips WHERE user_id = ?", user)
        old = now - 8 * DAY
        execute(
            "UPDATE event_reports SET received_ts = ? WHERE id = (SELECT MIN(id) FROM event_reports)", old
        )
        execute("UPDATE user_reports SET received_ts = ?", old)
        execute("UPDATE destinations SET failure_ts = ? WHERE failure_ts IS NOT NULL", old)
        execute(
            "INSERT INTO scheduled_tasks (id, action, status, timestamp, params, error)"
            " VALUES ('task-1', 'purge_history', 'failed', ?, '{}', 'no such event')",
            now,
        )


def until(so: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + _PATIENCE
    while not so():
        if time.monotonic() > until:
            pytest.fail(f"waited {_PATIENCE} s until {what}")
        time.sleep(0.1)


def findings_here(server: Homeserver, *, everybody: bool = False) -> list[Finding]:
    """Audit the rooms within this process; ``everybody``: each user with power is asked about."""
    config = Config()
    rules = runner.within(config.enabled(), ["rooms"])
    with Synapse(server.url, token=server.admin.token) as synapse:
        prefetcher = Prefetcher(synapse, concurrency=4)
        try:
            gatherer = Gatherer(prefetcher, runner.needs_of(rules, config))
            # Whoever is counted is asked about.
            result = runner.audit(gatherer, rules, config, Baseline(), count_controllers=everybody)
        finally:
            prefetcher.close()
    return [one.finding for one in result.report.findings]


@dataclass
class Audited:
    """What one audit of the town has said."""

    town: Town
    report: dict[str, Any]
    code: int

    def about(self, rule: str, subject: str) -> list[dict[str, Any]]:
        """The findings of a rule about a room of the town, or whatever else has this id."""
        subject_id = self.town.rooms.get(subject, subject)
        return [
            finding
            for finding in self.report["findings"]
            if finding["rule"] == rule and finding["subject"]["id"] == subject_id
        ]

    def subjects(self, rule: str) -> set[str]:
        """What a rule found something about: rooms by what is the matter with them."""
        names = {room_id: what for what, room_id in self.town.rooms.items()}
        return {
            names.get(finding["subject"]["id"], finding["subject"]["id"])
            for finding in self.report["findings"]
            if finding["rule"] == rule
        }


@pytest.fixture
def audited(town: Town, synadmin: Synadmin) -> Audited:
    """One audit of the whole town, the first time; later what it said then."""
    kept = town.server.directory / "audited.json"
    if not kept.exists():
        answer = audit(town, synadmin)
        assert answer.code == 10, answer.stderr
        kept.write_text(answer.stdout, "utf-8")
    return Audited(town, json.loads(kept.read_text("utf-8")), 10)


def audit(town: Town, synadmin: Synadmin, *arguments: str) -> Answer:
    """Audit the town, as JSON."""
    config = ("--config", str(town.config))
    return synadmin("audit", *config, *arguments, "-o", "json", server=town.server)
