"""The tree of a space, also for circular, deep and hostile spaces."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from synadmin.cli.room.space import tree
from tests.unit.stub import json_reply

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub


def room(room_id: str, *children: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON
    kind = {"room_type": "m.space"} if children else {}
    state = [{"type": "m.space.child", "state_key": child, "content": {}} for child in children]
    return {"room_id": room_id, "num_joined_members": 2, "children_state": state} | kind | fields


def test_space_tree_has_all_rooms() -> None:
    rooms = [room("!a", "!b", "!c"), room("!b", "!d", "!e"), room("!d"), room("!e"), room("!c")]

    assert list(tree(rooms, "!a")) == [
        "!a  (space, 2 members)",
        "├─ !b  (space, 2 members)",
        "│  ├─ !d  (2 members)",
        "│  └─ !e  (2 members)",
        "└─ !c  (2 members)",
    ]


def test_circular_spaces_end() -> None:
    assert list(tree([room("!a", "!b"), room("!b", "!a", "!b")], "!a")) == [
        "!a  (space, 2 members)",
        "└─ !b  (space, 2 members)",
        "   ├─ !a  (space, 2 members)  (see above)",
        "   └─ !b  (space, 2 members)  (see above)",
    ]


def test_deep_chain_of_spaces_is_shown() -> None:
    depth = 5000
    rooms = [room(f"!{number}", f"!{number + 1}") for number in range(depth)]

    assert sum(1 for _ in tree(rooms, "!0")) == depth + 1


def test_rooms_below_the_depth_are_counted() -> None:
    lines = list(tree([room("!a", "!b"), room("!b", "!c", "!d")], "!a", max_depth=1))

    assert lines == ["!a  (space, 2 members)", "└─ !b  (space, 2 members)  (2 in it)"]


def test_hostile_name_is_escaped_and_remote_rooms_are_marked() -> None:
    rooms = [room("!a", "!b", name="\x1b[2J\u202egpj", join_rule="public", num_joined_members=1)]

    assert list(tree(rooms, "!a")) == [
        "\\x1b[2J\\u202egpj  !a  (space, 1 member, public)",
        "└─ !b  (no local user is in it)",
    ]


def test_unknown_space_is_reported_on_stderr(signed_in: Stub, synadmin: Synadmin) -> None:
    signed_in.on("/_synapse/admin/v1/rooms/%21a%3Aexample.org/hierarchy", json_reply({"rooms": []}))

    result = synadmin("room", "hierarchy", "!a:example.org")

    assert (result.code, result.stdout) == (0, "")
    assert result.stderr == "No such space: no local user is in it.\n"


def test_ndjson_has_every_field_of_every_page(signed_in: Stub, synadmin: Synadmin) -> None:
    first, second = room("!a:example.org", "!b:example.org", new_field=[1]), room("!b:example.org")
    path = "/_synapse/admin/v1/rooms/%21a%3Aexample.org/hierarchy"
    signed_in.on(
        path, json_reply({"rooms": [first], "next_batch": "x"}), json_reply({"rooms": [first, second]})
    )

    result = synadmin("room", "hierarchy", "!a:example.org", "--page-size", "1", "-o", "ndjson")

    assert [json.loads(line) for line in result.stdout.splitlines()] == [first, second]
