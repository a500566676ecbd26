"""A server with a room or account for every audit rule, and one room without findings.

The server federates with a second server, which is down during the audits. Old events are simulated: while
the server is stopped, timestamps in its database are moved into the past.
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
_TIMEOUT = 90  # seconds to wait for statistics and federation
CONFIG = """
[audit]
server_admins = ["@admin:{server_name}"]

[audit.rules.complex-room]
state_events = 100
look_at_extremities = true

[[audit.ignore]]
rule = "weak-control"
subject = "!nothing:{server_name}"
reason = "this room was deleted"
"""


@dataclass
class AuditServer:
    """The server, its rooms by the name of their problem, and its users."""

    server: Homeserver
    remote_name: str = ""
    rooms: dict[str, RoomId] = field(default_factory=dict)
    people: dict[str, UserId] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.server.directory / "audit.toml"


@pytest.fixture(scope="session")
def audit_server() -> Iterator[AuditServer]:
    with shared_server(federates=True) as server:
        audit_server = AuditServer(server)
        with Homeserver(federates=True) as remote_server:
            audit_server.remote_name = remote_server.server_name
            AuditServerBuilder(audit_server, remote_server).build()
            wait_until(lambda: room_counts_are_current(server), "the member counts are current")
        _wait_until_remote_server_is_down(audit_server)
        server.stop()
        _backdate_records(audit_server)
        server.start()
        audit_server.config.write_text(CONFIG.format(server_name=server.server_name), "utf-8")
        yield audit_server


class AuditServerBuilder:
    """Makes the rooms, accounts, tokens and reports of the audit server."""

    def __init__(self, audit_server: AuditServer, remote_server: Homeserver) -> None:
        self.audit_server = audit_server
        self.server = audit_server.server
        self.anna, self.ben, self.cleo = (self.server.register(name) for name in ("anna", "ben", "cleo"))
        self.nick = remote_server.register("nick")
        self.nora = remote_server.register("nora")

    def build(self) -> None:
        self.make_local_rooms()
        self.make_version_12_rooms()
        self.make_inactive_accounts()
        self.make_federated_rooms()
        self.make_replaced_rooms()
        self.make_tokens_and_reports()

    def room(self, name: str, creator: Person, **options: Any) -> RoomId:  # noqa: ANN401
        self.audit_server.rooms[name] = creator.make_room(name, **options)
        return self.audit_server.rooms[name]

    def person(self, name: str) -> Person:
        person = self.server.register(name)
        self.audit_server.people[name] = person.user_id
        return person

    def make_local_rooms(self) -> None:
        anna, ben, cleo = self.anna, self.ben, self.cleo
        self.room("healthy", anna, members=[ben, cleo], users={ben: 100})
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

    def make_version_12_rooms(self) -> None:
        """Make rooms of version 12, whose creators are not listed in the power levels."""
        ghost = self.server.user_id("phantom")
        self.room("ghost creator", self.anna, version="12", creation={"additional_creators": [ghost]})
        second = {"additional_creators": [self.ben.user_id]}
        self.room("two creators", self.anna, version="12", creation=second, members=[self.ben, self.cleo])
        self.room("one creator", self.anna, version="12", members=[self.ben, self.cleo])

    def make_inactive_accounts(self) -> None:
        admin = self.server.admin
        suspended, locked, away = self.person("suspended"), self.person("locked"), self.person("away")
        for person in (suspended, locked, away):
            self.room(f"of {person.user_id[1:].partition(':')[0]}", person, members=[self.ben])
        deactivated = self.person("deactivated")
        self.room("of deactivated", deactivated, members=[self.ben, self.cleo])
        admin.suspend(suspended)
        admin.modify_user(locked, locked=True)
        admin.modify_user(deactivated, deactivated=True)
        self.audit_server.people["second"] = self.server.register("second", admin=True).user_id
        self.audit_server.people["sleeper"] = self.server.register("sleeper", admin=True).user_id

    def make_federated_rooms(self) -> None:
        anna, ben, nick, nora = self.anna, self.ben, self.nick, self.nora
        self.room("foreign", anna, members=[ben, nick], users={ben: 100, nick: 100})
        self.room("foreign helper", anna, members=[ben, nick], users={ben: 100, nick: 50})
        self.room("foreign left", anna, members=[ben, nick, nora], users={ben: 100, nora: 100}, left=[nora])
        theirs = nick.make_room("theirs", public=True, alias="theirs")
        ben.join(theirs, via=[nick.server_name])
        self.audit_server.rooms["theirs"] = theirs
        abandoned = nick.make_room("left", public=True)
        ben.join(abandoned, via=[nick.server_name])
        ben.leave(abandoned)
        self.audit_server.rooms["left"] = abandoned

    def make_replaced_rooms(self) -> None:
        for name in ("upgraded", "abandoned by hand", "upgraded and left"):
            self.room(name, self.anna, members=[self.ben], users={self.ben: 100})
        for name in ("upgraded", "upgraded and left"):
            path = f"/_matrix/client/v3/rooms/{encoded(self.audit_server.rooms[name])}/upgrade"
            answer = self.anna.call("POST", path, {"new_version": "11"})
            self.audit_server.rooms[f"{name}: new"] = RoomId(answer["replacement_room"])
        for person in (self.anna, self.ben):
            person.leave(self.audit_server.rooms["upgraded and left"])
        # As from a client without support for upgrades: it leaves the power levels unchanged.
        content = {"body": "moved", "replacement_room": self.audit_server.rooms["healthy"]}
        self.anna.send_state(self.audit_server.rooms["abandoned by hand"], "m.room.tombstone", content)

    def make_tokens_and_reports(self) -> None:
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


def room_counts_are_current(server: Homeserver) -> bool:
    """Return whether the server's member counts are current: Synapse updates them with a delay."""
    admin = server.admin
    for room in admin.call("GET", "/_synapse/admin/v1/rooms", query={"limit": 1000})["rooms"]:
        path = f"/_synapse/admin/v1/rooms/{encoded(room['room_id'])}/members"
        members = admin.call("GET", path)["members"]
        local = sum(member.endswith(f":{server.server_name}") for member in members)
        if (room["joined_members"], room["joined_local_members"]) != (len(members), local):
            return False
    return True


def _wait_until_remote_server_is_down(audit_server: AuditServer) -> None:
    """Send messages until the server has recorded that the other server is down."""
    admin = audit_server.server.admin
    ben = audit_server.server.register("ben")
    path = f"/_matrix/client/v3/rooms/{encoded(audit_server.rooms['theirs'])}/send/m.room.message"
    destination = f"/_synapse/admin/v1/federation/destinations/{encoded(audit_server.remote_name)}"
    numbers = iter(range(1000))

    def is_down() -> bool:
        ben.call("PUT", f"{path}/{next(numbers)}", {"msgtype": "m.text", "body": "hello?"})
        try:
            return admin.call("GET", destination)["failure_ts"] is not None
        except MatrixError:
            return False

    wait_until(is_down, "the server has recorded that the other server is down")


def _backdate_records(audit_server: AuditServer) -> None:
    now = int(time.time() * 1000)
    with transaction(audit_server.server) as execute:
        for name, days in (("away", 100), ("sleeper", 100), ("cleo", 10)):
            user = audit_server.server.user_id(name)
            then = now - days * DAY
            execute("UPDATE users SET creation_ts = ? WHERE name = ?", then // 1000, user)
            execute("UPDATE devices SET last_seen = ? WHERE user_id = ?", then, user)
            # Synapse deletes these rows after 28 days.
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


def wait_until(condition: Callable[[], bool], description: str) -> None:
    """Wait until the condition holds; fail the test with the description if it does not."""
    deadline = time.monotonic() + _TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {_TIMEOUT} s until {description}")
        time.sleep(0.1)


def findings_in_process(server: Homeserver, *, check_all_controllers: bool = False) -> list[Finding]:
    """Audit the rooms in this process. ``check_all_controllers`` reads the account of every controller."""
    config = Config()
    rules = runner.within(config.enabled(), ["rooms"])
    with Synapse(server.url, token=server.admin.token) as synapse:
        prefetcher = Prefetcher(synapse, concurrency=4)
        try:
            gatherer = Gatherer(prefetcher, runner.needs_of(rules, config))
            # Counting the controllers reads the account of each of them.
            result = runner.audit(
                gatherer, rules, config, Baseline(), count_controllers=check_all_controllers
            )
        finally:
            prefetcher.close()
    return [entry.finding for entry in result.report.findings]


@dataclass
class AuditResult:
    """The report and exit code of an audit of the audit server."""

    audit_server: AuditServer
    report: dict[str, Any]
    code: int

    def findings_about(self, rule: str, subject: str) -> list[dict[str, Any]]:
        """Return the findings of a rule about a room, by its name, or about another subject, by its id."""
        subject_id = self.audit_server.rooms.get(subject, subject)
        return [
            finding
            for finding in self.report["findings"]
            if finding["rule"] == rule and finding["subject"]["id"] == subject_id
        ]

    def subjects(self, rule: str) -> set[str]:
        """Return the subjects of a rule's findings: rooms by name, others by id."""
        names = {room_id: name for name, room_id in self.audit_server.rooms.items()}
        return {
            names.get(finding["subject"]["id"], finding["subject"]["id"])
            for finding in self.report["findings"]
            if finding["rule"] == rule
        }


@pytest.fixture
def audit_result(audit_server: AuditServer, synadmin: Synadmin) -> AuditResult:
    """Return the result of one full audit. The first test runs it, later tests reuse it."""
    cached = audit_server.server.directory / "audited.json"
    if not cached.exists():
        answer = audit(audit_server, synadmin)
        assert answer.code == 10, answer.stderr
        cached.write_text(answer.stdout, "utf-8")
    return AuditResult(audit_server, json.loads(cached.read_text("utf-8")), 10)


def audit(audit_server: AuditServer, synadmin: Synadmin, *arguments: str) -> Answer:
    """Run an audit of the audit server with JSON output."""
    config = ("--config", str(audit_server.config))
    return synadmin("audit", *config, *arguments, "-o", "json", server=audit_server.server)
