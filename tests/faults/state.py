"""The state of a server, read from its database and not through synadmin or the API."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass
class State:
    """The state of the server for the users and rooms of a case.

    Attributes:
        accounts: the relevant columns of each account, by user id.
        memberships: the membership of each user in each room, without those that left.
        levels: the power levels of each room that has them.
        join_rules: the join rule of each room.
        creators: the creator of each room.
        limits: the rate limit override of each user.
        impersonation_tokens: how many tokens of an admin act as one of the users.
        sessions: how many access tokens each user has.
        rooms: the rooms that exist.
        media: the media of the users.
        tokens: the registration tokens.
    """

    accounts: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    memberships: dict[tuple[str, str], str] = field(default_factory=dict)
    levels: dict[str, dict[str, Any]] = field(default_factory=dict)
    join_rules: dict[str, str] = field(default_factory=dict)
    creators: dict[str, str] = field(default_factory=dict)
    limits: dict[str, tuple[int, int]] = field(default_factory=dict)
    impersonation_tokens: int = 0
    sessions: dict[str, int] = field(default_factory=dict)
    rooms: set[str] = field(default_factory=set)
    media: set[str] = field(default_factory=set)
    tokens: set[str] = field(default_factory=set)

    def differences(self, other: State) -> list[str]:
        """Return each difference with both values."""
        found = []
        for name, mine in vars(self).items():
            theirs = getattr(other, name)
            if isinstance(mine, dict):
                found += [
                    f"{name} of {key}: {mine.get(key)} -> {theirs.get(key)}"
                    for key in sorted({*mine, *theirs})
                    if mine.get(key) != theirs.get(key)
                ]
            elif mine != theirs:
                found.append(f"{name}: {mine} -> {theirs}")
        return found


def last_expiry(database: Path, users: Iterable[str]) -> float:
    """Return when the last impersonation token of the users expires; infinity if one never expires."""
    users = list(users)
    marks = ",".join("?" * len(users))
    query = f"SELECT valid_until_ms FROM access_tokens WHERE puppets_user_id IN ({marks})"
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
        ends = [end for (end,) in connection.execute(query, users)]
    return max((float("inf") if end is None else end / 1000 for end in ends), default=0.0)


def read(database: Path, users: Iterable[str]) -> State:
    """Read the state of these users, and of the rooms that they are or were in."""
    users = list(users)
    marks = ",".join("?" * len(users))
    state = State()
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:

        def rows(query: str, parameters: Iterable[str] = users) -> list[Any]:
            return connection.execute(query.replace("MARKS", marks), list(parameters)).fetchall()

        for name, *columns in rows(
            "SELECT name, deactivated, admin, locked, suspended, shadow_banned, password_hash IS NULL"
            " FROM users WHERE name IN (MARKS)"
        ):
            state.accounts[name] = tuple(bool(value) for value in columns)
        for user, room, membership in rows(
            "SELECT user_id, room_id, membership FROM local_current_membership WHERE user_id IN (MARKS)"
        ):
            if membership != "leave":
                state.memberships[user, room] = membership
        for room, kind, content in rows(
            "SELECT room_id, type, json FROM current_state_events JOIN event_json USING (event_id, room_id)"
            " WHERE type IN ('m.room.create', 'm.room.power_levels', 'm.room.join_rules') AND state_key = ''"
            " AND room_id IN (SELECT room_id FROM local_current_membership WHERE user_id IN (MARKS))"
        ):
            event = json.loads(content)
            if kind == "m.room.create":
                state.creators[room] = event["sender"]
            elif kind == "m.room.power_levels":
                state.levels[room] = event["content"]
            else:
                state.join_rules[room] = event["content"].get("join_rule")
        state.rooms = {
            room
            for (room,) in rows(
                "SELECT room_id FROM rooms WHERE room_id IN"
                " (SELECT room_id FROM local_current_membership WHERE user_id IN (MARKS))"
            )
        }
        for user, *limit in rows(
            "SELECT user_id, messages_per_second, burst_count FROM ratelimit_override"
            " WHERE user_id IN (MARKS)"
        ):
            state.limits[user] = (limit[0], limit[1])
        ((state.impersonation_tokens,),) = rows(
            "SELECT count(*) FROM access_tokens WHERE puppets_user_id IN (MARKS)"
        )
        for user, count in rows(
            "SELECT user_id, count(*) FROM access_tokens WHERE puppets_user_id IS NULL AND user_id IN (MARKS)"
            " GROUP BY user_id"
        ):
            state.sessions[user] = count
        state.media = {
            media_id
            for (media_id,) in rows("SELECT media_id FROM local_media_repository WHERE user_id IN (MARKS)")
        }
        state.tokens = {token for (token,) in rows("SELECT token FROM registration_tokens", [])}
    return state
