"""A stub server with random rooms and accounts in many states."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.unit.stub import ADMIN, json_reply, refused

if TYPE_CHECKING:
    from tests.unit.stub import Request, Stub

DAY = 86_400_000  # milliseconds
ROOMS, USERS = 60, 120
HERE = "example.org"
REMOTE_USERS = ("@f0:other.example", "@f1:other.example")
GHOST = f"@ghost:{HERE}"
_ADMIN_API = "/_synapse/admin/"
_TYPES = ("m.room.power_levels", "m.room.create", "m.room.join_rules", "m.room.tombstone")


def _path(*parts: str) -> str:
    return _ADMIN_API + "/".join(quote(part, safe="") for part in parts)


def is_second_page(request: Request) -> bool:
    """Return whether a request is for the second page of the user list."""
    return "/v3/users?" in request.target and "from=1" in request.target


def _is_local(user: str) -> bool:
    return user.endswith(f":{HERE}")


@dataclass
class RandomServer:
    """Creates random rooms and accounts, and sets the answers of the stub."""

    stub: Stub
    seed: int
    joined: dict[str, list[str]] = field(default_factory=dict)
    banned: dict[str, dict[str, str]] = field(default_factory=dict)

    def build(self) -> None:
        rng = random.Random(f"accounts/{self.seed}")
        now = int(time.time() * 1000)
        users = [f"@u{number}:{HERE}" for number in range(USERS)]
        self.joined = {user: [] for user in (*users, ADMIN, *REMOTE_USERS)}
        listed = [self._account(rng, user, now) for user in (*users, ADMIN)]
        rooms = [self._room(random.Random(f"{self.seed}/{number}"), number, users) for number in range(ROOMS)]
        self.stub.on(_path("v1", "rooms"), json_reply({"rooms": rooms, "total_rooms": ROOMS}))
        total = {"total": len(listed)}
        first_page = {"users": listed[:1], "next_token": "1", **total}
        self.stub.on(f"{_path('v3', 'users')}?locked=true&limit=500", json_reply(first_page))
        self.stub.on(_path("v3", "users"), json_reply({"users": listed[1:], **total}))
        for user, joined in self.joined.items():
            answer = {"joined_rooms": joined, "total": len(joined)}
            self.stub.on(_path("v1", "users", user, "joined_rooms"), json_reply(answer))
            memberships = {"memberships": dict.fromkeys(joined, "join") | self.banned.get(user, {})}
            self.stub.on(_path("v1", "users", user, "memberships"), json_reply(memberships))
        for path in (_path("v2", "users", GHOST), _path("v1", "users", GHOST, "joined_rooms")):
            self.stub.on(path, refused(404, "M_NOT_FOUND"))
        self.stub.on(_path("v1", "username_available"), json_reply({"available": True}))

    def delay_the_user_list(self) -> None:
        """Answer the second page of the user list only after the state of each room was requested."""
        requested, all_requested = set[str](), threading.Event()

        def delay_second_page(request: Request) -> None:
            path, _, query = request.target.partition("?")
            if path.endswith("/state") and query in {"", "type=m.room.power_levels"}:
                requested.add(path)
                if len(requested) == ROOMS:
                    all_requested.set()
            elif is_second_page(request):
                assert all_requested.wait(30)

        self.stub.on_request = delay_second_page

    def _account(self, rng: random.Random, user: str, now: int) -> dict[str, Any]:
        """Set the answers about an account, and return its entry in the user list."""
        flags = {
            name: user != ADMIN and rng.random() < share
            for name, share in (("deactivated", 0.1), ("locked", 0.1), ("shadow_banned", 0.05))
        }
        seen = rng.choice([None, now - 200 * DAY, now - DAY, now - DAY])
        created = now - 300 * DAY
        account = {"name": user, "creation_ts": created, "last_seen_ts": seen, **flags}
        details = {
            **account,
            "creation_ts": created // 1000,
            "suspended": user != ADMIN and rng.random() < 0.3,
            "appservice_id": "bridge" if rng.random() < 0.15 else None,
        }
        self.stub.on(_path("v2", "users", user), json_reply(details))
        return account

    def _room(self, rng: random.Random, number: int, users: list[str]) -> dict[str, Any]:
        """Set the answers about a room, and return its entry in the room list."""
        room_id, version = f"!{number}:{HERE}", rng.choice(["5", "11", "11", "12"])
        local_users = rng.sample(users, rng.randint(1, 5))
        remote_users = rng.choice([(), (), (), REMOTE_USERS])
        left = [user for user in local_users if rng.random() < 0.25]
        members = [user for user in (*local_users, *remote_users) if user not in left]
        banned = [user for user in left if rng.random() < 0.3]
        creator, additional_creators = rng.choice([*local_users, *remote_users]), list[str]()
        if version == "12" and rng.random() < 0.4:
            additional_creators = [rng.choice([*users, GHOST])]
        for user in members:
            self.joined[user].append(room_id)
        for user in banned:
            self.banned.setdefault(user, {})[room_id] = "ban"
        power_holders = [user for user in (*local_users, *remote_users) if rng.random() < 0.5]
        levels: dict[str, int] = {user: rng.choice([25, 50, 100, 100]) for user in power_holders}
        if rng.random() < 0.1:
            levels[GHOST] = 100
        levels = {user: level for user, level in levels.items() if version != "12" or user != creator}
        if version != "12":
            levels |= {creator: 100}
        content = {
            "users": levels,
            "users_default": rng.choice([0, 0, 0, 0, 0, 100]),
            "events": {"m.room.power_levels": rng.choice([100, 100, 100, 25])},
        }
        state: dict[str, dict[str, Any]] = {
            "m.room.power_levels": content,
            "m.room.create": {"room_version": version, "additional_creators": additional_creators},
            "m.room.join_rules": {"join_rule": rng.choice(["invite", "public"])},
        }
        if rng.random() < 0.1:
            state["m.room.tombstone"] = {"replacement_room": f"!new{number}:{HERE}"}
        memberships = (
            dict.fromkeys(left, "leave") | dict.fromkeys(banned, "ban") | dict.fromkeys(members, "join")
        )
        self._set_room_answers(room_id, creator, state, memberships, blocked=rng.random() < 0.1)
        return {
            "room_id": room_id,
            "name": f"room {number}",
            "version": version,
            "creator": creator,
            "join_rules": state["m.room.join_rules"]["join_rule"],
            "joined_members": len(members),
            "joined_local_members": sum(map(_is_local, members)),
            # The statistics of Synapse can be wrong.
            "state_events": rng.choice([9, 9, 9, 9, 400]),
        }

    def _set_room_answers(
        self,
        room_id: str,
        creator: str,
        state: dict[str, Any],
        memberships: dict[str, str],
        *,
        blocked: bool,
    ) -> None:
        path = _path("v1", "rooms", room_id)
        members = [user for user, membership in memberships.items() if membership == "join"]
        has_local_member = any(map(_is_local, members))
        events = [
            {"type": event_type, "state_key": key, "sender": creator, "content": content}
            for event_type, key, content in (
                *((event_type, "", content) for event_type, content in state.items()),
                *(
                    ("m.room.member", user, {"membership": membership})
                    for user, membership in memberships.items()
                ),
            )
            if has_local_member
        ]
        self.stub.on(f"{path}/state", json_reply({"state": events}))
        for event_type in (*_TYPES, "m.room.member"):
            of_type = [event for event in events if event["type"] == event_type]
            self.stub.on(f"{path}/state?type={event_type}", json_reply({"state": of_type}))
        self.stub.on(f"{path}/block", json_reply({"block": blocked}))
        shown = members if has_local_member else []
        self.stub.on(f"{path}/members", json_reply({"members": shown, "total": len(shown)}))
