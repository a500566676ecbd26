"""As a member with nothing but the tokens of the two accounts: no server administrator takes part."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from synadmin.ids import UserId
from synadmin.sandbox.homeserver import Homeserver
from tests.live.recovery.proxy import Passing, Proxy
from tests.live.transfer.conftest import Household, eventually, hold_token
from tests.written import journal_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.conftest import Answer, Newcomer, Synadmin
    from tests.live.transfer.conftest import Running


def records(answer: Answer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(answer.stdout)
    return found


def transfer(
    synadmin: Synadmin, household: Household, *arguments: str, profile: str | None = "new"
) -> Answer:
    options = ["--to", household.new.user_id, "--as-member", "--yes", "-o", "json"]
    options += ["--to-profile", profile] if profile else []
    return synadmin("room", "transfer", *arguments, *options, server=household.home, acting=household.old)


def test_space_is_transferred_except_a_room_that_bans_the_new_owner(
    household: Household, synadmin: Synadmin, tmp_path: Path
) -> None:
    rooms = household.rooms(5)
    banned = rooms[2]
    household.old.ban(banned, household.new)
    before = household.levels_id(banned)
    space = household.space(rooms)

    answer = transfer(synadmin, household, "--space", space)

    assert answer.code == 6
    outcomes = {record["room_id"]: (record["outcome"], record["reason"]) for record in records(answer)}
    assert list(outcomes)[-1] == space
    assert outcomes.pop(banned) == ("refused", "target-banned")
    assert outcomes == dict.fromkeys([*rooms[:2], *rooms[3:], space], ("done", None))
    household.is_untouched(banned, before)
    for room_id in outcomes:
        household.is_handed_over(room_id)
        household.new.send_state(room_id, "m.room.topic", {"topic": "Now from the other bank"})

    journal = journal_of(tmp_path)
    for secret in (household.old.token, household.new.token, "syt_"):
        assert secret not in journal + answer.stdout + answer.stderr
    lines = [json.loads(line) for line in journal.splitlines()]
    assert {line["run"] for line in lines} == {lines[0]["run"]}
    at_home = [line for line in lines if line["server"] == household.home.url]
    assert {(line["user"], line.get("on_behalf_of")) for line in at_home} == {(household.old.user_id, None)}
    # In each room: the level, the invitation, and the old level given away.
    assert len(at_home) == 3 * len(outcomes)
    assert {line["user"] for line in lines if line not in at_home} == {household.new.user_id}
    assert not any("_synapse" in line["path"] for line in lines)
    assert household.old.synapse.client_server.whoami().user_id == household.old.user_id

    again = transfer(synadmin, household, "--space", space)
    assert again.code == 6
    assert {record["outcome"] for record in records(again)} == {"done", "refused"}
    assert journal_of(tmp_path) == journal


def test_member_transfer_that_is_not_possible_is_refused(
    household: Household, synadmin: Synadmin, newcomer: Newcomer
) -> None:
    chair = newcomer("chair", server=household.home)
    another = chair.make_room("Another's", members=[household.old])
    elsewhere = chair.create_room("Not in it")
    (closed,) = household.rooms(1, creation={"m.federate": False})
    before = household.levels_id(closed)
    answer = transfer(synadmin, household, another, elsewhere, closed)
    assert answer.code == 5
    result = {record["room_id"]: record for record in records(answer)}
    assert result[another]["reason"] == "insufficient-power"
    assert (
        result[another]["message"]
        == f"{household.old.user_id} does not have control of it: level 100 is needed"
    )
    assert result[closed]["reason"] == "insufficient-power"
    assert "unfederatable" in result[closed]["message"]
    (unseen,) = [record for record in records(answer) if record["reason"] == "not-in-room"]
    assert elsewhere in unseen["message"]
    household.is_untouched(closed, before)


def test_version_12_creator_stays_and_the_outcome_says_this(household: Household, synadmin: Synadmin) -> None:
    (room_id,) = household.rooms(1, version="12")
    rehearsed = transfer(synadmin, household, room_id, "--dry-run")
    assert "it cannot be removed" in records(rehearsed)[0]["message"]
    answer = transfer(synadmin, household, room_id)
    (record,) = records(answer)
    assert (answer.code, record["outcome"], record["reason"]) == (6, "partly", "creator-stays")
    eventually(lambda: household.held(household.away, room_id)[1:], (150, "join"))


def test_transfer_where_the_default_level_gives_control(household: Household, synadmin: Synadmin) -> None:
    levels = {"users": {household.old.user_id: 100}, "users_default": 50}
    room_id = household.old.make_room("Everybody moderates", exact_levels=levels)
    answer = transfer(synadmin, household, room_id)
    assert answer.code == 0, answer.stdout
    household.is_handed_over(room_id)


def test_old_room_with_only_a_users_list_is_transferred(household: Household, synadmin: Synadmin) -> None:
    room_id = household.old.make_room(
        "Since 2018", version="6", exact_levels={"users": {household.old.user_id: 100}}
    )
    answer = transfer(synadmin, household, room_id)
    assert answer.code == 0, answer.stdout
    household.is_handed_over(room_id)


@pytest.mark.parametrize(("number", "outcome"), [(1, "done"), (2, "failed")])
def test_level_that_another_user_sets_meanwhile_is_not_lost_unnoticed(
    household: Household, newcomer: Newcomer, running: Running, number: int, outcome: str
) -> None:
    friend = newcomer("friend", server=household.home)
    guest = UserId(f"@guest:{household.home.server_name}")
    room_id = household.old.make_room(members=[friend], users={friend: 100})
    sent: list[Passing] = []

    def happens(passing: Passing) -> None:
        if passing.method == "PUT" and "/m.room.power_levels" in passing.path and not passing.answered:
            sent.append(passing)
            if len(sent) == number:  # 1: the new owner is given the level; 2: the old one lowers itself
                friend.set_power(room_id, {guest: 7})

    options = ["--to", household.new.user_id, "--to-profile", "new", "--as-member", "--yes", "-o", "json"]
    with Proxy(household.home.url, happens) as proxy:
        arguments = ("room", "transfer", room_id, *options)
        with running(*arguments, acting=household.old, url=proxy.here) as process:
            stdout, stderr = process.communicate()
    (record,) = json.loads(stdout)
    assert record["outcome"] == outcome, stderr
    assert ("a change that another user made at the same time is lost" in record["message"]) == (number == 2)
    household.is_handed_over(room_id)
    event = household.home.admin.levels_event(room_id)
    assert event is not None
    assert event["content"]["users"].get(guest) == (7 if number == 1 else None)


@pytest.mark.parametrize("whose", ["nobody", "another"])
def test_profile_of_another_user_stops_the_transfer_before_any_change(
    household: Household, synadmin: Synadmin, newcomer: Newcomer, tmp_path: Path, whose: str
) -> None:
    (room_id,) = household.rooms(1)
    before = household.levels_id(room_id)
    other = newcomer("other", server=household.away)
    hold_token(tmp_path, other, household.away, "wrong")
    if whose == "nobody":
        other.synapse.client_server.logout()
    answer = transfer(synadmin, household, room_id, profile="wrong")
    assert answer.code == (2 if whose == "another" else 3)
    assert other.token not in answer.stderr
    if whose == "another":
        words = f"the profile wrong holds the token of {other.user_id}, not of {household.new.user_id}"
        assert words in answer.stderr
    household.is_untouched(room_id, before)
    missing = transfer(synadmin, household, room_id, profile="nowhere")
    assert missing.code == 2
    assert "nowhere" in missing.stderr
    household.is_untouched(room_id, before)


def test_rate_limited_invitations_are_sent_by_a_later_run(household: Household, synadmin: Synadmin) -> None:
    limits = {"rc_invites": {"per_user": {"per_second": 0.001, "burst_count": 2}}}
    with Homeserver(federates=True, extra_config=limits) as strict:
        old = strict.register("old")
        moving = Household(strict, household.away, old, household.new)
        rooms = moving.rooms(3)
        answer = transfer(synadmin, moving, *rooms, "--wait", "1s")
        result = records(answer)
        assert answer.code == 6
        assert [record["outcome"] for record in result] == ["done", "done", "pending"]
        late = result[-1]
        assert (late["reason"], late["membership"]["after"]) == ("rate-limited", "leave")
        assert "delay the invitation" in late["message"]
        assert late["power_level"]["from"] == {"before": 100, "after": 100}
        assert strict.admin.membership(rooms[2], moving.new) is None
        with strict.admin.lifted_limits(old):
            again = transfer(synadmin, moving, *rooms)
        assert again.code == 0, again.stdout
        for room_id in rooms:
            moving.is_handed_over(room_id)
