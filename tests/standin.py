"""A stand-in for a large homeserver: it computes the answers to the requests of an audit.

    python -m tests.standin --rooms 100000 --users 20000

prints the base URL, and serves until its standard input ends. User ``n % users`` has created room ``n``. The
creator and the users with the next numbers are its members; the creator has left every 50th room.
``GET /standin`` returns the number of requests, the number of parallel requests, and the requests by path.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import threading
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "big.example"
LOST = 50  # the creator has left every 50th room, which is without control
_ROOM = re.compile(r"/_synapse/admin/v1/rooms/!(\d+):[^/]+/(\w+)$")
_ID = re.compile(r"/[!@][^/]+/")
_USER = re.compile(r"/_synapse/admin/v[12]/users/@u(\d+):[^/]+(/\w+)?$")


class Standin:
    """The answers of the server, and the requests that it has counted."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.rooms: int = options.rooms
        self.users: int = options.users
        self.delay: float = options.delay
        self.slow_above: int | None = options.slow_above
        self.missing_room: int | None = options.gone
        self.failing_room: int | None = options.broken
        self.members: int = options.members
        self.version: str = options.version
        self.direct: int = options.direct
        self.asked: Counter[str] = Counter()
        self.requests = 0
        self.pending = 0
        self.at_once: list[int] = []

    def answer_delay(self) -> float:
        """Return how many seconds the server waits before the next answer."""
        if self.slow_above is not None and self.pending > self.slow_above:
            return self.delay * 10 * self.pending
        return self.delay

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        """Return the status and the body of an answer."""
        if path == "/_synapse/admin/v1/rooms":
            return 200, self._rooms(query)
        if path == "/_synapse/admin/v3/users":
            return 200, self._users(query)
        kind = _ID.sub("/…/", path + "/").rstrip("/") + " ".join(["", *query.get("type", [])])
        self.asked[kind] += 1
        if match := _ROOM.match(path):
            return self._room_answer(int(match[1]), match[2], query.get("type", [""])[0])
        if match := _USER.match(path):
            return self._user_answer(int(match[1]), match[2])
        return self._server_answer(path)

    def room(self, number: int) -> dict[str, Any]:
        """Return a room of the room list."""
        return {
            "room_id": f"!{number}:{NAME}",
            "name": f"Room {number}",
            "canonical_alias": None,
            "joined_members": self.members,
            "joined_local_members": self.members,
            "version": self.version,
            "creator": f"@u{number % self.users}:{NAME}",
            "encryption": None,
            "federatable": True,
            "public": False,
            "join_rules": "invite",
            "guest_access": None,
            "history_visibility": "shared",
            "state_events": self.members + 5,
            "room_type": None,
        }

    def user(self, number: int) -> dict[str, Any]:
        """Return an account of the user list."""
        return {
            "name": f"@u{number}:{NAME}",
            "displayname": f"User {number}",
            "creation_ts": 1_700_000_000_000,
            "last_seen_ts": 4_000_000_000_000,
            "admin": False,
            "deactivated": False,
            "locked": False,
            "is_guest": False,
        }

    def _rooms(self, query: dict[str, list[str]]) -> dict[str, Any]:
        numbers = _page(query, self.rooms)
        page = {"rooms": [self.room(number) for number in numbers], "total_rooms": self.rooms}
        return page | ({"next_batch": numbers.stop} if numbers.stop < self.rooms else {})

    def _users(self, query: dict[str, list[str]]) -> dict[str, Any]:
        if query.get("admins") == ["true"]:
            return {"users": [], "total": 0}
        numbers = _page(query, self.users)
        page = {"users": [self.user(number) for number in numbers], "total": self.users}
        return page | ({"next_token": str(numbers.stop)} if numbers.stop < self.users else {})

    def _room_answer(self, number: int, resource: str, event_type: str) -> tuple[int, Any]:
        if number == self.failing_room:
            return 500, {"errcode": "M_UNKNOWN", "error": "Internal server error"}
        if number in {self.missing_room, self.rooms}:
            return 404, {"errcode": "M_NOT_FOUND", "error": "Room not found"}
        if resource == "members":
            members = [
                self._member(number, index)
                for index in range(self.members + 1)
                if self._is_joined(number, index)
            ]
            return 200, {"members": members, "total": len(members)}
        if resource == "block":
            return 200, {"block": False}
        return 200, {"state": [one for one in self._state(number) if event_type in {"", one["type"]}]}

    def _state(self, number: int) -> Iterator[dict[str, Any]]:
        creator = f"@u{number % self.users}:{NAME}"
        users = {} if self.version == "12" else {creator: 100}
        if number % 100 < self.direct and number % LOST:
            users |= {self._member(number, index): 100 for index in range(self.members)}
        levels = {"users": users, "events": {"m.room.power_levels": 100}, "state_default": 50}
        state: list[tuple[str, str, dict[str, Any]]] = [
            ("m.room.create", "", {"room_version": self.version}),
            ("m.room.power_levels", "", levels),
            ("m.room.join_rules", "", {"join_rule": "invite"}),
            ("m.room.name", "", {"name": f"Room {number}"}),
        ]
        for index in range(self.members + 1):
            membership = "join" if self._is_joined(number, index) else "leave"
            state.append(("m.room.member", self._member(number, index), {"membership": membership}))
        for index, (kind, key, content) in enumerate(state):
            event = {"type": kind, "state_key": key, "sender": creator, "content": content}
            yield event | {"event_id": f"${number}-{index}", "room_id": f"!{number}:{NAME}"}

    def _is_joined(self, number: int, index: int) -> bool:
        """Return whether a user is in a room. ``index`` is 0 for its creator, 1 for the next user."""
        return bool(index) if number % LOST == 0 else index < self.members

    def _member(self, number: int, index: int) -> str:
        return f"@u{(number + index) % self.users}:{NAME}"

    def _user_answer(self, number: int, resource: str | None) -> tuple[int, Any]:
        if number >= self.users:
            return 404, {"errcode": "M_NOT_FOUND", "error": "User not found"}
        if resource is None:
            return 200, self.user(number) | {"suspended": False}
        rooms = [
            f"!{n}:{NAME}"
            for index in range(self.members + 1)
            for n in range((number - index) % self.users, self.rooms, self.users)
            if self._is_joined(n, index)
        ]
        if resource == "/memberships":
            return 200, {"memberships": dict.fromkeys(rooms, "join")}
        return 200, {"joined_rooms": rooms, "total": len(rooms)}

    def _server_answer(self, path: str) -> tuple[int, Any]:
        known: dict[str, Any] = {
            "/standin": {"requests": self.requests, "at_once": self.at_once, "asked": self.asked},
            "/_synapse/admin/v1/server_version": {"server_version": "1.163.2"},
            "/_matrix/client/v3/account/whoami": {"user_id": f"@u0:{NAME}"},
            "/_synapse/admin/v1/registration_tokens": {"registration_tokens": []},
            "/_synapse/admin/v1/event_reports": {"event_reports": [], "total": 0},
            "/_synapse/admin/v1/user_reports": {"user_reports": [], "total": 0},
            "/_synapse/admin/v1/federation/destinations": {"destinations": [], "total": 0},
            "/_synapse/admin/v1/background_updates/status": {"enabled": True, "current_updates": {}},
            "/_synapse/admin/v1/scheduled_tasks": {"scheduled_tasks": []},
        }
        if path in known:
            return 200, known[path]
        return 404, {"errcode": "M_UNRECOGNIZED", "error": "Unrecognized request"}


def _page(query: dict[str, list[str]], total: int) -> range:
    start, size = int(query.get("from", ["0"])[0]), int(query.get("limit", ["100"])[0])
    return range(start, min(start + size, total))


class _Connection(asyncio.Protocol):
    """The connection of a client, which sends requests without a body."""

    def __init__(self, standin: Standin) -> None:
        self._standin = standin
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            standin = self._standin
            standin.requests += 1
            standin.pending += 1
            standin.at_once.append(standin.pending)
            del standin.at_once[:-1000]
            target = head.split(b" ", 2)[1].decode()
            delay = standin.answer_delay()
            if delay:
                asyncio.get_running_loop().call_later(delay, self._answer, target)
            else:
                self._answer(target)

    def _answer(self, target: str) -> None:
        parts = urlsplit(target)
        status, body = self._standin.answer(unquote(parts.path), parse_qs(parts.query))
        content = json.dumps(body).encode()
        head = f"HTTP/1.1 {status} Status\r\nContent-Length: {len(content)}\r\n\r\n"
        self._standin.pending -= 1
        if self._transport is not None:
            self._transport.write(head.encode() + content)


async def serve(standin: Standin, ended: asyncio.Event) -> None:
    """Serve on a free port and print the base URL, until ``ended`` is set."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(standin), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)  # noqa: T201
    await ended.wait()
    server.close()


@contextmanager
def running(*arguments: str) -> Iterator[str]:
    """Run a stand-in in a separate process while the block runs; yield its base URL."""
    command = [sys.executable, "-m", "tests.standin", *arguments]
    root = Path(__file__).parents[1]
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


async def main() -> None:
    """Serve until the standard input ends. It ends together with the process that started the stand-in."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rooms", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--members", type=int, default=2, help="members of each room")
    parser.add_argument("--version", default="11", help="room version")
    parser.add_argument(
        "--direct", type=int, default=0, help="percentage of rooms whose members all have control"
    )
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--slow-above", type=int, help="parallel requests above which each answer is slower")
    parser.add_argument("--gone", type=int, help="number of a room that is only in the room list")
    parser.add_argument("--broken", type=int, help="number of a room whose requests fail")
    options = parser.parse_args()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait_for_end_of_input() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait_for_end_of_input, daemon=True).start()
    await serve(Standin(options), ended)


if __name__ == "__main__":
    asyncio.run(main())
