"""The rooms that an entry selects, and the entry that applies to a room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from synadmin.client import Synapse
from synadmin.control.file import parse
from synadmin.control.selection import Selection, select
from synadmin.errors import SettingsError
from tests.unit.stub import WHOAMI, json_reply, refused

if TYPE_CHECKING:
    from tests.unit.stub import Stub

ALICE, MALLORY = "@alice:example.org", "@mallory:elsewhere.net"
_ROOMS = "/_synapse/admin/v1/rooms"


def room(name: str, *, creator: str = ALICE, alias: bool = False, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    canonical = f"#{name}:example.org" if alias else None
    return {"room_id": f"!{name}:example.org", "canonical_alias": canonical, "creator": creator, **more}


ROOMS = (
    room("club-a", alias=True),
    room("club-space", alias=True, room_type="m.space"),
    room("club-b", alias=True, creator=MALLORY),
    room("other"),
)


def selected(stub: Stub, *entries: str) -> Selection:
    stub.on(WHOAMI, json_reply({"user_id": "@admin:example.org"}))
    stub.on(_ROOMS, json_reply({"rooms": ROOMS, "total_rooms": len(ROOMS)}))
    stub.on("*", refused(404, "M_NOT_FOUND"))
    for details in ROOMS:
        stub.on(f"{_ROOMS}/{quote(details['room_id'], safe='')}", json_reply(details))
        if details["canonical_alias"]:
            alias = quote(details["canonical_alias"], safe="")
            stub.on(f"/_matrix/client/v3/directory/room/{alias}", json_reply({"room_id": details["room_id"]}))
    text = "version = 1\n" + "".join(
        f'[[rooms]]\nname = "{number}"\nmatch = {{ {entry} }}\nat_least = {number}\n'
        for number, entry in enumerate(entries)
    )
    with Synapse(stub.url, token="t") as synapse:
        return select(synapse, parse(text))


def rooms_with_entries(selection: Selection) -> list[tuple[str, str]]:
    """Return the localpart of each room id, and the name of the entry that applies."""
    return [(target.room_id[1:].partition(":")[0], target.entry.name) for target in selection.targets]


@pytest.mark.parametrize(
    ("match", "rooms"),
    [
        ('ids = ["!other:example.org", "!club-a:example.org"]', ["other", "club-a"]),
        ('alias = "#club-a:example.org"', ["club-a"]),
        ('alias = ["#club-a:example.org", "#club-b:example.org"]', ["club-a", "club-b"]),
        ('alias = "#club-*:example.org"', ["club-a", "club-b", "club-space"]),
        ('alias = "#club-?:example.org*"', []),
        (f'creator = "{MALLORY}"', ["club-b"]),
        ("ours = true", ["club-a", "other", "club-space"]),
        ('ours = true, except = ["#club-*:example.org"]', ["other"]),
        ('ours = true, except = ["#club-a:example.org", "!other:example.org"]', ["club-space"]),
    ],
)
def test_selectors_find_their_rooms_and_spaces_come_last(stub: Stub, match: str, rooms: list[str]) -> None:
    selection = selected(stub, match)
    assert sorted(name for name, _ in rooms_with_entries(selection)) == sorted(rooms)
    assert [name for name, _ in rooms_with_entries(selection)][-1:] == (
        ["club-space"] if "club-space" in rooms else rooms[-1:]
    )
    assert [entry.name for entry in selection.unmatched] == ([] if rooms else ["0"])


def test_last_matching_entry_applies(stub: Stub) -> None:
    selection = selected(
        stub, "ours = true", 'alias = "#club-*:example.org"', 'ids = ["!club-b:example.org"]'
    )
    assert dict(rooms_with_entries(selection)) == {
        "other": "0",
        "club-a": "1",
        "club-space": "1",
        "club-b": "2",
    }


def test_entry_overridden_by_others_has_matched(stub: Stub) -> None:
    selection = selected(stub, 'ids = ["!other:example.org"]', "ours = true", 'alias = "#none-*:example.org"')
    assert dict(rooms_with_entries(selection))["other"] == "1"
    assert [entry.name for entry in selection.unmatched] == ["2"]


def test_unknown_room_id_is_reported(stub: Stub) -> None:
    selection = selected(stub, 'ids = ["!nowhere:example.org", "!other:example.org"]', "ours = true")
    assert [(room_id, entry.name) for room_id, entry in selection.unknown] == [("!nowhere:example.org", "0")]
    assert selection.unmatched == []


def test_id_and_alias_of_one_room_conflict(stub: Stub) -> None:
    with pytest.raises(SettingsError) as caught:
        selected(stub, 'ids = ["!club-a:example.org"]', 'alias = "#club-a:example.org"')
    assert "lines 2 and 6" in str(caught.value)
