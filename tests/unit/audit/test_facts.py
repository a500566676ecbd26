"""Values that are derived from the facts about rooms, accounts and the server."""

from __future__ import annotations

import pytest

from synadmin.audit.facts import DAY, AccountFacts
from synadmin.audit.findings import Subject
from synadmin.ids import RoomAlias
from synadmin.power.room import AccountState
from tests.unit.audit.rules.case import CHESS, NOW, chess, days_ago, server
from tests.unit.power.rooms import ALICE, BOB, CAROL, MALLORY, levels


class TestAccounts:
    @pytest.mark.parametrize(
        ("seen", "created", "unseen"),
        [
            (days_ago(3), days_ago(9), 3 * DAY),
            (None, days_ago(9), 9 * DAY),
            (None, None, 0),
            (NOW + DAY, None, 0),
        ],
    )
    def test_unused_time_of_an_account(self, seen: int | None, created: int | None, unseen: int) -> None:
        assert AccountFacts(user_id=ALICE, seen=seen, created=created, now=NOW).unseen == unseen


class TestRooms:
    def test_room_is_named_by_name_or_alias(self) -> None:
        assert chess({}).subject == Subject("room", CHESS, "Chess")
        unnamed = chess({}).__class__(view=chess({}).view, alias=RoomAlias("#c:example.org"))
        assert unnamed.subject.name == "#c:example.org"

    def test_room_is_local_where_its_creator_is(self) -> None:
        assert chess({}).is_ours
        assert not chess({}, creators=(MALLORY,)).is_ours
        assert not chess({}, version="12", creators=(MALLORY, ALICE)).is_ours
        assert not chess({}, creators=(MALLORY,), power_levels=levels({ALICE: 100})).is_ours

    def test_control_means_joined_active_and_enough_power(self) -> None:
        local_users = dict.fromkeys((ALICE, BOB, CAROL), 100)
        room = chess(
            {ALICE: "join", BOB: "join", CAROL: "leave", MALLORY: "join"},
            power_levels=levels({**local_users, MALLORY: 100}),
            accounts={BOB: AccountState.LOCKED},
        )
        assert room.holders == (ALICE, BOB)
        assert room.controllers == (ALICE,)

    def test_power_holders_have_more_than_the_default_level(self) -> None:
        room = chess({}, power_levels=levels({ALICE: 100, BOB: 10, CAROL: 5, MALLORY: 50}, users_default=10))
        assert room.with_power == (ALICE, MALLORY)

    def test_version_12_creators_are_power_holders(self) -> None:
        room = chess({}, version="12", creators=(ALICE, BOB), power_levels=levels({CAROL: 50}))
        assert room.with_power == (ALICE, BOB, CAROL)

    def test_creator_of_a_room_without_levels_is_a_power_holder(self) -> None:
        assert chess({}, power_levels=None).with_power == (ALICE,)

    def test_all_members_control_where_the_default_level_is_enough(self) -> None:
        assert chess({}, power_levels=levels({}, users_default=100)).everybody_controls
        assert not chess({}).everybody_controls


def test_server_is_a_subject() -> None:
    assert server().subject == Subject("server", "example.org")
