"""Rooms with deleted, zeroed or old statistics have the same findings as rooms with correct statistics."""

from __future__ import annotations

import json
import random
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from synadmin.audit.gather import account_index, room_facts
from synadmin.sandbox.homeserver import Homeserver
from tests.live.audit.conftest import findings_in_process, room_counts_are_current, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from synadmin.audit.findings import Finding
    from synadmin.ids import RoomId
    from tests.live.conftest import Synadmin

ROOMS = 20
CORRUPTIONS = {
    "deleted": (
        "DELETE FROM room_stats_current WHERE rowid % 2 = 0",
        "DELETE FROM room_stats_state WHERE rowid % 3 = 0",
    ),
    "all deleted": ("DELETE FROM room_stats_current", "DELETE FROM room_stats_state"),
    "zeroed": (
        "UPDATE room_stats_current SET joined_members = 0, local_users_in_room = 0, current_state_events = 0",
        "UPDATE room_stats_state SET join_rules = NULL, is_federatable = 0",
    ),
    "old": (
        "UPDATE room_stats_current SET joined_members = rowid % 5, local_users_in_room = rowid % 4",
        "UPDATE room_stats_state SET join_rules = 'invite', is_federatable = 0",
    ),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Homeserver]:
    with Homeserver() as server:
        people = [server.register(name) for name in ("anna", "ben", "cleo", "dan", "eva", "finn")]
        for number in range(ROOMS):
            # Each room has a separate seed, so a room with a difference can be made again alone.
            draw = random.Random(f"statistics/{number}")
            creator, *others = draw.sample(people, draw.randint(1, 5))
            room = creator.make_room(
                f"room {number}",
                version=draw.choice(["5", "10", "11", "12"]),
                public=draw.random() < 0.3,
                members=others,
                users={user: draw.choice([25, 50, 100]) for user in others if draw.random() < 0.3},
                levels=draw.choice([None, None, {"events": {"m.room.power_levels": 25}}]),
                left=[user for user in (creator, *others) if draw.random() < 0.4],
            )
            if draw.random() < 0.2:
                server.admin.block(room)
        server.admin.suspend(people[-1])
        wait_until(lambda: room_counts_are_current(server), "the member counts are current")
        yield server


@contextmanager
def corrupted_statistics(server: Homeserver, *statements: str) -> Iterator[None]:
    """Corrupt the statistics until the block ends."""
    tables = ("room_stats_current", "room_stats_state")
    database = sqlite3.connect(server.directory / "homeserver.db", timeout=30)
    with database:
        for table in tables:
            database.execute(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}")  # noqa: S608
        for statement in statements:
            database.execute(statement)
    try:
        yield
    finally:
        with database:
            for table in tables:
                database.execute(f"DELETE FROM {table}")  # noqa: S608
                database.execute(f"INSERT INTO {table} SELECT * FROM kept_{table}")  # noqa: S608
                database.execute(f"DROP TABLE kept_{table}")
        database.close()


def report_of(synadmin: Synadmin, server: Homeserver, *, code: int) -> dict[str, Any]:
    answer = synadmin("audit", "rooms", "-o", "json", server=server)
    assert answer.code == code, answer.stderr
    report: dict[str, Any] = json.loads(answer.stdout)
    return report


def findings_of(report: dict[str, Any], *, ignored_rules: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    return {
        (finding["rule"], *map(str, finding["subject"].values()), finding["message"], str(finding["fix"]))
        for finding in report["findings"]
        if finding["rule"] not in ignored_rules
    }


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_wrong_statistics_do_not_change_the_findings(
    server: Homeserver, synadmin: Synadmin, corruption: str
) -> None:
    right = report_of(synadmin, server, code=10)
    assert {"no-local-control", "single-controller", "no-local-members", "weak-control"} <= {
        finding["rule"] for finding in right["findings"]
    }
    is_incomplete = "deleted" in corruption
    with corrupted_statistics(server, *CORRUPTIONS[corruption]):
        report = report_of(synadmin, server, code=1 if is_incomplete else 10)
    # Only the room list shows a room without members.
    ignored_rules = ("no-local-members",) if is_incomplete else ()
    assert findings_of(report, ignored_rules=ignored_rules) == findings_of(right, ignored_rules=ignored_rules)
    assert findings_of(report) <= findings_of(right)
    assert [skipped["subject"]["id"] for skipped in report["skipped"]] == (
        [server.server_name] if is_incomplete else []
    )
    assert all("the room list lacks" in skipped["reason"] for skipped in report["skipped"])


@pytest.mark.parametrize("corruption", ["deleted", "all deleted", "zeroed"])
def test_wrong_statistics_do_not_change_the_findings_on_a_large_server(
    server: Homeserver, monkeypatch: pytest.MonkeyPatch, corruption: str
) -> None:
    monkeypatch.setattr(account_index, "FEW", 0)
    monkeypatch.setattr(room_facts, "FEW_ROOMS", 0)
    ignored_rules = () if corruption == "zeroed" else ("no-local-members",)
    right = findings_in_process(server)
    assert right == findings_in_process(server, check_all_controllers=True)
    with corrupted_statistics(server, *CORRUPTIONS[corruption]):
        corrupted = findings_in_process(server)
    assert comparable(corrupted, ignored_rules) == comparable(right, ignored_rules)


def comparable(findings: list[Finding], ignored_rules: tuple[str, ...]) -> set[tuple[str, ...]]:
    return {
        (*finding.key, finding.message, str(finding.fix))
        for finding in findings
        if finding.rule not in ignored_rules
    }


def rules_about(report: dict[str, Any], room: RoomId) -> set[str]:
    return {finding["rule"] for finding in report["findings"] if finding["subject"]["id"] == room}


def test_room_in_use_is_not_proposed_for_deletion(server: Homeserver, synadmin: Synadmin) -> None:
    anna, ben = server.register("anna"), server.register("ben")
    used = anna.make_room("used")
    lost = anna.make_room("lost", members=[ben], left=[anna])
    ended = anna.make_room("ended", members=[ben], left=[anna, ben])
    wait_until(lambda: room_counts_are_current(server), "the member counts are current")
    with corrupted_statistics(
        server,
        *CORRUPTIONS["zeroed"],
        f"UPDATE room_stats_current SET local_users_in_room = 2 WHERE room_id = '{ended}'",  # noqa: S608
    ):
        report = report_of(synadmin, server, code=10)
    assert rules_about(report, used) == set()
    assert rules_about(report, lost) == {"no-local-control", "departed-power"}
    assert rules_about(report, ended) == {"no-local-members"}
    assert report["skipped"] == []


def test_server_without_statistics_is_audited(synadmin: Synadmin) -> None:
    with Homeserver(extra_config={"stats": {"enabled": False}}) as server:
        nothing = synadmin("audit", "rooms", server=server)
        assert (nothing.code, nothing.stdout, nothing.stderr) == (0, "", "")
        anna, ben = server.register("anna"), server.register("ben")
        sound = anna.make_room("sound")
        lost = anna.make_room("lost", members=[ben], left=[anna])
        report = report_of(synadmin, server, code=1)
    assert report["checked"]["rooms"] == 2
    assert (rules_about(report, sound), rules_about(report, lost)) == (
        set(),
        {"no-local-control", "departed-power"},
    )
    (skipped,) = report["skipped"]
    assert "the room list lacks 2 rooms that users have joined" in skipped["reason"]
