"""Regain a public room of another server that all local users have left: join, read the levels, and act."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from synadmin.ids import RoomAlias, RoomId
from synadmin.power.events import POWER_LEVELS
from tests.live.transfer.conftest import eventually

if TYPE_CHECKING:
    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.recovery.conftest import Scene, Scenes


@pytest.fixture
def ours(scenes: Scenes, federation: tuple[Homeserver, Homeserver]) -> Scene:
    return scenes(federation[0])


@pytest.fixture
def theirs(federation: tuple[Homeserver, Homeserver]) -> Homeserver:
    return federation[1]


def left_remote_room(
    ours: Scene, theirs: Homeserver, *, alias: str | None = None, public: bool = True
) -> tuple[RoomId, Person]:
    """Return a room of another server, and a local user who had control of it and has left."""
    vera, henry = ours.newcomer("vera", server=theirs), ours.someone("henry")
    room_id = vera.create_room(public=public, alias=alias)
    if not public:
        vera.invite(room_id, henry)
    henry.join(room_id, via=[theirs.server_name])
    vera.set_power(room_id, {henry: 100})

    def known_level() -> object:
        return henry.synapse.client_server.state_event(room_id, POWER_LEVELS)["users"].get(henry.user_id)

    # Wait for the levels. If they arrived after the leave, Synapse would store a part of the state again.
    eventually(known_level, 100)
    henry.leave(room_id)
    return room_id, henry


def test_admin_joins_by_alias_and_finds_the_power_holders(ours: Scene, theirs: Homeserver) -> None:
    name = ours.someone("name").user_id[1:].partition(":")[0]
    room_id, henry = left_remote_room(ours, theirs, alias=name)
    alias = RoomAlias(f"#{name}:{theirs.server_name}")
    before = ours.standings()
    dry_run = ours.make_admin(alias, "--allow", "impersonate", "--dry-run")
    assert dry_run.verdict == (0, "planned", None, "api")
    assert dry_run.steps == [("join", ours.admin.user_id, "planned")]
    assert "visible only after joining" in dry_run.record["message"]
    assert ours.standings() == before

    result = ours.make_admin(alias, "--allow", "impersonate")
    assert result.verdict == (0, "done", None, "impersonate"), result.record
    assert result.actions == ["join", "join", "make-room-admin", "leave"]
    assert result.record["room_id"] == room_id
    assert result.record["promoter"] == henry.user_id
    assert result.record["membership"] == {"before": "leave", "after": "join"}
    ours.is_regained(room_id, ours.admin, before)
    # The server admin stays in the room: no later run reverts the join.
    result = ours.make_admin(ours.someone().make_room())
    assert "ended before it could revert this" not in result.stderr
    assert ours.memberships(ours.admin)[room_id] == "join"


def test_admin_leaves_again_where_more_is_needed_than_allowed(ours: Scene, theirs: Homeserver) -> None:
    room_id, _ = left_remote_room(ours, theirs)
    before = ours.standings()
    result = ours.make_admin(room_id)
    assert result.verdict == (5, "refused", "needs-impersonate", "impersonate"), result.record
    assert result.steps == [("join", ours.admin.user_id, "undone")]
    assert result.record["membership"] == {"before": "leave", "after": "leave"}
    assert ours.standings() == before


def test_admin_joins_only_to_read_for_another_target(ours: Scene, theirs: Homeserver) -> None:
    room_id, henry = left_remote_room(ours, theirs)
    dora = ours.someone("dora")
    before = ours.standings()
    result = ours.make_admin(
        room_id, "--user", dora.user_id, "--allow", "impersonate", "--via", theirs.server_name
    )
    assert result.verdict == (0, "done", None, "impersonate"), result.record
    assert result.record["promoter"] == henry.user_id
    ours.is_regained(room_id, dora, before)


def test_no_join_gives_the_level_and_the_admin_leaves(ours: Scene, theirs: Homeserver) -> None:
    room_id, henry = left_remote_room(ours, theirs)
    before = ours.standings()
    result = ours.make_admin(room_id, "--allow", "impersonate", "--no-join")
    assert result.verdict == (0, "pending", None, "impersonate"), result.record
    assert result.record["promoter"] == henry.user_id
    assert result.record["membership"] == {"before": "leave", "after": "leave"}
    assert ours.standings() == before
    ours.admin.join(room_id, via=[theirs.server_name])
    ours.is_regained(room_id, ours.admin, before)


def test_room_with_remote_power_holders_is_refused_and_names_them(ours: Scene, theirs: Homeserver) -> None:
    vera, mike = ours.newcomer("vera", server=theirs), ours.someone("mike")
    room_id = vera.create_room(public=True)
    mike.join(room_id, via=[theirs.server_name])
    mike.leave(room_id)
    before = ours.standings()
    result = ours.make_admin(room_id, "--allow", "reactivate")
    assert result.verdict == (5, "refused", "no-local-power", None), result.record
    assert vera.user_id in result.record["message"]
    assert ours.standings() == before


def test_private_room_that_was_left_is_refused(ours: Scene, theirs: Homeserver) -> None:
    room_id, _ = left_remote_room(ours, theirs, public=False)
    before = ours.standings()
    result = ours.make_admin(room_id, "--allow", "reactivate", "--via", theirs.server_name)
    assert result.verdict == (5, "refused", "not-in-room", None), (result.record, result.stderr)
    assert f"could not join it through {theirs.server_name}:" in result.record["message"]
    assert ours.standings() == before


def test_room_without_known_members_names_the_via_option(ours: Scene, theirs: Homeserver) -> None:
    # A user who joined after an invitation has left: Synapse then does not know the room's creator.
    room_id, _ = left_remote_room(ours, theirs, public=False)
    result = ours.make_admin(room_id, "--allow", "reactivate")
    assert result.verdict == (5, "refused", "not-in-room", None), (result.record, result.stderr)
    assert result.steps == []
    assert "name it with --via" in result.record["message"]


def test_local_room_that_was_left_is_refused_at_once(ours: Scene) -> None:
    alice = ours.someone("alice")
    room_id = alice.make_room(public=True, left=[alice])
    result = ours.make_admin(room_id, "--allow", "reactivate")
    assert result.verdict == (5, "refused", "not-in-room", None)
    assert result.steps == []


def test_target_that_cannot_use_the_power_is_refused_before_a_join(ours: Scene, theirs: Homeserver) -> None:
    room_id, _ = left_remote_room(ours, theirs)
    before = ours.standings()
    unregistered = ours.server.user_id("nobody-of-that-name")
    answer = ours.run(
        "room", "make-admin", room_id, "--user", unregistered, "--allow", "impersonate", "--yes", "-o", "json"
    )
    (record,) = json.loads(answer.stdout)
    assert (answer.code, record["reason"], record["steps"]) == (5, "target-unknown", [])
    assert ours.standings() == before
