"""The order of the rooms of a space, also if its content is malformed or circular."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from synadmin.client import Synapse
from synadmin.errors import NotFoundError
from synadmin.ids import RoomId
from synadmin.recovery.rooms_in_space import Space, rooms_in_space
from tests.unit.stub import json_reply, refused

if TYPE_CHECKING:
    from tests.unit.stub import Stub

TOP = RoomId("!top:example.org")
KNOWN = "/_synapse/admin/v1/rooms/%21top%3Aexample.org"
AS_ADMIN = "/_synapse/admin/v1/rooms/%21top%3Aexample.org/hierarchy"
AS_MEMBER = "/_matrix/client/v1/rooms/%21top%3Aexample.org/hierarchy"


def room(name: str, *children: str, **child: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON
    """Return a room of a hierarchy; ``child`` is the content of each of its ``m.space.child`` events."""
    content = child or {"via": ["example.org"]}
    events = [
        {
            "type": "m.space.child",
            "state_key": f"!{key}:example.org",
            "sender": "@boss:example.org",
            "origin_server_ts": 1,
            "content": content,
        }
        for key in children
    ]
    return {"room_id": f"!{name}:example.org", "children_state": events}


def space_of(stub: Stub, *rooms: dict[str, Any], as_member: bool = False) -> Space:
    stub.on(KNOWN, json_reply({"room_id": TOP}))
    stub.on(AS_MEMBER if as_member else AS_ADMIN, json_reply({"rooms": list(rooms)}))
    with Synapse(stub.url, token="t") as synapse:
        return rooms_in_space(synapse, TOP, as_member=as_member)


def ids(*names: str) -> tuple[RoomId, ...]:
    return tuple(RoomId(f"!{name}:example.org") for name in names)


@pytest.mark.parametrize("as_member", [False, True], ids=["as a server admin", "as a member"])
def test_child_rooms_come_before_their_space(stub: Stub, *, as_member: bool) -> None:
    inner = room("inner", "b", "c")
    space = space_of(
        stub, room("top", "a", "inner"), room("a"), inner, room("b"), room("c"), as_member=as_member
    )
    assert space == Space(ids("a", "b", "c", "inner", "top"), ())


def test_room_in_two_spaces_is_listed_once_and_cycles_end(stub: Stub) -> None:
    space = space_of(stub, room("top", "a", "inner"), room("a"), room("inner", "a", "top"))
    assert space == Space(ids("a", "inner", "top"), ())


def test_unreadable_rooms_of_a_space_are_listed_separately(stub: Stub) -> None:
    space = space_of(stub, room("top", "gone", "a", "gone"), room("a", "gone"))
    assert space == Space(ids("a", "top"), ids("gone"))


@pytest.mark.parametrize(
    "content", [{"via": []}, {"order": "1"}, {"via": None}], ids=["empty via", "no via", "via null"]
)
def test_removed_child_is_not_in_the_space(stub: Stub, content: dict[str, Any]) -> None:
    assert space_of(stub, room("top", "a", **content), room("a")) == Space(ids("top"), ())


def test_deeply_nested_spaces_are_complete(stub: Stub) -> None:
    chain = [room("top", "0"), *(room(str(depth), str(depth + 1)) for depth in range(3000))]
    space = space_of(stub, *chain)
    assert space == Space(ids(*(str(depth) for depth in range(2999, -1, -1)), "top"), ids("3000"))


def test_malformed_child_is_ignored(stub: Stub) -> None:
    top = {"room_id": TOP, "children_state": [{"content": "x", "state_key": "!a:x"}, {"state_key": 1}, {}]}
    assert space_of(stub, top, as_member=True) == Space(ids("top"), ())


def test_unknown_space_is_an_error(stub: Stub) -> None:
    stub.on(KNOWN, refused(404, "M_NOT_FOUND"))
    with Synapse(stub.url, token="t") as synapse, pytest.raises(NotFoundError):
        rooms_in_space(synapse, TOP)


def test_older_synapse_is_asked_for_children_of_each_space(stub: Stub) -> None:
    # Synapse before 1.123 sends the whole state, whatever type is asked for.
    create = {"type": "m.room.create", "state_key": "", "sender": "@boss:example.org"}
    child = {"type": "m.space.child", "sender": "@boss:example.org", "origin_server_ts": 1}
    via = {"via": ["example.org"]}
    top = [
        {**create, "content": {"type": "m.space"}},
        {**child, "state_key": "!later:example.org", "content": {**via, "order": "b"}},
        {**child, "state_key": "!first:example.org", "content": {**via, "order": "a"}},
        {**child, "state_key": "!removed:example.org", "content": {}},
        {**child, "state_key": "!elsewhere:example.org", "content": via},
    ]
    stub.on(f"{KNOWN}/hierarchy", refused(404, "M_UNRECOGNIZED", "Unrecognized request"))
    for name, events in (("top", top), ("first", [{**create, "content": {}}]), ("later", [])):
        path = f"/_synapse/admin/v1/rooms/%21{name}%3Aexample.org"
        stub.on(path, json_reply({"room_id": f"!{name}:example.org", "joined_members": None}))
        stub.on(f"{path}/state", json_reply({"state": events}))
    stub.on("/_synapse/admin/v1/rooms/%21elsewhere%3Aexample.org", refused(404, "M_NOT_FOUND"))
    with Synapse(stub.url, token="t") as synapse:
        assert rooms_in_space(synapse, TOP) == Space(ids("first", "top"), ids("later", "elsewhere"))
