"""The exported control file is valid, whatever the names of the rooms are."""

from __future__ import annotations

import pytest

from synadmin.control.export import ExportedRoom, text
from synadmin.control.file import parse
from synadmin.control.toml_text import toml_value
from synadmin.ids import RoomId, UserId

ALICE, BOB, CAROL = (UserId(f"@{name}:example.org") for name in ("alice", "bob", "carol"))


def room(number: int, label: str, *admins: UserId, settings: tuple[str, ...] = ()) -> ExportedRoom:
    moderators = ((50, (CAROL,)), (75, (BOB,)))[:number]
    return ExportedRoom(
        RoomId(f"!{number}{label if label.isalnum() else len(label)}:example.org"),
        label,
        admins,
        moderators,
        settings,
    )


def test_rooms_with_equal_control_share_an_entry() -> None:
    rooms = [room(0, "a", ALICE), room(0, "b", ALICE), room(0, "c", BOB, ALICE), room(1, "d", ALICE)]
    shared, *others = parse(text(rooms, now="now"))
    assert (shared.name, shared.match.ids) == ("rooms of alice", ("!0a:example.org", "!0b:example.org"))
    assert [(entry.name, entry.goal.admins, entry.goal.moderators) for entry in others] == [
        ("c", (BOB, ALICE), {}),
        ("d", (ALICE,), {CAROL: 50}),
    ]


def test_rooms_of_the_same_name_have_distinct_entries() -> None:
    entries = parse(text([room(0, "a", ALICE), room(1, "a", ALICE), room(2, "a", ALICE)], now="now"))
    assert len({entry.name for entry in entries}) == 3
    assert entries[2].goal.moderators == {CAROL: 50, BOB: 75}


def test_room_without_control_is_a_comment() -> None:
    written = text([room(0, "lost")], now="now")
    assert parse(written) == ()
    assert "#   !0lost:example.org lost" in written


def test_settings_are_exported() -> None:
    (entry,) = parse(text([room(0, "a", ALICE, settings=('join_rule = "knock"',))], now="now"))
    assert entry.settings == {"join_rule": {"join_rule": "knock"}}


@pytest.mark.parametrize(
    "label",
    ['quo"te', "back\\slash", "two\nlines", "\x00\x1b[31m\x7f", "\u202eright", "'''", '"""', "#", " "],
)
def test_hostile_room_name_is_escaped_in_toml(label: str) -> None:
    single = room(0, label, ALICE)
    (entry,) = parse(text([single], now="now"))
    assert entry.name == (label.strip() or single.room_id)
    assert entry.goal.admins == (ALICE,)
    assert len(parse(text([single, room(0, "b", ALICE)], now="now"))) == 1
    written = text([single], now="now")
    assert all(character.isprintable() or character == "\n" for character in written)


def test_values_are_valid_toml() -> None:
    value = {"allow": ["*"], "odd key": None, "deny": [], "ip": True, "n": 5}
    assert toml_value(value) == '{ allow = ["*"], "odd key" = not set, deny = [], ip = true, n = 5 }'
