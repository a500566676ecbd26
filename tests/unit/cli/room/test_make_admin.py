"""``room make-admin`` on a stub with failures that a real server does not have on demand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.recovery.rooms import ALICE, GRANTED, LEVELS, POWER, LostRoom, power, state
from tests.unit.stub import ADMIN, BROKEN, EMPTY, HTML, Reply, Stub, json_reply, refused

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Result, Synadmin

BAD_GATEWAY = Reply(502, b"<html>Bad gateway</html>", {"Content-Type": "text/html"})


def regain(synadmin: Synadmin, *rooms: LostRoom) -> tuple[Result, list[dict[str, Any]]]:
    result = synadmin("room", "make-admin", *(room.id for room in rooms), "--yes", "-o", "ndjson")
    return result, [json.loads(line) for line in result.stdout.splitlines()]


def test_room_is_regained(signed_in: Stub, synadmin: Synadmin) -> None:
    room = LostRoom(signed_in)
    result, (record,) = regain(synadmin, room)
    assert (result.code, record["outcome"], record["control"]) == (0, "done", True)
    assert room.changes == ["make_room_admin", "%21chess%3Aexample.org"]


@pytest.mark.parametrize("reply", [HTML, EMPTY, Reply(200, b"[1]"), refused(400, "M_UNKNOWN", "no way")])
def test_grant_with_an_invalid_answer_and_no_effect_is_failed(
    signed_in: Stub, synadmin: Synadmin, reply: Reply
) -> None:
    room = LostRoom(signed_in)
    room.on("make_room_admin", reply)
    room.on(POWER, power(LEVELS))
    room.member(ADMIN, None)
    result, (record,) = regain(synadmin, room)
    assert (result.code, record["outcome"], record["reason"]) == (1, "failed", "server-error")
    assert record["message"].endswith("Nothing was changed.")
    assert [step["status"] for step in record["steps"]] == ["failed", "planned"]
    assert "Traceback" not in result.stderr


def test_grant_with_a_lost_answer_is_read_back(signed_in: Stub, synadmin: Synadmin) -> None:
    room = LostRoom(signed_in)
    room.on("make_room_admin", BROKEN)
    room.member(ADMIN, None, "invite")
    result, (record,) = regain(synadmin, room)
    assert (result.code, record["outcome"], record["reason"]) == (1, "failed", "server-error")
    assert record["power_level"]["after"] == 100
    assert record["message"].endswith("has level 100 now and is invited. Run it again to finish.")


def test_guest_is_refused_control_of_a_room(signed_in: Stub, synadmin: Synadmin) -> None:
    room = LostRoom(signed_in)
    signed_in.on(
        "/_synapse/admin/v2/users/%40admin%3Aexample.org", json_reply({"name": ADMIN, "is_guest": True})
    )
    result, (record,) = regain(synadmin, room)
    assert (result.code, record["outcome"], record["reason"]) == (5, "refused", "target-guest")
    assert room.changes == []


def test_rate_limited_grant_is_not_repeated_where_others_change_levels(
    signed_in: Stub, synadmin: Synadmin
) -> None:
    room = LostRoom(signed_in)
    limited = refused(429, "M_LIMIT_EXCEEDED", "Too many requests", retry_after_ms=9_000_000)
    room.on("make_room_admin", limited)
    room.on(POWER, power(LEVELS), power({**LEVELS, "kick": 60}))
    room.member(ADMIN, None)
    result, (record,) = regain(synadmin, room)
    assert (result.code, record["outcome"], record["reason"]) == (1, "failed", "rate-limited")
    assert room.changes == ["make_room_admin"]


def test_grant_that_has_no_effect_is_failed(signed_in: Stub, synadmin: Synadmin) -> None:
    room = LostRoom(signed_in)
    room.on(POWER, power(LEVELS))
    room.member(ADMIN, None)
    result, (record,) = regain(synadmin, room)
    assert (result.code, record["outcome"], record["control"]) == (1, "failed", False)
    assert "does not show" in record["message"]


@pytest.mark.parametrize("reply", [BAD_GATEWAY, HTML, refused(500, "M_UNKNOWN", "Internal server error")])
def test_grant_that_cannot_be_read_back_is_unknown(signed_in: Stub, synadmin: Synadmin, reply: Reply) -> None:
    room = LostRoom(signed_in)
    room.on(POWER, power(LEVELS), reply)
    result, (record,) = regain(synadmin, room)
    assert (result.code, record["outcome"], record["control"]) == (1, "failed", False)
    assert record["power_level"]["after"] is None
    assert "could not be read back" in record["message"]


@pytest.mark.parametrize("reply", [HTML, refused(500, "M_UNKNOWN", "Internal server error")])
def test_unreadable_room_does_not_stop_the_others(signed_in: Stub, synadmin: Synadmin, reply: Reply) -> None:
    unreadable, room = LostRoom(signed_in, "!wrong:example.org"), LostRoom(signed_in)
    signed_in.on(unreadable.admin_path, reply)
    result, records = regain(synadmin, unreadable, room)
    assert [record["outcome"] for record in records] == ["failed", "done"]
    assert records[0]["message"].endswith("Nothing was changed.")
    assert result.code == 6


def test_expired_token_ends_the_run_with_what_was_done(signed_in: Stub, synadmin: Synadmin) -> None:
    first, second = LostRoom(signed_in, "!first:example.org"), LostRoom(signed_in, "!second:example.org")
    signed_in.on(second.admin_path, refused(401, "M_UNKNOWN_TOKEN", "Token is not active"))
    first.member(ALICE, "join")
    first.member(ADMIN, None, "join")
    result, records = regain(synadmin, first, second)
    assert (result.code, [record["outcome"] for record in records]) == (3, ["done"])
    assert "2 rooms: 1 done, 1 not started." in result.stderr
    assert "M_UNKNOWN_TOKEN" in result.stderr


def test_nothing_is_sent_where_the_journal_cannot_be_written(
    signed_in: Stub, synadmin: Synadmin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNADMIN_JOURNAL", str(tmp_path))
    room = LostRoom(signed_in)
    result = synadmin("room", "make-admin", room.id, "--yes")
    result.assert_one_line_error(code=1)
    assert "journal" in result.stderr
    assert room.changes == []


def test_token_of_a_normal_user_ends_before_the_first_room(signed_in: Stub, synadmin: Synadmin) -> None:
    room = LostRoom(signed_in)
    signed_in.on(room.admin_path, refused(403, "M_FORBIDDEN", "You are not a server admin"))
    result = synadmin("room", "make-admin", room.id, "--yes")
    result.assert_one_line_error(code=3)
    assert room.changes == []


def test_error_text_of_the_server_is_escaped(signed_in: Stub, synadmin: Synadmin) -> None:
    room = LostRoom(signed_in)
    room.on("make_room_admin", refused(400, "M_UNKNOWN", "\x1b[2J\x1b]0;owned\x07"))
    room.on(POWER, power(LEVELS))
    room.member(ADMIN, None)
    result = synadmin("room", "make-admin", room.id, "--yes")
    assert "owned" in result.stdout
    assert "\x1b" not in result.stdout + result.stderr


def test_room_that_changed_meanwhile_is_reported_as_it_is(signed_in: Stub, synadmin: Synadmin) -> None:
    # Another user made the admin a moderator at the same time, and the planned grant failed.
    room = LostRoom(signed_in)
    room.on("make_room_admin", refused(400, "M_UNKNOWN", "No local admin user in room"))
    room.on(POWER, power(LEVELS), power({**GRANTED, "users": {ADMIN: 50}}))
    room.member(ADMIN, None, "join")
    result, (record,) = regain(synadmin, room)
    assert (result.code, record["outcome"], record["control"]) == (1, "failed", False)
    assert "has level 50 now and is in the room" in record["message"]
    assert record["membership"] == {"before": "leave", "after": "join"}


def test_room_with_malformed_state_is_not_changed(signed_in: Stub, synadmin: Synadmin) -> None:
    room = LostRoom(signed_in)
    room.on(POWER, json_reply({"state": "none"}))
    result, (record,) = regain(synadmin, room)
    assert (result.code, record["outcome"]) == (1, "failed")
    assert room.changes == []


def test_room_with_unknown_state_is_joined_once_and_left(signed_in: Stub, synadmin: Synadmin) -> None:
    room = LostRoom(signed_in)
    room.left_by_all()
    room.member(ADMIN, None)
    signed_in.on(f"{room.client_path}/leave", json_reply({}))
    result = synadmin("room", "make-admin", room.id, "--via", "there.example", "--yes", "-o", "json")
    (record,) = json.loads(result.stdout)
    assert (result.code, record["outcome"], record["reason"]) == (5, "refused", "not-in-room")
    joins = [target for target in signed_in.targets if "/v3/join/" in target]
    assert len(joins) == 1
    assert "via=there.example" in joins[0]


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [("--through", "there.example", "--via SERVER"), ("--via", "@bob:example.org", "--promoter @bob")],
)
def test_old_option_name_is_refused_with_the_new_name(
    signed_in: Stub, synadmin: Synadmin, option: str, value: str, words: str
) -> None:
    result = synadmin("room", "make-admin", "!a:example.org", option, value)
    result.assert_one_line_error(code=2)
    assert words in result.stderr
    assert signed_in.targets == []


def test_yes_changes_a_room_before_reading_the_next(signed_in: Stub, synadmin: Synadmin) -> None:
    rooms = [LostRoom(signed_in, f"!{name}:example.org") for name in ("first", "second", "third")]
    regain(synadmin, *rooms)
    changes = [number for number, target in enumerate(signed_in.targets) if "make_room_admin" in target]
    reads = [signed_in.targets.index(f"GET {room.admin_path}") for room in rooms]
    assert reads[0] < changes[0] < reads[1] < changes[1] < reads[2]


@pytest.mark.parametrize("failure", ["make_room_admin", "join", "read back", "set again"])
def test_token_that_ends_in_a_room_names_the_started_steps(
    signed_in: Stub, synadmin: Synadmin, failure: str
) -> None:
    room = LostRoom(signed_in)
    invalid = refused(401, "M_UNKNOWN_TOKEN", "Token is not active")
    if failure == "join":
        signed_in.on("/_matrix/client/v3/join/%21chess%3Aexample.org", invalid)
    elif failure == "read back":
        room.on(POWER, power(LEVELS), invalid)
    elif failure == "set again":
        replaced = {**state("m.room.power_levels", GRANTED), "event_id": "$2"}
        replaced["unsigned"] = {"replaces_state": "$1"}
        room.on(POWER, power(LEVELS), json_reply({"state": [replaced]}))
        room.on("messages", invalid)
    else:
        room.on("make_room_admin", invalid)
    result, records = regain(synadmin, room)
    assert result.code == 3
    if failure == "make_room_admin":
        assert records == []
    else:
        (record,) = records
        assert record["message"].startswith("The token became invalid in this room")
        done = [step["status"] for step in record["steps"]]
        assert done == ["done", "failed" if failure == "join" else "done"]
