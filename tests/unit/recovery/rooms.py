"""A room of the stub homeserver without control: private, and only its member Alice has level 100."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.unit.stub import ADMIN, Reply, Stub, json_reply

if TYPE_CHECKING:
    from collections.abc import Mapping

ALICE = "@alice:example.org"
LEVELS = {"users": {ALICE: 100}, "events": {"m.room.power_levels": 100}}
POWER = "state?type=m.room.power_levels"
JOIN_RULES = "state?type=m.room.join_rules"
CREATE = "state?type=m.room.create"
MEMBERS = "state?type=m.room.member"
GRANTED = {**LEVELS, "users": {ALICE: 100, ADMIN: 100}}


def details(room_id: str, **others: object) -> dict[str, object]:
    """Return the answer of ``GET /v1/rooms/{id}``."""
    return {
        "room_id": room_id,
        "name": "Chess",
        "version": "11",
        "creator": ALICE,
        "join_rules": "invite",
        "history_visibility": "shared",
        "joined_members": 1,
        "joined_local_members": 1,
        **others,
    }


def state(kind: str, content: Mapping[str, Any], key: str = "") -> dict[str, object]:
    """Return a state event."""
    return {"type": kind, "state_key": key, "sender": ALICE, "content": content, "event_id": f"${kind}"}


def power(content: Mapping[str, Any]) -> Reply:
    """Return a reply with the power levels of a room."""
    return json_reply({"state": [state("m.room.power_levels", content)]})


class LostRoom:
    """A room of the stub that gives the answers of Synapse during a recovery."""

    def __init__(self, stub: Stub, room_id: str = "!chess:example.org", **others: object) -> None:
        self.id = room_id
        self._stub = stub
        self.admin_path = f"/_synapse/admin/v1/rooms/{quote(room_id, safe='')}"
        self.client_path = f"/_matrix/client/v3/rooms/{quote(room_id, safe='')}"
        stub.on(self.admin_path, json_reply(details(room_id, **others)))
        stub.on(f"{self.admin_path}/state", json_reply({"state": []}))
        self.on(POWER, power(LEVELS), power(GRANTED))
        self.on(CREATE, json_reply({"state": [state("m.room.create", {"room_version": "11"})]}))
        self.set_join_rule("invite")
        self.on("members", json_reply({"members": [ALICE], "total": 1}))
        stub.on(f"{self.admin_path}/block", json_reply({"block": False}))
        stub.on(f"{self.admin_path}/make_room_admin", json_reply({}))
        stub.on(f"/_matrix/client/v3/join/{quote(room_id, safe='')}", json_reply({"room_id": room_id}))
        stub.on(f"{self.client_path}/state/m.room.power_levels/", json_reply(GRANTED))
        account = f"/_synapse/admin/v2/users/{quote(ADMIN, safe='')}"
        stub.on(account, json_reply({"name": ADMIN}))
        stub.on(f"/_synapse/admin/v2/users/{quote(ALICE, safe='')}", json_reply({"name": ALICE}))
        self.member(ALICE, "join")
        self.member(ADMIN, None, "join")

    def member(self, user: str, *memberships: str | None) -> None:
        """Set the memberships of a user that successive requests read."""
        path = f"/_synapse/admin/v1/users/{quote(user, safe='')}/memberships"
        replies = [
            json_reply({"memberships": {self.id: membership} if membership else {}})
            for membership in memberships
        ]
        self._stub.on(path, *replies)

    def set_join_rule(self, rule: str, **more: object) -> None:
        """Set the room's join rule."""
        self.on(JOIN_RULES, json_reply({"state": [state("m.room.join_rules", {"join_rule": rule, **more})]}))

    def left_by_all(self) -> None:
        """Remove the state and the members of the room, as Synapse does when its last local user leaves."""
        for path in (POWER, CREATE, JOIN_RULES):
            self.on(path, json_reply({"state": []}))
        self.on("members", json_reply({"members": [], "total": 0}))

    def on(self, path: str, *replies: Reply) -> None:
        """Set the replies to a path below the room's Admin API path."""
        self._stub.on(f"{self.admin_path}/{path}", *replies)

    @property
    def changes(self) -> list[str]:
        """Return the last path segment of each request that changes something."""
        return [target.rpartition("/")[2] for target in self._stub.targets if not target.startswith("GET ")]
