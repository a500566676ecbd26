"""Rows 1 to 19 and 23 to 27 of the table in docs/regain-control.md, one by one, on a real Synapse.

Each says what Synapse's own answer is (which the prediction has to match) and what the command makes of
it. Where the command refuses, it is asked first: the room is then still as it was.
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
from tests.live.differential import Reply, ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from synadmin.sandbox.accounts import Person
    from synadmin.sandbox.homeserver import Homeserver
    from tests.live.make_room_admin.conftest import Trial, Trials

OK = (200, None, None)
NOBODY = (400, "M_UNKNOWN", "No local admin user in room")
TOO_WEAK = (400, "M_UNKNOWN", "No local admin user in room with power to update power levels.")
PRIVATE_AND_PUBLIC = pytest.mark.parametrize("public", [False, True], ids=["private", "public"])


def test_row_1_public_room_gives_the_level_without_invitation(trial: Trial) -> None:
    alice, bob = trial.someone("alice"), trial.someone("bob")
    room_id = alice.make_room(public=True)
    assert trial.asked(room_id, bob) == OK
    assert trial.level(room_id, bob) == 100
    assert trial.held(room_id, bob).membership is None

    room_id = alice.make_room(public=True)
    result = trial.regain(room_id, bob)
    assert result.verdict == (0, "pending", None, "api")
    assert "has to join" in result.message
    assert "has to has" not in result.message
    assert (result.levels, result.memberships) == ((0, 100), ("leave", "leave"))
    assert result.steps == [("make-room-admin", alice.user_id, "done")]
    assert result.record["promoter"] == alice.user_id

    result = trial.regain(room_id)
    assert result.verdict == (0, "done", None, "api")
    assert result.memberships == ("leave", "join")
    assert trial.held(room_id, trial.admin).membership == "join"


def test_row_2_private_room_invites_and_control_comes_with_the_join(trial: Trial) -> None:
    alice, bob = trial.someone("alice"), trial.someone("bob")
    room_id = alice.make_room("Chess")
    assert trial.asked(room_id, bob) == OK
    assert (trial.level(room_id, bob), trial.held(room_id, bob).membership) == (100, "invite")

    room_id = alice.make_room("Chess")
    result = trial.regain(room_id, bob)
    assert result.verdict == (0, "pending", None, "api")
    assert "has to accept the invitation" in result.message
    assert (result.levels, result.memberships) == ((0, 100), ("leave", "invite"))
    assert result.record["control"] is False

    room_id = alice.make_room("Chess")
    result = trial.regain(room_id)
    assert result.record == {
        "room_id": room_id,
        "room": {"name": "Chess", "canonical_alias": None, "version": "11"},
        "user_id": trial.admin.user_id,
        "outcome": "done",
        "reason": None,
        "message": f"{trial.admin.user_id} is in the room with level 100 and has control.",
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
                "detail": f"Give {trial.admin.user_id} level 100 through {alice.user_id} (Make Room Admin), "
                "and invite them.",
            },
            {
                "action": "join",
                "as": trial.admin.user_id,
                "status": "done",
                "detail": f"Join the room as {trial.admin.user_id}.",
            },
        ],
    }
    assert result.code == 0
    held = trial.held(room_id, trial.admin)
    assert (held.membership, trial.level(room_id, trial.admin)) == ("join", 100)


def test_row_3_level_50_is_reported_with_its_limits(trial: Trial) -> None:
    alice, bob, mod = trial.someone("alice"), trial.someone("bob"), trial.someone("mod")

    def room() -> RoomId:
        levels = {"users": {alice.user_id: 100, mod.user_id: 50}, "events": {"m.room.tombstone": 100}}
        return alice.make_room(members=[mod], exact_levels=levels, left=[alice])

    room_id = room()
    assert trial.asked(room_id, bob) == OK
    assert trial.level(room_id, bob) == 50

    room_id = room()
    rehearsed = trial.synadmin("room", "make-admin", room_id, "--dry-run", server=trial.server)
    assert rehearsed.code == 0
    assert (
        f"With level 50 {trial.admin.user_id} cannot upgrade or close the room (needs 100)."
        in rehearsed.stdout
    )
    result = trial.regain(room_id)
    assert result.verdict == (0, "done", None, "api")
    assert result.record["power_level"] == {"before": 0, "after": 50, "needed": 50, "highest": 100}


def test_room_without_power_levels_needs_its_creator_before_synapse_1_136(trial: Trial) -> None:
    rooms = [_without_levels(trial, trial.someone(name)) for name in ("alice", "bob")]
    version = trial.admin.synapse.server.version().server_version
    if [int(number) for number in version.split(".")[:2]] < [1, 136]:
        assert trial.asked(rooms[0], trial.admin) == (500, "M_UNKNOWN", "Internal server error")
        assert trial.refused(rooms[1]).verdict == (5, "refused", "needs-impersonate", "impersonate")
        reach = "impersonate"
    else:
        assert trial.asked(rooms[0], trial.admin) == OK
        reach = "api"
    result = trial.regain(rooms[1], None, "--allow", "impersonate")
    assert result.verdict == (0, "done", None, reach)
    assert trial.level(rooms[1], trial.admin) == 100
    assert trial.held(rooms[1], trial.admin).membership == "join"


def _without_levels(trial: Trial, creator: Person) -> RoomId:
    """Return a room with its creator and without power levels: Synapse refuses these once the room exists."""
    with pytest.raises(MatrixError):
        creator.create_room(levels={"users": {creator.user_id: "no number"}})
    (room_id,) = trial.admin.synapse.activity.joined_rooms(creator.user_id).joined_rooms
    assert trial.held(room_id, creator).content is None
    return room_id


def test_rows_4_and_5_banned_target_is_refused(trial: Trial) -> None:
    alice, bob = trial.someone("alice"), trial.someone("bob")
    for public in (True, False):
        room_id = alice.make_room(public=public, banned=[bob])
        result = trial.refused(room_id, bob)
        assert result.verdict == (5, "refused", "target-banned", "impersonate")
        assert result.memberships == ("ban", "ban")
        reply = trial.asked(room_id, bob)
        assert reply == (OK if public else (403, "M_BAD_STATE", "Cannot invite user who was banned"))
        # The level was granted all the same.
        assert (trial.level(room_id, bob), trial.held(room_id, bob).membership) == (100, "ban")


@PRIVATE_AND_PUBLIC
def test_row_6_unknown_account_is_refused_before_any_change(trial: Trial, *, public: bool) -> None:
    alice = trial.someone("alice")
    ghost = trial.server.user_id(f"ghost-{public}".lower())
    room_id = alice.make_room(public=public)
    result = trial.refused(room_id, ghost)
    assert result.verdict == (5, "refused", "target-unknown", None)
    assert trial.level(room_id, ghost) is None
    assert trial.asked(room_id, ghost) == OK
    assert trial.level(room_id, ghost) == 100


def test_row_7_user_of_another_server_gets_control(
    trials: Trials, federation: tuple[Homeserver, Homeserver]
) -> None:
    ours, theirs = federation
    trial = trials(ours)
    alice, bob = trial.someone("alice"), trial.newcomer("bob", server=theirs)
    room_id = alice.make_room("Moving")
    assert trial.asked(room_id, bob) == OK
    assert (trial.level(room_id, bob), trial.held(room_id, bob).membership) == (100, "invite")

    room_id = alice.make_room("Moving")
    result = trial.regain(room_id, bob)
    assert result.verdict == (0, "pending", None, "api")
    assert "has to accept the invitation" in result.message
    assert (result.levels, result.memberships) == ((0, 100), ("leave", "invite"))
    bob.join(room_id, via=[ours.server_name])
    result = trial.regain(room_id, bob)
    assert result.verdict == (0, "done", None, "api")
    assert result.record["control"]
    assert result.steps == []
    assert bob.state(room_id, "m.room.power_levels")["users"][bob.user_id] == 100


def test_row_7_room_without_federation_refuses_remote_users(trial: Trial) -> None:
    room_id = trial.someone().make_room(creation={"m.federate": False})
    result = trial.refused(room_id, UserId("@bob:elsewhere.example"))
    assert result.verdict == (5, "refused", "insufficient-power", None)
    assert "closed to other servers" in result.message


def test_row_8_malformed_user_id_is_not_sent(trial: Trial) -> None:
    room_id = trial.someone().make_room()
    before = trial.held(room_id, trial.admin)
    assert ask(trial.admin.synapse, room_id, UserId("bob")) == Reply(
        400, "M_UNKNOWN", "Not a valid user_id: bob"
    )
    assert ask(trial.admin.synapse, room_id, 5).status == 500  # type: ignore[arg-type]
    for wrong in ("@bob", "@bob:", "bob:example.org", "@bob:exa mple", "@b\x1b[31m:example.org"):
        answer = trial.synadmin("room", "make-admin", room_id, "--user", wrong, "--yes", server=trial.server)
        assert (answer.code, answer.stdout) == (2, "")
        assert answer.stderr.startswith("synadmin: ")
        assert "is not a user id" in answer.stderr
        assert "\x1b" not in answer.stderr
    assert trial.held(room_id, trial.admin) == before


def test_row_9_moderator_cannot_grant_a_higher_level(trial: Trial) -> None:
    alice, mod = trial.someone("alice"), trial.someone("mod")
    room_id = alice.make_room(members=[mod], users={mod: 50}, left=[alice])
    result = trial.refused(room_id)
    # Alice, who left, could come back by invitation and do it: that takes her token.
    assert result.verdict == (5, "refused", "needs-impersonate", "impersonate")
    assert alice.user_id in result.message
    assert trial.asked(room_id, trial.admin) == TOO_WEAK


def test_row_10_all_users_with_power_left(trial: Trial) -> None:
    alice, bob = trial.someone("alice"), trial.someone("bob")
    room_id = alice.make_room(members=[bob], left=[alice])
    result = trial.refused(room_id)
    assert result.verdict == (5, "refused", "needs-impersonate", "impersonate")
    assert trial.asked(room_id, trial.admin) == NOBODY


def test_row_11_users_default_gives_control_but_synapse_finds_no_admin(trial: Trial) -> None:
    alice, bob = trial.someone("alice"), trial.someone("bob")
    levels = {"users_default": 100, "users": {}}
    room_id = alice.make_room(members=[bob], exact_levels=levels)
    result = trial.refused(room_id)
    assert result.verdict == (5, "refused", "needs-impersonate", "impersonate")
    assert trial.asked(room_id, trial.admin) == NOBODY


def test_row_11_any_member_with_the_default_level_is_enough(trial: Trial) -> None:
    # Neither the one who made the room nor anybody with a level is in it; the one who is has 100 as all do.
    alice, bob = trial.someone("alice"), trial.someone("bob")
    room_id = alice.make_room(members=[bob], exact_levels={"users_default": 100}, left=[alice])
    result = trial.refused(room_id)
    assert result.verdict == (5, "refused", "needs-impersonate", "impersonate")
    assert trial.asked(room_id, trial.admin) == NOBODY


def test_row_11_caller_in_the_room_needs_no_other_user(trial: Trial) -> None:
    alice = trial.someone("alice")
    room_id = alice.make_room(members=[trial.admin], exact_levels={"users_default": 100})
    result = trial.regain(room_id)
    assert result.verdict == (0, "done", None, "api")
    assert result.steps == []
    bob = trial.someone("bob")
    result = trial.regain(room_id, bob)
    assert result.verdict == (0, "pending", None, "api")
    assert result.memberships == ("leave", "invite")


def test_row_12_deactivated_admin_can_be_reactivated(trial: Trial) -> None:
    alice, bob = trial.someone("alice"), trial.someone("bob")
    room_id = alice.make_room(members=[bob])
    trial.admin.modify_user(alice, deactivated=True)
    result = trial.refused(room_id)
    assert result.verdict == (5, "refused", "needs-reactivate", "reactivate")
    assert alice.user_id in result.message
    assert trial.asked(room_id, trial.admin) == NOBODY


def test_row_12_deactivated_target_is_refused(trial: Trial) -> None:
    alice, bob = trial.someone("alice"), trial.someone("bob")
    trial.admin.modify_user(bob, deactivated=True)
    room_id = alice.make_room()
    assert trial.refused(room_id, bob).verdict == (5, "refused", "target-deactivated", None)


def test_row_13_version_12_creator_stays_above(trial: Trial) -> None:
    alice, bob = trial.someone("alice"), trial.someone("bob")
    room_id = alice.make_room(version="12")
    assert trial.asked(room_id, bob) == OK
    assert trial.level(room_id, bob) == 100

    room_id = alice.make_room(version="12")
    rehearsed = trial.synadmin("room", "make-admin", room_id, "--dry-run", server=trial.server)
    assert f"{alice.user_id} created the room and stays above {trial.admin.user_id}" in rehearsed.stdout
    assert "upgrade or close the room (needs 150)" in rehearsed.stdout
    result = trial.regain(room_id)
    assert result.verdict == (0, "done", None, "api")
    assert result.record["power_level"] == {"before": 0, "after": 100, "needed": 100, "highest": "creator"}
    upgrade = f"/_matrix/client/v3/rooms/{encoded(room_id)}/upgrade"
    with pytest.raises(Exception, match=r"user_level \(100\) < send_level \(150\)"):
        trial.admin.call("POST", upgrade, {"new_version": "12"})


def test_row_14_creator_has_control_already(trial: Trial) -> None:
    room_id = trial.admin.make_room(version="12")
    result = trial.regain(room_id)
    assert result.verdict == (0, "done", None, "api")
    assert result.record["power_level"]["after"] == "creator"
    assert result.steps == []
    creator = trial.admin.user_id
    assert trial.asked(room_id, creator) == (
        400,
        "M_UNKNOWN",
        f"Creator user {creator} must not appear in content.users",
    )


def test_row_14_creator_who_left_has_to_join_again(trial: Trial) -> None:
    alice, bob = trial.someone("alice"), trial.someone("bob")
    room_id = trial.admin.make_room(
        version="12", members=[alice, bob], users={alice: 100}, left=[trial.admin]
    )
    result = trial.refused(room_id)
    assert result.verdict == (5, "refused", "needs-impersonate", "impersonate")
    status, _, message = trial.asked(room_id, trial.admin)
    assert (status, message) == (400, f"Creator user {trial.admin.user_id} must not appear in content.users")
    # A public one the creator can simply join.
    room_id = trial.admin.make_room(version="12", public=True, members=[alice], left=[trial.admin])
    result = trial.regain(room_id)
    assert result.verdict == (0, "done", None, "api")
    assert result.steps == [("join", trial.admin.user_id, "done")]


def test_row_15_only_creator_of_a_version_12_room_left(trial: Trial) -> None:
    alice, bob = trial.someone("alice"), trial.someone("bob")
    room_id = alice.make_room(version="12", members=[bob], left=[alice])
    result = trial.refused(room_id)
    assert result.verdict == (5, "refused", "needs-impersonate", "impersonate")
    assert trial.asked(room_id, trial.admin) == NOBODY


def test_row_16_second_run_changes_nothing(trial: Trial) -> None:
    alice = trial.someone("alice")
    room_id = alice.make_room()
    assert trial.asked(room_id, trial.admin) == OK
    granted = trial.held(room_id, trial.admin)
    assert trial.asked(room_id, trial.admin) == OK
    assert trial.held(room_id, trial.admin) == granted
    # Invited, with the level: what is left is to join.
    result = trial.regain(room_id)
    assert result.verdict == (0, "done", None, "api")
    assert result.steps == [("join", trial.admin.user_id, "done")]
    result = trial.regain(room_id)
    assert result.verdict == (0, "done", None, "api")
    assert result.steps == []
    assert trial.held(room_id, trial.admin).event_id == granted.event_id


def test_row_17_alias_is_accepted(trial: Trial) -> None:
    alice = trial.someone("alice")
    name = f"käse/?%-{alice.user_id[1:8]}"
    room_id = alice.make_room(alias=name)
    alias = RoomAlias(f"#{name}:{trial.server.server_name}")
    bob = trial.someone("bob")
    assert ask(trial.admin.synapse, alias, bob.user_id) == Reply(200)
    result = trial.regain(alias)
    assert result.verdict == (0, "done", None, "api")
    assert result.record["room_id"] == room_id
    assert result.record["room"]["canonical_alias"] == alias


def test_row_17_unknown_alias_is_reported(trial: Trial) -> None:
    alias = RoomAlias(f"#nowhere:{trial.server.server_name}")
    assert ask(trial.admin.synapse, alias, trial.admin.user_id) == Reply(
        404, "M_NOT_FOUND", f"Room alias {alias} not found"
    )
    result = trial.regain(alias)
    assert result.verdict == (5, "refused", "unknown-alias", None)
    assert result.record["room_id"] is None
    assert alias in result.message


def test_row_18_invalid_room_id_is_not_sent(trial: Trial) -> None:
    synapse, me = trial.admin.synapse, trial.admin.user_id
    reply = ask(synapse, RoomId("club"), me)
    assert (reply.status, reply.message) == (400, "club was not legal room ID or room alias")
    for wrong in ("club", "@club:example.org", "", "#club", "!a b"):
        answer = trial.synadmin("room", "make-admin", wrong, "--yes", server=trial.server)
        assert (answer.code, answer.stdout) == (2, ""), wrong
        assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("room_id", ["!unheard:of.example", "!" + "unheard" * 6 + "0"], ids=["old", "new"])
def test_row_18_unknown_room_is_refused(trial: Trial, room_id: RoomId) -> None:
    result = trial.regain(room_id)
    assert result.verdict == (5, "refused", "unknown-room", None)
    assert ask(trial.admin.synapse, room_id, trial.admin.user_id).status in {400, 404}


def test_row_18_room_that_all_local_users_left_is_refused(trial: Trial) -> None:
    alice = trial.someone("alice")
    room_id = alice.make_room(left=[alice])
    result = trial.refused(room_id)
    assert result.verdict == (5, "refused", "not-in-room", None)
    assert trial.asked(room_id, trial.admin) == (400, "M_UNKNOWN", "Server not in room")


def test_row_19_only_server_admins_with_a_valid_token_are_accepted(trial: Trial) -> None:
    alice = trial.someone("alice")
    room_id = alice.make_room()
    reply = ask(alice.synapse, room_id, alice.user_id)
    assert (reply.status, reply.errcode, reply.message) == (403, "M_FORBIDDEN", "You are not a server admin")
    before = trial.held(room_id, trial.admin)
    arguments = ("room", "make-admin", room_id, "--yes")
    answer = trial.synadmin(*arguments, server=trial.server, acting=alice)
    assert (answer.code, answer.stdout) == (3, "")
    assert "not a server admin" in answer.stderr.lower()
    answer = trial.synadmin(*arguments, server=trial.server, env={"SYNADMIN_ACCESS_TOKEN": "syt_wrong"})
    assert (answer.code, answer.stdout) == (3, "")
    assert "M_UNKNOWN_TOKEN" in answer.stderr
    assert "syt_wrong" not in answer.stderr
    assert trial.held(room_id, trial.admin) == before


def test_row_23_suspended_promoter_has_to_be_unsuspended(trial: Trial) -> None:
    alice = trial.someone("alice")
    room_id = alice.make_room()
    trial.admin.suspend(alice)
    result = trial.refused(room_id)
    assert result.verdict == (5, "refused", "needs-reactivate", "reactivate")
    assert trial.asked(room_id, trial.admin) == (
        403,
        "M_USER_SUSPENDED",
        "Sending messages while account is suspended is not allowed.",
    )


@pytest.mark.parametrize("fate", ["locked", "shadow-banned"])
def test_row_24_locked_or_shadow_banned_promoter_works(trial: Trial, fate: str) -> None:
    alice, bob = trial.someone("alice"), trial.someone("bob")
    rooms = [alice.make_room(), alice.make_room()]
    if fate == "locked":
        trial.admin.modify_user(alice, locked=True)
    else:
        trial.admin.shadow_ban(alice)
    assert trial.asked(rooms[0], bob) == OK
    result = trial.regain(rooms[1])
    assert result.verdict == (0, "done", None, "api")
    assert result.record["promoter"] == alice.user_id


@PRIVATE_AND_PUBLIC
def test_row_25_suspended_target_is_refused(trial: Trial, *, public: bool) -> None:
    alice, bob = trial.someone("alice"), trial.someone("bob")
    room_id = alice.make_room(public=public)
    trial.admin.suspend(bob)
    result = trial.refused(room_id, bob)
    assert result.verdict == (5, "refused", "target-suspended", None)
    assert trial.asked(room_id, bob) == OK
    with pytest.raises(Exception, match="M_USER_SUSPENDED"):
        bob.join(room_id)


@PRIVATE_AND_PUBLIC
def test_row_26_blocked_room_is_refused(trial: Trial, *, public: bool) -> None:
    alice, bob = trial.someone("alice"), trial.someone("bob")
    room_id = alice.make_room(public=public, members=[bob])
    trial.admin.block(room_id)
    result = trial.refused(room_id)
    assert result.verdict == (5, "refused", "room-blocked", None)
    result = trial.regain(room_id, bob)
    assert result.verdict == (0, "done", None, "api"), "who is in the room can have it"
    reply = trial.asked(room_id, trial.admin)
    assert reply == (OK if public else (403, "M_UNKNOWN", "This room has been blocked on this server"))
    assert trial.level(room_id, trial.admin) == 100


def test_row_27_answer_of_a_worker_is_named(trial: Trial) -> None:
    room_id = trial.someone().make_room()
    before = trial.held(room_id, trial.admin)
    with proxy_to_workers(trial.server.url) as url:
        answer = trial.synadmin(
            "room", "make-admin", room_id, "--yes", server=trial.server, env={"SYNADMIN_HOMESERVER": url}
        )
    assert (answer.code, answer.stdout) == (1, "")
    assert "M_UNRECOGNIZED" in answer.stderr
    assert "a worker answered" in answer.stderr
    assert "send /_synapse/admin to the main process" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert trial.held(room_id, trial.admin) == before


@contextmanager
def proxy_to_workers(upstream: str) -> Iterator[str]:
    """Pass everything on but what is below /rooms/, of which a worker serves nothing but the room itself."""

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

        do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - http.server's names

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
