"""Rows 1 to 19 and 23 to 27 of the table in docs/regain-control.md, on a real Synapse.

Each test checks Synapse's answer to Make Room Admin, which must match the prediction, and the result of the
command. If the command refuses, it runs first, because a refusal does not change the room.
"""

from __future__ import annotations

import json
import re
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from synadmin.errors import MatrixError
from synadmin.ids import RoomAlias, RoomId, UserId, encoded
from tests.live.differential import Reply, call_make_room_admin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.make_room_admin.conftest import Context, Contexts

OK = (200, None, None)
NO_LOCAL_ADMIN = (400, "M_UNKNOWN", "No local admin user in room")
INSUFFICIENT_POWER = (400, "M_UNKNOWN", "No local admin user in room with power to update power levels.")
PRIVATE_AND_PUBLIC = pytest.mark.parametrize("public", [False, True], ids=["private", "public"])


def test_row_1_public_room_gives_the_level_without_invitation(context: Context) -> None:
    alice, bob = context.someone("alice"), context.someone("bob")
    room_id = alice.make_room(public=True)
    assert context.checked_reply(room_id, bob) == OK
    assert context.level(room_id, bob) == 100
    assert context.room_state(room_id, bob).membership is None

    room_id = alice.make_room(public=True)
    result = context.regain(room_id, bob)
    assert result.verdict == (0, "pending", None, "api")
    assert "has to join" in result.message
    assert "has to has" not in result.message
    assert (result.levels, result.memberships) == ((0, 100), ("leave", "leave"))
    assert result.steps == [("make-room-admin", alice.user_id, "done")]
    assert result.record["promoter"] == alice.user_id

    result = context.regain(room_id)
    assert result.verdict == (0, "done", None, "api")
    assert result.memberships == ("leave", "join")
    assert context.room_state(room_id, context.admin).membership == "join"


def test_row_2_private_room_invites_the_target_who_gets_control_by_joining(context: Context) -> None:
    alice, bob = context.someone("alice"), context.someone("bob")
    room_id = alice.make_room("Chess")
    assert context.checked_reply(room_id, bob) == OK
    assert (context.level(room_id, bob), context.room_state(room_id, bob).membership) == (100, "invite")

    room_id = alice.make_room("Chess")
    result = context.regain(room_id, bob)
    assert result.verdict == (0, "pending", None, "api")
    assert "has to accept the invitation" in result.message
    assert (result.levels, result.memberships) == ((0, 100), ("leave", "invite"))
    assert result.record["control"] is False

    room_id = alice.make_room("Chess")
    result = context.regain(room_id)
    assert result.record == {
        "room_id": room_id,
        "room": {"name": "Chess", "canonical_alias": None, "version": "11"},
        "user_id": context.admin.user_id,
        "outcome": "done",
        "reason": None,
        "message": f"{context.admin.user_id} is in the room with level 100 and has control.",
        "control": True,
        "power_level": {"before": 0, "after": 100, "needed": 100, "highest": 100},
        "membership": {"before": "leave", "after": "join"},
        "promoter": alice.user_id,
        "reach": "api",
        "steps": [
            {
                "action": "make-room-admin",
                "as": alice.user_id,
                "status": "done",
                "detail": f"Give {context.admin.user_id} level 100 through {alice.user_id} "
                "(Make Room Admin), and invite them.",
            },
            {
                "action": "join",
                "as": context.admin.user_id,
                "status": "done",
                "detail": f"Join the room as {context.admin.user_id}.",
            },
        ],
    }
    assert result.code == 0
    room_state = context.room_state(room_id, context.admin)
    assert (room_state.membership, context.level(room_id, context.admin)) == ("join", 100)


def test_row_3_level_50_is_reported_with_its_limits(context: Context) -> None:
    alice, bob, mod = context.someone("alice"), context.someone("bob"), context.someone("mod")

    def room() -> RoomId:
        levels = {"users": {alice.user_id: 100, mod.user_id: 50}, "events": {"m.room.tombstone": 100}}
        return alice.make_room(members=[mod], exact_levels=levels, left=[alice])

    room_id = room()
    assert context.checked_reply(room_id, bob) == OK
    assert context.level(room_id, bob) == 50

    room_id = room()
    dry_run = context.synadmin("room", "make-admin", room_id, "--dry-run", server=context.server)
    assert dry_run.code == 0
    assert (
        f"With level 50 {context.admin.user_id} cannot upgrade or close the room (needs 100)."
        in dry_run.stdout
    )
    result = context.regain(room_id)
    assert result.verdict == (0, "done", None, "api")
    assert result.record["power_level"] == {"before": 0, "after": 50, "needed": 50, "highest": 100}


def test_room_without_power_levels_needs_its_creator_before_synapse_1_136(context: Context) -> None:
    rooms = [_without_levels(context, context.someone(name)) for name in ("alice", "bob")]
    version = context.admin.synapse.server.version().server_version
    if [int(number) for number in version.split(".")[:2]] < [1, 136]:
        assert context.checked_reply(rooms[0], context.admin) == (500, "M_UNKNOWN", "Internal server error")
        assert context.regain_refused(rooms[1]).verdict == (5, "refused", "needs-impersonate", "impersonate")
        reach = "impersonate"
    else:
        assert context.checked_reply(rooms[0], context.admin) == OK
        reach = "api"
    result = context.regain(rooms[1], None, "--allow", "impersonate")
    assert result.verdict == (0, "done", None, reach)
    assert context.level(rooms[1], context.admin) == 100
    assert context.room_state(rooms[1], context.admin).membership == "join"


def _without_levels(context: Context, creator: Person) -> RoomId:
    """Return a room with its creator and without power levels: Synapse refuses these once the room exists."""
    with pytest.raises(MatrixError):
        creator.create_room(levels={"users": {creator.user_id: "no number"}})
    (room_id,) = context.admin.synapse.activity.joined_rooms(creator.user_id).joined_rooms
    assert context.room_state(room_id, creator).content is None
    return room_id


def test_rows_4_and_5_banned_target_is_refused(context: Context) -> None:
    alice, bob = context.someone("alice"), context.someone("bob")
    for public in (True, False):
        room_id = alice.make_room(public=public, banned=[bob])
        result = context.regain_refused(room_id, bob)
        assert result.verdict == (5, "refused", "target-banned", "impersonate")
        assert result.memberships == ("ban", "ban")
        reply = context.checked_reply(room_id, bob)
        assert reply == (OK if public else (403, "M_BAD_STATE", "Cannot invite user who was banned"))
        # The user got the level anyway.
        assert (context.level(room_id, bob), context.room_state(room_id, bob).membership) == (100, "ban")


@PRIVATE_AND_PUBLIC
def test_row_6_unknown_account_is_refused_before_any_change(context: Context, *, public: bool) -> None:
    alice = context.someone("alice")
    unregistered = context.server.user_id(f"ghost-{public}".lower())
    room_id = alice.make_room(public=public)
    result = context.regain_refused(room_id, unregistered)
    assert result.verdict == (5, "refused", "target-unknown", None)
    assert context.level(room_id, unregistered) is None
    assert context.checked_reply(room_id, unregistered) == OK
    assert context.level(room_id, unregistered) == 100


def test_row_7_user_of_another_server_gets_control(
    contexts: Contexts, federation: tuple[Homeserver, Homeserver]
) -> None:
    ours, theirs = federation
    context = contexts(ours)
    alice, bob = context.someone("alice"), context.newcomer("bob", server=theirs)
    room_id = alice.make_room("Moving")
    assert context.checked_reply(room_id, bob) == OK
    assert (context.level(room_id, bob), context.room_state(room_id, bob).membership) == (100, "invite")

    room_id = alice.make_room("Moving")
    result = context.regain(room_id, bob)
    assert result.verdict == (0, "pending", None, "api")
    assert "has to accept the invitation" in result.message
    assert (result.levels, result.memberships) == ((0, 100), ("leave", "invite"))
    bob.join(room_id, via=[ours.server_name])
    result = context.regain(room_id, bob)
    assert result.verdict == (0, "done", None, "api")
    assert result.record["control"]
    assert result.steps == []
    assert bob.state(room_id, "m.room.power_levels")["users"][bob.user_id] == 100


def test_row_7_room_without_federation_refuses_remote_users(context: Context) -> None:
    room_id = context.someone().make_room(creation={"m.federate": False})
    result = context.regain_refused(room_id, UserId("@bob:elsewhere.example"))
    assert result.verdict == (5, "refused", "insufficient-power", None)
    assert "closed to other servers" in result.message


def test_row_8_malformed_user_id_is_not_sent(context: Context) -> None:
    room_id = context.someone().make_room()
    before = context.room_state(room_id, context.admin)
    assert call_make_room_admin(context.admin.synapse, room_id, UserId("bob")) == Reply(
        400, "M_UNKNOWN", "Not a valid user_id: bob"
    )
    assert call_make_room_admin(context.admin.synapse, room_id, 5).status == 500  # type: ignore[arg-type]
    for wrong in ("@bob", "@bob:", "bob:example.org", "@bob:exa mple", "@b\x1b[31m:example.org"):
        answer = context.synadmin(
            "room", "make-admin", room_id, "--user", wrong, "--yes", server=context.server
        )
        assert (answer.code, answer.stdout) == (2, "")
        assert answer.stderr.startswith("synadmin: ")
        assert "is not a user id" in answer.stderr
        assert "\x1b" not in answer.stderr
    assert context.room_state(room_id, context.admin) == before


def test_row_9_moderator_cannot_grant_a_higher_level(context: Context) -> None:
    alice, mod = context.someone("alice"), context.someone("mod")
    room_id = alice.make_room(members=[mod], users={mod: 50}, left=[alice])
    result = context.regain_refused(room_id)
    # Alice has left. She can be invited, join and grant the level, which needs a token of hers.
    assert result.verdict == (5, "refused", "needs-impersonate", "impersonate")
    assert alice.user_id in result.message
    assert context.checked_reply(room_id, context.admin) == INSUFFICIENT_POWER


def test_row_10_all_users_with_power_left(context: Context) -> None:
    alice, bob = context.someone("alice"), context.someone("bob")
    room_id = alice.make_room(members=[bob], left=[alice])
    result = context.regain_refused(room_id)
    assert result.verdict == (5, "refused", "needs-impersonate", "impersonate")
    assert context.checked_reply(room_id, context.admin) == NO_LOCAL_ADMIN


def test_row_11_users_default_gives_control_but_synapse_finds_no_admin(context: Context) -> None:
    alice, bob = context.someone("alice"), context.someone("bob")
    levels = {"users_default": 100, "users": {}}
    room_id = alice.make_room(members=[bob], exact_levels=levels)
    result = context.regain_refused(room_id)
    assert result.verdict == (5, "refused", "needs-impersonate", "impersonate")
    assert context.checked_reply(room_id, context.admin) == NO_LOCAL_ADMIN


def test_row_11_any_member_with_the_default_level_is_enough(context: Context) -> None:
    # The creator has left, and no member has an entry in the levels. Bob has level 100 by default.
    alice, bob = context.someone("alice"), context.someone("bob")
    room_id = alice.make_room(members=[bob], exact_levels={"users_default": 100}, left=[alice])
    result = context.regain_refused(room_id)
    assert result.verdict == (5, "refused", "needs-impersonate", "impersonate")
    assert context.checked_reply(room_id, context.admin) == NO_LOCAL_ADMIN


def test_row_11_caller_in_the_room_needs_no_other_user(context: Context) -> None:
    alice = context.someone("alice")
    room_id = alice.make_room(members=[context.admin], exact_levels={"users_default": 100})
    result = context.regain(room_id)
    assert result.verdict == (0, "done", None, "api")
    assert result.steps == []
    bob = context.someone("bob")
    result = context.regain(room_id, bob)
    assert result.verdict == (0, "pending", None, "api")
    assert result.memberships == ("leave", "invite")


def test_row_12_deactivated_admin_can_be_reactivated(context: Context) -> None:
    alice, bob = context.someone("alice"), context.someone("bob")
    room_id = alice.make_room(members=[bob])
    context.admin.modify_user(alice, deactivated=True)
    result = context.regain_refused(room_id)
    assert result.verdict == (5, "refused", "needs-reactivate", "reactivate")
    assert alice.user_id in result.message
    assert context.checked_reply(room_id, context.admin) == NO_LOCAL_ADMIN


def test_row_12_deactivated_target_is_refused(context: Context) -> None:
    alice, bob = context.someone("alice"), context.someone("bob")
    context.admin.modify_user(bob, deactivated=True)
    room_id = alice.make_room()
    assert context.regain_refused(room_id, bob).verdict == (5, "refused", "target-deactivated", None)


def test_row_13_version_12_creator_stays_above(context: Context) -> None:
    alice, bob = context.someone("alice"), context.someone("bob")
    room_id = alice.make_room(version="12")
    assert context.checked_reply(room_id, bob) == OK
    assert context.level(room_id, bob) == 100

    room_id = alice.make_room(version="12")
    dry_run = context.synadmin("room", "make-admin", room_id, "--dry-run", server=context.server)
    assert f"{alice.user_id} created the room and stays above {context.admin.user_id}" in dry_run.stdout
    assert "upgrade or close the room (needs 150)" in dry_run.stdout
    result = context.regain(room_id)
    assert result.verdict == (0, "done", None, "api")
    assert result.record["power_level"] == {"before": 0, "after": 100, "needed": 100, "highest": "creator"}
    upgrade = f"/_matrix/client/v3/rooms/{encoded(room_id)}/upgrade"
    with pytest.raises(Exception, match=r"user_level \(100\) < send_level \(150\)"):
        context.admin.call("POST", upgrade, {"new_version": "12"})


def test_row_14_creator_has_control_already(context: Context) -> None:
    room_id = context.admin.make_room(version="12")
    result = context.regain(room_id)
    assert result.verdict == (0, "done", None, "api")
    assert result.record["power_level"]["after"] == "creator"
    assert result.steps == []
    creator = context.admin.user_id
    assert context.checked_reply(room_id, creator) == (
        400,
        "M_UNKNOWN",
        f"Creator user {creator} must not appear in content.users",
    )


def test_row_14_creator_who_left_has_to_join_again(context: Context) -> None:
    alice, bob = context.someone("alice"), context.someone("bob")
    room_id = context.admin.make_room(
        version="12", members=[alice, bob], users={alice: 100}, left=[context.admin]
    )
    result = context.regain_refused(room_id)
    assert result.verdict == (5, "refused", "needs-impersonate", "impersonate")
    status, _, message = context.checked_reply(room_id, context.admin)
    assert (status, message) == (
        400,
        f"Creator user {context.admin.user_id} must not appear in content.users",
    )
    # The creator can join a public room without an invitation.
    room_id = context.admin.make_room(version="12", public=True, members=[alice], left=[context.admin])
    result = context.regain(room_id)
    assert result.verdict == (0, "done", None, "api")
    assert result.steps == [("join", context.admin.user_id, "done")]


def test_row_15_only_creator_of_a_version_12_room_left(context: Context) -> None:
    alice, bob = context.someone("alice"), context.someone("bob")
    room_id = alice.make_room(version="12", members=[bob], left=[alice])
    result = context.regain_refused(room_id)
    assert result.verdict == (5, "refused", "needs-impersonate", "impersonate")
    assert context.checked_reply(room_id, context.admin) == NO_LOCAL_ADMIN


def test_row_16_second_run_changes_nothing(context: Context) -> None:
    alice = context.someone("alice")
    room_id = alice.make_room()
    assert context.checked_reply(room_id, context.admin) == OK
    granted = context.room_state(room_id, context.admin)
    assert context.checked_reply(room_id, context.admin) == OK
    assert context.room_state(room_id, context.admin) == granted
    # The server admin is invited and has the level. Only the join is missing.
    result = context.regain(room_id)
    assert result.verdict == (0, "done", None, "api")
    assert result.steps == [("join", context.admin.user_id, "done")]
    result = context.regain(room_id)
    assert result.verdict == (0, "done", None, "api")
    assert result.steps == []
    assert context.room_state(room_id, context.admin).event_id == granted.event_id


def test_row_17_alias_is_accepted(context: Context) -> None:
    alice = context.someone("alice")
    name = f"käse/?%-{alice.user_id[1:8]}"
    room_id = alice.make_room(alias=name)
    alias = RoomAlias(f"#{name}:{context.server.server_name}")
    bob = context.someone("bob")
    assert call_make_room_admin(context.admin.synapse, alias, bob.user_id) == Reply(200)
    result = context.regain(alias)
    assert result.verdict == (0, "done", None, "api")
    assert result.record["room_id"] == room_id
    assert result.record["room"]["canonical_alias"] == alias


def test_row_17_unknown_alias_is_reported(context: Context) -> None:
    alias = RoomAlias(f"#nowhere:{context.server.server_name}")
    assert call_make_room_admin(context.admin.synapse, alias, context.admin.user_id) == Reply(
        404, "M_NOT_FOUND", f"Room alias {alias} not found"
    )
    result = context.regain(alias)
    assert result.verdict == (5, "refused", "unknown-alias", None)
    assert result.record["room_id"] is None
    assert alias in result.message


def test_row_18_invalid_room_id_is_not_sent(context: Context) -> None:
    synapse, me = context.admin.synapse, context.admin.user_id
    reply = call_make_room_admin(synapse, RoomId("club"), me)
    assert (reply.status, reply.message) == (400, "club was not legal room ID or room alias")
    for wrong in ("club", "@club:example.org", "", "#club", "!a b"):
        answer = context.synadmin("room", "make-admin", wrong, "--yes", server=context.server)
        assert (answer.code, answer.stdout) == (2, ""), wrong
        assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    "room_id",
    ["!unheard:of.example", "!" + "unheard" * 6 + "0"],
    ids=["id with server name", "id of version 12"],
)
def test_row_18_unknown_room_is_refused(context: Context, room_id: RoomId) -> None:
    result = context.regain(room_id)
    assert result.verdict == (5, "refused", "unknown-room", None)
    assert call_make_room_admin(context.admin.synapse, room_id, context.admin.user_id).status in {400, 404}


def test_row_18_room_that_all_local_users_left_is_refused(context: Context) -> None:
    alice = context.someone("alice")
    room_id = alice.make_room(left=[alice])
    result = context.regain_refused(room_id)
    assert result.verdict == (5, "refused", "not-in-room", None)
    assert context.checked_reply(room_id, context.admin) == (400, "M_UNKNOWN", "Server not in room")


def test_row_19_only_server_admins_with_a_valid_token_are_accepted(context: Context) -> None:
    alice = context.someone("alice")
    room_id = alice.make_room()
    reply = call_make_room_admin(alice.synapse, room_id, alice.user_id)
    assert (reply.status, reply.errcode, reply.message) == (403, "M_FORBIDDEN", "You are not a server admin")
    before = context.room_state(room_id, context.admin)
    arguments = ("room", "make-admin", room_id, "--yes")
    answer = context.synadmin(*arguments, server=context.server, acting=alice)
    assert (answer.code, answer.stdout) == (3, "")
    assert "not a server admin" in answer.stderr.lower()
    answer = context.synadmin(*arguments, server=context.server, env={"SYNADMIN_ACCESS_TOKEN": "syt_wrong"})
    assert (answer.code, answer.stdout) == (3, "")
    assert "M_UNKNOWN_TOKEN" in answer.stderr
    assert "syt_wrong" not in answer.stderr
    assert context.room_state(room_id, context.admin) == before


def test_row_23_suspended_promoter_has_to_be_unsuspended(context: Context) -> None:
    alice = context.someone("alice")
    room_id = alice.make_room()
    context.admin.suspend(alice)
    result = context.regain_refused(room_id)
    assert result.verdict == (5, "refused", "needs-reactivate", "reactivate")
    assert context.checked_reply(room_id, context.admin) == (
        403,
        "M_USER_SUSPENDED",
        "Sending messages while account is suspended is not allowed.",
    )


@pytest.mark.parametrize("state", ["locked", "shadow-banned"])
def test_row_24_locked_or_shadow_banned_promoter_works(context: Context, state: str) -> None:
    alice, bob = context.someone("alice"), context.someone("bob")
    rooms = [alice.make_room(), alice.make_room()]
    if state == "locked":
        context.admin.modify_user(alice, locked=True)
    else:
        context.admin.shadow_ban(alice)
    assert context.checked_reply(rooms[0], bob) == OK
    result = context.regain(rooms[1])
    assert result.verdict == (0, "done", None, "api")
    assert result.record["promoter"] == alice.user_id


@PRIVATE_AND_PUBLIC
def test_row_25_suspended_target_is_refused(context: Context, *, public: bool) -> None:
    alice, bob = context.someone("alice"), context.someone("bob")
    room_id = alice.make_room(public=public)
    context.admin.suspend(bob)
    result = context.regain_refused(room_id, bob)
    assert result.verdict == (5, "refused", "target-suspended", None)
    assert context.checked_reply(room_id, bob) == OK
    with pytest.raises(Exception, match="M_USER_SUSPENDED"):
        bob.join(room_id)


@PRIVATE_AND_PUBLIC
def test_row_26_blocked_room_is_refused(context: Context, *, public: bool) -> None:
    alice, bob = context.someone("alice"), context.someone("bob")
    room_id = alice.make_room(public=public, members=[bob])
    context.admin.block(room_id)
    result = context.regain_refused(room_id)
    assert result.verdict == (5, "refused", "room-blocked", None)
    result = context.regain(room_id, bob)
    assert result.verdict == (0, "done", None, "api"), "a user in the room can get control"
    reply = context.checked_reply(room_id, context.admin)
    assert reply == (OK if public else (403, "M_UNKNOWN", "This room has been blocked on this server"))
    assert context.level(room_id, context.admin) == 100


def test_row_27_answer_of_a_worker_is_named(context: Context) -> None:
    room_id = context.someone().make_room()
    before = context.room_state(room_id, context.admin)
    with proxy_to_workers(context.server.url) as url:
        answer = context.synadmin(
            "room", "make-admin", room_id, "--yes", server=context.server, env={"SYNADMIN_HOMESERVER": url}
        )
    assert (answer.code, answer.stdout) == (1, "")
    assert "M_UNRECOGNIZED" in answer.stderr
    assert "a worker answered" in answer.stderr
    assert "send /_synapse/admin to the main process" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert context.room_state(room_id, context.admin) == before


@contextmanager
def proxy_to_workers(upstream: str) -> Iterator[str]:
    """Answer like a worker: of the admin API below /rooms/, a worker serves only the details of a room."""

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            below_rooms = re.match(r"/_synapse/admin/v\d/rooms/[^/?]+(?P<rest>/)?", self.path)
            if below_rooms and (below_rooms["rest"] or self.command != "GET"):
                body = json.dumps({"errcode": "M_UNRECOGNIZED", "error": "Unrecognized request"}).encode()
                status = 404
            else:
                body, status = self._upstream()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - the names that http.server needs

        def _upstream(self) -> tuple[bytes, int]:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
            headers = {"Authorization": self.headers.get("Authorization", "")}
            request = urllib.request.Request(  # noqa: S310 - loopback
                upstream + self.path, sent, headers, method=self.command
            )
            try:
                with urllib.request.urlopen(request) as answer:  # noqa: S310
                    return answer.read(), answer.status
            except urllib.error.HTTPError as error:
                return error.read(), error.code

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
