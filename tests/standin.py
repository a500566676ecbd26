"""A stand-in for a server of a hundred thousand rooms: it answers what an audit asks, and holds none of it.

    python -m tests.standin --rooms 100000 --users 20000

prints its base URL, and serves until its standard input ends. Room and user number ``n`` are what arithmetic
says: room ``n`` is of user ``n % users``, who is in it, but for every fiftieth, which they have left.
``GET /standin`` tells how many requests it has had and how many at once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import threading
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

NAME = "big.example"
LOST = 50  # every so manieth room was left by who made it
_ROOM = re.compile(r"/_synapse/admin/v1/rooms/!(\d+):[^/]+/(\w+)$")
_USER = re.compile(r"/_synapse/admin/v[12]/users/@u(\d+):[^/]+(/\w+)?$")


class Standin:
    """What it answers, and what it has counted."""

    def __init__(self, rooms: int, users: int, *, delay: float = 0.0, strained: int | None = None) -> None:
        """Choose its size.

        Args:
            rooms: how many rooms it has.
            users: how many accounts.
            delay: seconds before each answer.
            strained: with more requests than this at once, each takes ten times as long for each of them.
        """
        self.rooms = rooms
        self.users = users
        self.delay = delay
        self.strained = strained
        self.requests = 0
        self.under_way = 0
        self.at_once: list[int] = []

    def patience(self) -> float:
        """Return the seconds that an answer takes now."""
        if self.strained is not None and self.under_way > self.strained:
            return self.delay * 10 * self.under_way
        return self.delay

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        """Return status and body."""
        if path == "/standin":
            return 200, {"requests": self.requests, "at_once": self.at_once}
        if path == "/_matrix/client/v3/account/whoami":
            return 200, {"user_id": f"@u0:{NAME}"}
        if path == "/_synapse/admin/v1/rooms":
            return 200, self._page("rooms", self.room, self.rooms, query, "next_batch", "total_rooms")
        if path == "/_synapse/admin/v3/users":
            if query.get("admins") == ["true"]:
                return 200, {"users": [], "total": 0}
            return 200, self._page("users", self.user, self.users, query, "next_token", "total")
        if match := _ROOM.match(path):
            return self._of_room(int(match[1]), match[2], query.get("type", [""])[0])
        if match := _USER.match(path):
            return self._of_user(int(match[1]), match[2])
        return self._of_the_server(path)

    def room(self, number: int) -> dict[str, Any]:
        """Return a room as the list has it."""
        return {
            "room_id": f"!{number}:{NAME}",
            "name": f"Room {number}",
            "canonical_alias": None,
            "joined_members": 2,
            "joined_local_members": 2,
            "version": "11",
            "creator": f"@u{number % self.users}:{NAME}",
            "encryption": None,
            "federatable": True,
            "public": False,
            "join_rules": "invite",
            "guest_access": None,
            "history_visibility": "shared",
            "state_events": 12,
            "room_type": None,
        }

    def user(self, number: int) -> dict[str, Any]:
        """Return an account as the list has it."""
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

    def _page(
        self, items: str, item: Any, total: int, query: dict[str, list[str]], following: str, count: str
    ) -> dict[str, Any]:
        start, size = int(query.get("from", ["0"])[0]), int(query.get("limit", ["100"])[0])
        end = min(start + size, total)
        page = {items: [item(number) for number in range(start, end)], count: total}
        return page | ({following: end if following == "next_batch" else str(end)} if end < total else {})

    def _of_room(self, number: int, what: str, event_type: str) -> tuple[int, Any]:
        if number >= self.rooms:
            return 404, {"errcode": "M_NOT_FOUND", "error": "Room not found"}
        if what == "block":
            return 200, {"block": False}
        if what != "state" or event_type != "m.room.power_levels":
            return 200, {"state": []}
        creator = f"@u{number % self.users}:{NAME}"
        content = {"users": {creator: 100}, "events": {"m.room.power_levels": 100}, "state_default": 50}
        event = {"type": event_type, "state_key": "", "sender": creator, "content": content}
        return 200, {"state": [event | {"event_id": f"$levels{number}", "room_id": f"!{number}:{NAME}"}]}

    def _of_user(self, number: int, what: str | None) -> tuple[int, Any]:
        if number >= self.users:
            return 404, {"errcode": "M_NOT_FOUND", "error": "User not found"}
        if what is None:
            return 200, self.user(number) | {"suspended": False}
        rooms = [f"!{n}:{NAME}" for n in range(number, self.rooms, self.users) if n % LOST]
        if what == "/memberships":
            return 200, {"memberships": dict.fromkeys(rooms, "join")}
        return 200, {"joined_rooms": rooms, "total": len(rooms)}

    def _of_the_server(self, path: str) -> tuple[int, Any]:
        empty: dict[str, Any] = {
            "/_synapse/admin/v1/registration_tokens": {"registration_tokens": []},
            "/_synapse/admin/v1/event_reports": {"event_reports": [], "total": 0},
            "/_synapse/admin/v1/user_reports": {"user_reports": [], "total": 0},
            "/_synapse/admin/v1/federation/destinations": {"destinations": [], "total": 0},
            "/_synapse/admin/v1/background_updates/status": {"enabled": True, "current_updates": {}},
            "/_synapse/admin/v1/scheduled_tasks": {"scheduled_tasks": []},
        }
        if path in empty:
            return 200, empty[path]
        return 404, {"errcode": "M_UNRECOGNIZED", "error": "Unrecognized request"}


class _Connection(asyncio.Protocol):
    """A client's connection: requests without a body, one after the other."""

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
            standin.under_way += 1
            standin.at_once.append(standin.under_way)
            del standin.at_once[:-1000]
            target = head.split(b" ", 2)[1].decode()
            patience = standin.patience()
            if patience:
                asyncio.get_running_loop().call_later(patience, self._answer, target)
            else:
                self._answer(target)

    def _answer(self, target: str) -> None:
        parts = urlsplit(target)
        status, body = self._standin.answer(unquote(parts.path), parse_qs(parts.query))
        content = json.dumps(body).encode()
        head = f"HTTP/1.1 {status} Whatever\r\nContent-Length: {len(content)}\r\n\r\n"
        self._standin.under_way -= 1
        if self._transport is not None:
            self._transport.write(head.encode() + content)


async def serve(standin: Standin, ended: asyncio.Event) -> None:
    """Serve on a port of its own, which is printed, until it is to end."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(standin), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)  # noqa: T201
    await ended.wait()
    server.close()


async def main() -> None:
    """Serve until the standard input ends: with the process that started it, however that ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rooms", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--strained", type=int)
    options = parser.parse_args()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def until_the_input_ends() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=until_the_input_ends, daemon=True).start()
    standin = Standin(options.rooms, options.users, delay=options.delay, strained=options.strained)
    await serve(standin, ended)


if __name__ == "__main__":
    asyncio.run(main())
