from typing import Any

import pytest

from synadmin.ids import UserId
from synadmin.power.levels import CREATOR_LEVEL, PowerLevels, RoomVersion, as_level, format_level
from tests.unit.power.rooms import ALICE, BOB, CAROL, levels


def power_levels(content: dict[str, Any] | None, version: str = "11", *creators: UserId) -> PowerLevels:
    return PowerLevels(content, RoomVersion.of(version), creators or (ALICE,))


class TestRoomVersions:
    @pytest.mark.parametrize(
        ("feature", "first"),
        [
            ("creator_power", 12),
            ("integer_levels", 10),
            ("knock_restricted", 10),
            ("restricted", 8),
            ("knock", 7),
            ("notifications_checked", 6),
            ("strict_json", 6),
        ],
    )
    def test_room_version_features_are_cumulative(self, feature: str, first: int) -> None:
        assert [getattr(RoomVersion.of(str(number)), feature) for number in range(1, 15)] == [
            number >= first for number in range(1, 15)
        ]

    def test_unstable_name_of_version_12_means_version_12(self) -> None:
        assert RoomVersion.of("org.matrix.hydra.11").creator_power

    def test_unstable_version_behaves_like_its_number(self) -> None:
        version = RoomVersion.of("org.matrix.msc3757.10")
        assert version.integer_levels
        assert not version.creator_power

    @pytest.mark.parametrize("name", ["", "org.example.wild", "9999999999", "²"])
    def test_unknown_version_is_treated_as_the_newest(self, name: str) -> None:
        assert RoomVersion.of(name).creator_power


class TestLevels:
    def test_unlisted_user_has_the_default_level(self) -> None:
        assert power_levels(levels({ALICE: 100}, users_default=7)).level_of(BOB) == 7

    def test_creator_has_100_without_a_power_levels_event(self) -> None:
        assert [power_levels(None).level_of(user) for user in (ALICE, BOB)] == [100, 0]
        assert power_levels(None).control == 50

    def test_version_12_creator_is_above_every_level(self) -> None:
        for content in (None, levels({})):
            power = power_levels(content, "12", ALICE, BOB)
            assert power.level_of(ALICE) == power.level_of(BOB) == CREATOR_LEVEL > 2**53 - 1
        assert format_level(CREATOR_LEVEL) == "creator"
        assert format_level(100) == 100

    def test_event_with_only_users_means_the_defaults(self) -> None:
        power = power_levels({"users": {ALICE: 100}})
        assert (power.control, power.invite, power.kick, power.ban, power.redact) == (50, 0, 50, 50, 50)
        assert (power.needed("m.room.name"), power.needed("m.room.message", state=False)) == (50, 0)

    def test_levels_of_old_rooms_may_be_strings(self) -> None:
        power = power_levels(
            {"users": {ALICE: "100", BOB: " 050 "}, "invite": "30", "events": {"m.room.name": "9"}}, "9"
        )
        assert (power.level_of(ALICE), power.level_of(BOB), power.invite) == (100, 50, 30)
        assert power.needed("m.room.name") == 9

    @pytest.mark.parametrize("value", [None, "much", [], {}, float("inf"), float("nan"), "9" * 5000])
    def test_invalid_number_counts_as_missing(self, value: object) -> None:
        assert as_level(value) is None
        power = power_levels({"users": {ALICE: value}, "users_default": 3, "ban": value})
        assert (power.level_of(ALICE), power.ban) == (3, 50)

    @pytest.mark.parametrize("part", [None, [], "all", 5])
    def test_non_object_counts_as_empty(self, part: object) -> None:
        power = power_levels({"users": part, "events": part})
        assert (power.level_of(ALICE), power.control, power.listed()) == (0, 50, {})

    def test_highest_level_and_its_holders(self) -> None:
        assert power_levels(levels({ALICE: 100, BOB: 50, CAROL: 100})).highest() == (100, (ALICE, CAROL))
        assert power_levels(None).highest() == (100, (ALICE,))
        assert power_levels(levels({CAROL: 100}), "12", ALICE, BOB).highest() == (CREATOR_LEVEL, (ALICE, BOB))


class TestGranting:
    def test_other_fields_are_unchanged(self) -> None:
        content = levels({ALICE: 100}, notifications={"room": 20}, historical=100)
        granted = power_levels(content).granting(BOB, 50)
        assert granted == {**content, "users": {ALICE: 100, BOB: 50}}
        assert content["users"] == {ALICE: 100}

    def test_string_levels_become_integers(self) -> None:
        content = {
            "users": {ALICE: "100"},
            "ban": "50",
            "events": {"m.room.name": "50", "x": "?"},
            "note": "5",
        }
        assert power_levels(content, "5").granting(BOB, 100) == {
            "users": {ALICE: 100, BOB: 100},
            "ban": 50,
            "events": {"m.room.name": 50},
            "note": "5",
        }

    def test_first_power_levels_event_keeps_the_creator_level(self) -> None:
        assert power_levels(None).granting(BOB, 100) == {"users": {ALICE: 100, BOB: 100}}
        assert power_levels(None, "12").granting(BOB, 100) == {"users": {BOB: 100}}


def test_abilities_of_a_level() -> None:
    able = {ability.text: ability.allowed for ability in power_levels(levels({ALICE: 100})).abilities(50)}
    assert able["kick"]
    assert able["change the name"]
    assert not able["change power levels"]
    assert not able["upgrade or close the room"]


def test_version_12_admin_cannot_upgrade() -> None:
    content = levels({BOB: 100}, events={"m.room.tombstone": 150})
    short = [ability for ability in power_levels(content, "12").abilities(100) if not ability.allowed]
    assert [(ability.text, ability.needed) for ability in short] == [("upgrade or close the room", 150)]
    assert all(ability.allowed for ability in power_levels(content, "12").abilities(CREATOR_LEVEL))
