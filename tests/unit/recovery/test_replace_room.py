"""Replacing a room, with answers that a real Synapse hardly ever gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from synadmin.api.room_deletion import RoomShutDown
from synadmin.errors import NotFoundError, SynadminError
from synadmin.ids import RoomAlias, RoomId, UserId
from synadmin.journal import Journal
from synadmin.power.room import Reach
from synadmin.recovery.new_room import configure_new_room, secure
from synadmin.recovery.replace_room import Replacement, ReplaceOptions, plan_replacement, to_note
from synadmin.recovery.workspace import Recovery
from tests.unit.stub import ADMIN, json_reply, refused

if TYPE_CHECKING:
    from pathlib import Path

    from synadmin.recovery.observer import Observer
    from tests.unit.stub import Stub

OLD, NEW = RoomId("!old:example.org"), RoomId("!new:example.org")
ADMIN_ID, ALICE, MIKE = UserId(ADMIN), UserId("@alice:example.org"), UserId("@mike:example.org")
ALIAS = RoomAlias("#club:example.org")
ROOMS = "/_synapse/admin/v1/rooms"
DELETIONS = "/_synapse/admin/v2/rooms/%21old%3Aexample.org/delete_status"
MUTED = {"users": {ADMIN: 100}, "users_default": -10, "events": {"m.room.power_levels": 100}}
OPEN = {**MUTED, "users_default": 0}


@pytest.fixture
def observer(stub: Stub, observer: Observer) -> Observer:
    stub.on("*", refused(404, "M_NOT_FOUND"))
    for user in (ADMIN, ALICE):
        stub.on(f"/_synapse/admin/v2/users/{user.replace('@', '%40').replace(':', '%3A')}", account(user))
    return observer


def account(user: str) -> Any:  # noqa: ANN401  a reply
    return json_reply({"name": user, "deactivated": False, "locked": False, "suspended": False})


def set_new_room(stub: Stub, levels: dict[str, Any], members: list[str]) -> None:
    """Set the answers for the new room; its state has only these power levels."""
    path = f"{ROOMS}/%21new%3Aexample.org"
    details = {"room_id": NEW, "joined_members": 2, "joined_local_members": 2, "version": "11"}
    stub.on(path, json_reply({**details, "creator": ADMIN}))
    event = {"type": "m.room.power_levels", "state_key": "", "sender": ADMIN, "content": levels}
    stub.on(f"{path}/state", json_reply({"state": [{**event, "event_id": "$1", "room_id": NEW}]}))
    stub.on(f"{path}/members", json_reply({"members": members, "total": len(members)}))
    stub.on(f"{path}/block", json_reply({"block": False}))
    memberships = {"memberships": {NEW: "join"}}
    stub.on("/_synapse/admin/v1/users/%40admin%3Aexample.org/memberships", json_reply(memberships))


def test_no_muted_room_for_another_admin_without_impersonation(
    stub: Stub, observer: Observer, tmp_path: Path
) -> None:
    stub.on(f"{ROOMS}/%21old%3Aexample.org", json_reply({"room_id": OLD, "joined_local_members": 0}))
    stub.on(f"{ROOMS}/%21old%3Aexample.org/state", json_reply({"state": []}))
    stub.on("/_matrix/client/v1/auth_metadata", json_reply({"issuer": "https://account.example.org/"}))
    stub.on(f"{ROOMS}/%21old%3Aexample.org/members", json_reply({"members": [], "total": 0}))
    options = ReplaceOptions(admin=ALICE, allow=Reach.IMPERSONATE, anyway=True)
    planned = plan_replacement(observer, OLD, options, tmp_path / "none")
    assert (planned.outcome, planned.reason) == ("refused", "not-permitted")
    assert "Matrix Authentication Service" in planned.message
    muted = plan_replacement(
        observer, OLD, ReplaceOptions(admin=ALICE, anyway=True, muted=True), tmp_path / "none"
    )
    assert muted.outcome == "planned"
    observer.forget_all()
    stub.on("/_synapse/admin/v2/users/%40alice%3Aexample.org", json_reply({"name": ALICE, "is_guest": True}))
    guest = plan_replacement(
        observer, OLD, ReplaceOptions(admin=ALICE, anyway=True, muted=True), tmp_path / "none"
    )
    assert (guest.outcome, guest.reason) == ("refused", "target-guest")


STATE = {"m.room.topic": {"topic": "Boats"}}


def journal_of_a_begun_run(stub: Stub, tmp_path: Path) -> Path:
    """Return the journal of a run that has sent the deletion."""
    journal = tmp_path / "journal.sqlite3"
    before = Replacement(
        room_id=OLD, admin=ADMIN_ID, outcome="planned", message="", members=(MIKE,), inherited=STATE
    )
    Journal(journal).begin(
        server=stub.url,
        user=ADMIN_ID,
        on_behalf_of=None,
        method="DELETE",
        path="/x",
        body=None,
        notes={"inherits": to_note(before)},
    )
    return journal


def test_replaced_and_purged_room_is_known_from_the_journal(
    stub: Stub, observer: Observer, tmp_path: Path
) -> None:
    complete = {
        "delete_id": "d2",
        "room_id": OLD,
        "status": "complete",
        "shutdown_room": {"new_room_id": NEW},
    }
    failed = {"delete_id": "d1", "room_id": OLD, "status": "failed", "shutdown_room": {"new_room_id": "!x:y"}}
    stub.on(DELETIONS, json_reply({"results": [complete, failed]}))
    planned = plan_replacement(
        observer, OLD, ReplaceOptions(admin=ADMIN_ID), journal_of_a_begun_run(stub, tmp_path)
    )
    assert (planned.outcome, planned.new_room_id, planned.delete_id) == ("planned", NEW, "d2")
    assert (planned.members, planned.inherited) == ((MIKE,), STATE)


@pytest.mark.parametrize("status", ["scheduled", "active"])
def test_deletion_that_names_no_new_room_yet_is_continued(
    stub: Stub, observer: Observer, tmp_path: Path, status: str
) -> None:
    """A second deletion would create a second new room, and move only the remaining members."""
    stub.on(DELETIONS, json_reply({"results": [{"delete_id": "d1", "room_id": OLD, "status": status}]}))
    planned = plan_replacement(
        observer, OLD, ReplaceOptions(admin=ADMIN_ID), journal_of_a_begun_run(stub, tmp_path)
    )
    assert (planned.outcome, planned.new_room_id, planned.delete_id) == ("planned", None, "d1")
    assert (planned.members, planned.inherited) == ((MIKE,), STATE)


def test_failed_deletion_makes_no_second_new_room(stub: Stub, observer: Observer, tmp_path: Path) -> None:
    failed = {"delete_id": "d1", "room_id": OLD, "status": "failed", "shutdown_room": {"new_room_id": NEW}}
    stub.on(DELETIONS, json_reply({"results": [failed]}))
    planned = plan_replacement(observer, OLD, ReplaceOptions(admin=ADMIN_ID), tmp_path / "journal.sqlite3")
    assert (planned.outcome, planned.new_room_id, planned.delete_id) == ("planned", NEW, "d1")


def test_unknown_room_is_not_found(observer: Observer, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        plan_replacement(observer, OLD, ReplaceOptions(admin=ADMIN_ID), tmp_path / "none")


def planned_replacement() -> Replacement:
    return Replacement(room_id=OLD, admin=ADMIN_ID, outcome="planned", message="", members=(MIKE,))


def recovery_of(observer: Observer) -> Recovery:
    journal = observer.synapse.transport.journal
    assert journal is not None
    return Recovery(observer.synapse, journal)


def configured(observer: Observer, shut_down: RoomShutDown) -> Replacement:
    with recovery_of(observer) as recovery:
        return configure_new_room(recovery, planned_replacement(), ReplaceOptions(admin=ADMIN_ID), shut_down)


def test_answer_without_a_new_room_is_an_error(observer: Observer) -> None:
    with pytest.raises(SynadminError, match="reports no new room"):
        configured(observer, RoomShutDown())


def test_alias_that_points_elsewhere_is_not_moved(stub: Stub, observer: Observer) -> None:
    set_new_room(stub, OPEN, [ADMIN, MIKE])
    stub.on(
        "/_matrix/client/v3/directory/room/%23club%3Aexample.org", json_reply({"room_id": OLD, "servers": []})
    )
    result = configured(observer, RoomShutDown(new_room_id=NEW, local_aliases=(ALIAS,), kicked_users=(MIKE,)))
    assert (result.outcome, result.reason, result.aliases) == ("partly", "aliases-astray", ())
    assert ALIAS in result.message
    assert result.moved == (MIKE,)


def test_member_reported_as_moved_but_missing_is_named(stub: Stub, observer: Observer) -> None:
    set_new_room(stub, OPEN, [ADMIN])
    result = configured(observer, RoomShutDown(new_room_id=NEW, kicked_users=(MIKE,)))
    assert (result.outcome, result.reason) == ("partly", "not-moved")
    assert (result.moved, result.not_moved) == ((), (MIKE,))


def test_new_room_that_stays_muted_is_reported(stub: Stub, observer: Observer) -> None:
    set_new_room(stub, MUTED, [ADMIN, MIKE])
    stub.on("*", refused(403, "M_FORBIDDEN", "a bad day"))
    result = configured(observer, RoomShutDown(new_room_id=NEW, kicked_users=(MIKE,)))
    assert (result.outcome, result.reason, result.may_speak) == ("partly", "server-error", False)
    assert "a bad day" in result.message
    assert f"only {ADMIN} can send messages" in result.message


def test_new_room_is_closed_before_members_join(stub: Stub, observer: Observer) -> None:
    set_new_room(stub, MUTED, [ADMIN])
    stub.on("/_synapse/admin/v1/join/%21new%3Aexample.org", json_reply({"room_id": NEW}))
    for kind in ("join_rules", "power_levels"):
        path = f"/_matrix/client/v3/rooms/%21new%3Aexample.org/state/m.room.{kind}/"
        stub.on(path, json_reply({"event_id": "$2"}))
    with recovery_of(observer) as recovery:
        secure(recovery, planned_replacement(), ReplaceOptions(admin=ADMIN_ID), NEW)
    changes = [target for target in stub.targets if not target.startswith("GET")]
    assert ["join_rules" in changes[0], "/join/" in changes[-1]] == [True, True], changes
    assert sum("/join/" in change for change in changes) == 1


@pytest.mark.parametrize("is_in_old_room", [True, False])
def test_removed_and_joined_member_is_moved(stub: Stub, observer: Observer, *, is_in_old_room: bool) -> None:
    set_new_room(stub, OPEN, [ADMIN, MIKE])
    old = json_reply({"members": [MIKE], "total": 1}) if is_in_old_room else refused(404, "M_NOT_FOUND")
    stub.on(f"{ROOMS}/%21old%3Aexample.org/members", old)
    result = configured(observer, RoomShutDown(new_room_id=NEW, failed_to_kick_users=(MIKE,)))
    assert result.moved == (MIKE,)
    assert (result.outcome, result.not_moved) == (("partly", (MIKE,)) if is_in_old_room else ("done", ()))
