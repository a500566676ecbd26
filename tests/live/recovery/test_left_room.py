"""A public room of another server that everybody here has left: join it again, look, and then act."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from synadmin.ids import RoomAlias, RoomId

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


def left_behind(
    ours: Scene, theirs: Homeserver, *, alias: str | None = None, public: bool = True
) -> tuple[RoomId, Person]:
    """A room of another server in which somebody of ours held power until they left."""
    vera, henry = ours.newcomer("vera", server=theirs), ours.someone("henry")
    room_id = vera.create_room(public=public, alias=alias)
    if not public:
        vera.invite(room_id, henry)
    henry.join(room_id, via=[theirs.server_name])
    vera.set_power(room_id, {henry: 100})
    henry.leave(room_id)
    return room_id, henry


def test_the_administrator_comes_in_by_the_address_and_finds_who_held_power(
    ours: Scene, theirs: Homeserver
) -> None:
    name = ours.someone("name").user_id[1:].partition(":")[0]
    room_id, henry = left_behind(ours, theirs, alias=name)
    alias = RoomAlias(f"#{name}:{theirs.server_name}")
    before = ours.standings()
    rehearsed = ours.make_admin(alias, "--allow", "impersonate", "--dry-run")
    assert rehearsed.verdict == (0, "planned", None, "api")
    assert rehearsed.steps == [("join", ours.admin.user_id, "planned")]
    assert "visible only after joining" in rehearsed.record["message"]
    assert ours.standings() == before

    told = ours.make_admin(alias, "--allow", "impersonate")
    assert told.verdict == (0, "done", None, "impersonate"), told.record
    assert told.actions == ["join", "join", "make-room-admin", "leave"]
    assert told.record["room_id"] == room_id
    assert told.record["promoter"] == henry.user_id
    assert told.record["membership"] == {"before": "leave", "after": "join"}
    ours.is_regained(room_id, ours.admin, before)
    # It is to stay, and no later run takes it back.
    told = ours.make_admin(ours.someone().make_room())
    assert "ended before it could revert this" not in told.stderr
    assert ours.memberships(ours.admin)[room_id] == "join"


def test_where_power_needs_more_than_is_allowed_the_administrator_leaves_again(
    ours: Scene, theirs: Homeserver
) -> None:
    room_id, _ = left_behind(ours, theirs)
    before = ours.standings()
    told = ours.make_admin(room_id)
    assert told.verdict == (5, "refused", "needs-impersonate", "impersonate"), told.record
    assert told.steps == [("join", ours.admin.user_id, "undone")]
    assert told.record["membership"] == {"before": "leave", "after": "leave"}
    assert ours.standings() == before


def test_for_somebody_else_the_administrator_only_comes_to_look(ours: Scene, theirs: Homeserver) -> None:
    room_id, henry = left_behind(ours, theirs)
    dora = ours.someone("dora")
    before = ours.standings()
    told = ours.make_admin(
        room_id, "--user", dora.user_id, "--allow", "impersonate", "--via", theirs.server_name
    )
    assert told.verdict == (0, "done", None, "impersonate"), told.record
    assert told.record["promoter"] == henry.user_id
    ours.is_regained(room_id, dora, before)


def test_who_does_not_want_to_join_is_given_the_level_and_is_out_again(
    ours: Scene, theirs: Homeserver
) -> None:
    room_id, henry = left_behind(ours, theirs)
    before = ours.standings()
    told = ours.make_admin(room_id, "--allow", "impersonate", "--no-join")
    assert told.verdict == (0, "pending", None, "impersonate"), told.record
    assert told.record["promoter"] == henry.user_id
    assert told.record["membership"] == {"before": "leave", "after": "leave"}
    assert ours.standings() == before
    ours.admin.join(room_id, via=[theirs.server_name])
    ours.is_regained(room_id, ours.admin, before)


def test_a_room_whose_power_is_elsewhere_is_refused_with_who_holds_it(
    ours: Scene, theirs: Homeserver
) -> None:
    vera, mike = ours.newcomer("vera", server=theirs), ours.someone("mike")
    room_id = vera.create_room(public=True)
    mike.join(room_id, via=[theirs.server_name])
    mike.leave(room_id)
    before = ours.standings()
    told = ours.make_admin(room_id, "--allow", "reactivate")
    assert told.verdict == (5, "refused", "no-local-power", None), told.record
    assert vera.user_id in told.record["message"]
    assert ours.standings() == before


def test_a_private_room_lets_nobody_in_again(ours: Scene, theirs: Homeserver) -> None:
    room_id, _ = left_behind(ours, theirs, public=False)
    before = ours.standings()
    told = ours.make_admin(room_id, "--allow", "reactivate", "--via", theirs.server_name)
    assert told.verdict == (5, "refused", "not-in-room", None), (told.record, told.stderr)
    assert f"could not join it through {theirs.server_name}:" in told.record["message"]
    assert ours.standings() == before


def test_where_nobody_knows_who_is_in_a_room_the_way_to_name_a_server_is_told(
    ours: Scene, theirs: Homeserver
) -> None:
    # Who came by an invitation leaves Synapse without the room's creator.
    room_id, _ = left_behind(ours, theirs, public=False)
    told = ours.make_admin(room_id, "--allow", "reactivate")
    assert told.verdict == (5, "refused", "not-in-room", None), (told.record, told.stderr)
    assert told.steps == []
    assert "name it with --via" in told.record["message"]


def test_a_room_that_was_only_ours_is_refused_at_once(ours: Scene) -> None:
    alice = ours.someone("alice")
    room_id = alice.make_room(public=True, left=[alice])
    told = ours.make_admin(room_id, "--allow", "reactivate")
    assert told.verdict == (5, "refused", "not-in-room", None)
    assert told.steps == []


def test_who_could_not_use_the_power_is_told_before_anybody_comes_in(ours: Scene, theirs: Homeserver) -> None:
    room_id, _ = left_behind(ours, theirs)
    before = ours.standings()
    ghost = ours.server.user_id("nobody-of-that-name")
    answer = ours.run(
        "room", "make-admin", room_id, "--user", ghost, "--allow", "impersonate", "--yes", "-o", "json"
    )
    (record,) = json.loads(answer.stdout)
    assert (answer.code, record["reason"], record["steps"]) == (5, "target-unknown", [])
    assert ours.standings() == before
