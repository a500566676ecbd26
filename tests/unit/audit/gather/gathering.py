"""Gatherers for the tests: on the stand-in, which counts requests, or on a stub with one room."""

from __future__ import annotations

import json
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from synadmin.audit.config import Config
from synadmin.audit.gather.gatherer import Gatherer
from synadmin.audit.gather.prefetch import Prefetcher
from synadmin.audit.gather.room_facts import FEW_ROOMS
from synadmin.audit.rules import RULES
from synadmin.audit.runner import needs_of
from synadmin.client import Synapse
from tests.unit.stub import Stub, json_reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from synadmin.audit.facts import RoomFacts
    from synadmin.audit.gather.coverage import Needs

ROOMS, USERS = FEW_ROOMS + 50, 30
LEVELS = "/_synapse/admin/v1/rooms/…/state m.room.power_levels"
OF_ROOMS = frozenset(
    {"no-local-control", "ghost-power", "single-controller", "foreign-controller", "tombstoned-with-members"}
)
ROOM = {
    "room_id": "!a:example.org",
    "name": "Chess",
    "joined_members": 1,
    "joined_local_members": 1,
    "version": "11",
    "creator": "@alice:example.org",
    "join_rules": "invite",
    "state_events": 9,
}
STATE = "/_synapse/admin/v1/rooms/%21a%3Aexample.org/state"
MEMBERS = "/_synapse/admin/v1/rooms/%21a%3Aexample.org/members"
ALICE = "/_synapse/admin/v2/users/%40alice%3Aexample.org"
JOINED_ROOMS = "/_synapse/admin/v1/users/%40alice%3Aexample.org/joined_rooms"
ADMIN = "/_synapse/admin/v2/users/%40admin%3Aexample.org"


def needs(*ids: str, **options: Any) -> Needs:  # noqa: ANN401
    """Return the needs of these rules with their options."""
    rules = [rule for rule in RULES if rule.ID in ids]
    rule_options = {
        rule.ID: {name: options[name] for name in options if name in rule.OPTIONS} for rule in rules
    }
    return needs_of(rules, Config(rules=rule_options))


@contextmanager
def gathering(
    url: str,
    *rules: str,
    concurrency: int = 8,
    prefetch: bool = False,
    **options: Any,  # noqa: ANN401
) -> Iterator[Gatherer]:
    """Yield a gatherer for rules; ``prefetch`` requests the room list first, as an audit does."""
    without = options.pop("without", ())
    with Synapse(url, token="syt_token") as synapse:
        prefetcher = Prefetcher(synapse, concurrency=concurrency)
        try:
            if prefetch:
                prefetcher.begin()
            yield Gatherer(prefetcher, needs(*rules or OF_ROOMS, **options), without=without)
        finally:
            prefetcher.close()


def request_counts(url: str) -> dict[str, int]:
    """Return how often the stand-in received each kind of request."""
    counts: dict[str, int] = json.load(urllib.request.urlopen(f"{url}/standin"))["asked"]  # noqa: S310
    return counts


def _levels(**users: int) -> dict[str, Any]:
    named = {f"@{name}:example.org": level for name, level in users.items()}
    event = {
        "type": "m.room.power_levels",
        "state_key": "",
        "sender": "@alice:example.org",
        "content": {"users": named},
    }
    return {"state": [event]}


@contextmanager
def one_room(stub: Stub, **room: Any) -> Iterator[Gatherer]:  # noqa: ANN401
    """Yield a gatherer for a stub with one room, whose only member is Alice."""
    stub.on("/_synapse/admin/v1/rooms", json_reply({"rooms": [ROOM | room], "total_rooms": 1}))
    stub.on("/_synapse/admin/v3/users", json_reply({"users": [{"name": "@alice:example.org"}], "total": 1}))
    stub.on(STATE, json_reply(_levels(alice=100)))
    stub.on(ALICE, json_reply({"name": "@alice:example.org"}))
    stub.on(ADMIN, json_reply({"name": "@admin:example.org", "admin": True}))
    stub.on(JOINED_ROOMS, json_reply({"joined_rooms": ["!a:example.org"], "total": 1}))
    stub.on("/_synapse/admin/v1/rooms/%21a%3Aexample.org/block", json_reply({"block": False}))
    stub.on(MEMBERS, json_reply({"members": ["@alice:example.org"], "total": 1}))
    stub.on(
        "/_synapse/admin/v1/users/%40admin%3Aexample.org/joined_rooms",
        json_reply({"joined_rooms": [], "total": 0}),
    )
    with gathering(stub.url, "ghost-power", "no-local-control") as gatherer:
        yield gatherer


def only_room(gatherer: Gatherer) -> RoomFacts:
    [facts] = gatherer.rooms()
    return facts
