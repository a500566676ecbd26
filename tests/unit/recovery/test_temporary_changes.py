"""Temporary changes are reverted after any error; after a crash the next run reverts them."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from synadmin.errors import JournalError, SynadminError
from synadmin.http.endpoint import Endpoint
from synadmin.ids import UserId
from synadmin.journal import Journal, entries, unrestored
from synadmin.recovery.impersonation import Impersonation
from synadmin.recovery.temporary_changes import Revert, TemporaryChanges
from synadmin.recovery.workspace import revert_crashed_runs
from tests.unit.recovery.rooms import ALICE
from tests.unit.stub import ADMIN, BROKEN, HTML, TOKEN_CHECK, Reply, Request, Stub, json_reply, refused

if TYPE_CHECKING:
    from pathlib import Path

    from synadmin.client import Synapse

BOB = "@bob:example.org"
LOGOUT = "/_matrix/client/v3/logout"
LEAVE = "/_matrix/client/v3/rooms/%21r/leave"
SUSPEND = f"/_synapse/admin/v1/suspend/{quote(BOB, safe='')}"
BOBS_ACCOUNT = f"/_synapse/admin/v2/users/{quote(BOB, safe='')}"
MEMBERSHIPS = f"/_synapse/admin/v1/users/{quote(ALICE, safe='')}/memberships"


def _revert(method: str, path: str, body: Any = None, user: UserId | None = None, **more: Any) -> Revert:  # noqa: ANN401
    return Revert(method, path, body, user, is_reverted=lambda: True, **more)


def login_path(user: str) -> str:
    return f"/_synapse/admin/v1/users/{quote(user, safe='')}/login"


def change(path: str) -> Endpoint[dict[str, Any]]:
    return Endpoint("POST", path, dict[str, Any])


@pytest.fixture
def synapse(stub: Stub, synapse: Synapse) -> Synapse:
    stub.on("*", json_reply({}))
    for user in (ALICE, BOB):
        stub.on(login_path(user), json_reply({"access_token": f"syt_{user[1:4]}"}))
    stub.on(MEMBERSHIPS, json_reply({"memberships": {"!r": "join"}}))
    stub.on(BOBS_ACCOUNT, json_reply({"name": BOB, "suspended": False}))
    assert synapse.owner == ADMIN

    def apply_request(request: Request) -> None:
        if request.target == LOGOUT:
            stub.on(TOKEN_CHECK, refused(401, "M_UNKNOWN_TOKEN"))
        if request.target == SUSPEND:
            stub.on(BOBS_ACCOUNT, json_reply({"name": BOB, "suspended": True}))
        if request.target == LEAVE:
            stub.on(MEMBERSHIPS, json_reply({"memberships": {"!r": "leave"}}))

    stub.on_request = apply_request
    return synapse


def sent(stub: Stub) -> list[str]:
    changes = ("POST /do", "POST /undo", f"POST {LEAVE}", f"PUT {SUSPEND}")
    return [target for target in stub.targets if target.startswith(changes)]


def test_newest_change_is_reverted_first(stub: Stub, synapse: Synapse, journal: Journal) -> None:
    with Impersonation(synapse) as sessions, TemporaryChanges(synapse, sessions, journal) as temporary:
        for number in (1, 2):
            with temporary.apply(_revert("POST", f"/undo/{number}", {"n": number})):
                synapse.transport.send(change(f"/do/{number}"))
        assert len(unrestored(journal.path, stub.url)) == 2
    assert sent(stub) == ["POST /do/1", "POST /do/2", "POST /undo/2", "POST /undo/1"]
    assert stub.requests[-1].json == {"n": 1}
    assert unrestored(journal.path, stub.url) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SynadminError("no"), ValueError()], ids=repr)
def test_changes_are_reverted_after_any_error(
    stub: Stub, synapse: Synapse, journal: Journal, error: BaseException
) -> None:
    with (  # noqa: PT012
        pytest.raises(type(error)),
        Impersonation(synapse) as sessions,
        TemporaryChanges(synapse, sessions, journal) as temporary,
    ):
        with temporary.apply(_revert("POST", "/undo", None)):
            synapse.transport.send(change("/do"))
        raise error
    assert sent(stub) == ["POST /do", "POST /undo"]


@pytest.mark.parametrize(
    ("reply", "reverted"),
    [
        (refused(403, "M_FORBIDDEN"), False),
        (refused(429, "M_LIMIT_EXCEEDED"), True),
        (refused(500, "M_UNKNOWN"), True),
        (BROKEN, True),
    ],
    ids=["not allowed", "rate limited", "failed", "no answer"],
)
def test_change_that_may_have_been_made_is_reverted(
    stub: Stub, synapse: Synapse, journal: Journal, reply: Reply, *, reverted: bool
) -> None:
    stub.on("/do", reply)
    with Impersonation(synapse) as sessions, TemporaryChanges(synapse, sessions, journal) as temporary:
        with pytest.raises(SynadminError), temporary.apply(_revert("POST", "/undo", None)):
            synapse.transport.send(change("/do"))
        assert bool(temporary.mark) is reverted
    assert ("POST /undo" in sent(stub)) is reverted
    assert unrestored(journal.path, stub.url) == []


def test_change_and_revert_may_have_different_users(stub: Stub, synapse: Synapse, journal: Journal) -> None:
    with Impersonation(synapse) as sessions, TemporaryChanges(synapse, sessions, journal) as temporary:
        with temporary.apply(_revert("POST", "/undo", None, UserId(BOB)), by=UserId(ALICE)):
            sessions.of(UserId(ALICE)).transport.send(change("/do"))
        left, _ = unrestored(journal.path, stub.url)
        # The journal has the user who reverts the change, for the run after a crash.
        assert (left["on_behalf_of"], Revert.of(left).user) == (ALICE, BOB)
    tokens = {request.target: request.headers["authorization"] for request in stub.requests}
    assert (tokens["/do"], tokens["/undo"]) == ("Bearer syt_ali", "Bearer syt_bob")


def test_token_ends_before_its_account_is_deactivated(stub: Stub, synapse: Synapse, journal: Journal) -> None:
    with Impersonation(synapse) as sessions, TemporaryChanges(synapse, sessions, journal) as temporary:
        with temporary.apply(_revert("POST", "/undo", None, disables=UserId(ALICE))):
            synapse.transport.send(change("/do"))
        sessions.of(UserId(ALICE))
    assert stub.targets[-2:] == [f"POST {LOGOUT}", "POST /undo"]


def test_kept_change_is_not_reverted(stub: Stub, synapse: Synapse, journal: Journal) -> None:
    with Impersonation(synapse) as sessions, TemporaryChanges(synapse, sessions, journal) as temporary:
        with temporary.apply(_revert("POST", "/undo", None)):
            synapse.transport.send(change("/do"))
        temporary.keep(0)
    assert sent(stub) == ["POST /do"]
    assert unrestored(journal.path, stub.url) == []


def test_failed_revert_is_retried_at_the_end(stub: Stub, synapse: Synapse, journal: Journal) -> None:
    stub.on("/undo", refused(400, "M_UNKNOWN", "not now"), json_reply({}))
    messages: list[str] = []
    reads = [False, True]
    with (
        Impersonation(synapse) as sessions,
        TemporaryChanges(synapse, sessions, journal, messages.append) as temporary,
    ):
        with temporary.apply(Revert("POST", "/undo", None, is_reverted=lambda: reads.pop(0))):
            synapse.transport.send(change("/do"))
        assert [str(revert) for revert in temporary.revert_since()] == ["POST /undo"]
        assert messages == ["warning: not reverted: POST /undo: not now (M_UNKNOWN, HTTP 400)"]
    assert unrestored(journal.path, stub.url) == []


def test_unreverted_change_ends_the_run_with_an_error(synapse: Synapse, journal: Journal) -> None:
    with (
        pytest.raises(SynadminError, match="not reverted: POST /undo"),
        Impersonation(synapse) as sessions,
        TemporaryChanges(synapse, sessions, journal) as temporary,
        temporary.apply(Revert("POST", "/undo", None, is_reverted=lambda: False)),
    ):
        synapse.transport.send(change("/do"))


@pytest.mark.parametrize(
    "answer",
    [json_reply({}), HTML, refused(403, "M_FORBIDDEN"), refused(404, "M_UNKNOWN", "Not a known room")],
)
@pytest.mark.parametrize("has_left", [True, False])
def test_leave_is_read_back(
    stub: Stub, synapse: Synapse, journal: Journal, answer: Reply, *, has_left: bool
) -> None:
    stub.on(LEAVE, answer)
    with Impersonation(synapse) as sessions:
        temporary = TemporaryChanges(synapse, sessions, journal)
        with temporary.apply(Revert("POST", LEAVE, {}, UserId(ALICE))):
            sessions.of(UserId(ALICE)).transport.send(change("/do"))
        stub.on_request = lambda _: None
        stub.on(MEMBERSHIPS, json_reply({"memberships": {"!r": "leave" if has_left else "join"}}))
        assert (temporary.revert_since() == []) is has_left
        open_leaves = [
            entry for entry in unrestored(journal.path, stub.url) if entry["restoring"]["path"] == LEAVE
        ]
        assert (open_leaves == []) is has_left


def test_revert_that_cannot_be_read_back_stays_open(stub: Stub, synapse: Synapse, journal: Journal) -> None:
    with Impersonation(synapse) as sessions:
        temporary = TemporaryChanges(synapse, sessions, journal)
        with temporary.apply(Revert("POST", "/undo", {})):
            synapse.transport.send(change("/do"))
        assert len(temporary.revert_since()) == 1
    assert len(unrestored(journal.path, stub.url)) == 1


def test_changes_are_reverted_without_a_writable_journal(
    stub: Stub, synapse: Synapse, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[str] = []

    def raise_disk_full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with (  # noqa: PT012
        pytest.raises(JournalError, match="1 change of this run was sent before it") as caught,
        Impersonation(synapse, messages.append) as sessions,
        TemporaryChanges(synapse, sessions, journal, messages.append) as temporary,
    ):
        with temporary.apply(Revert("PUT", SUSPEND, {"suspend": True})):
            synapse.transport.send(change("/do/1"))
        monkeypatch.setattr("synadmin.journal.store.now", raise_disk_full)
        monkeypatch.setattr("synadmin.journal.store._text", raise_disk_full)
        synapse.transport.send(change("/do/2"))
    assert "nothing was changed" not in str(caught.value)
    assert sent(stub) == ["POST /do/1", f"PUT {SUSPEND}"]
    assert messages[-1] == "1 temporary change was reverted, and read back."
    monkeypatch.undo()
    # The change is still open in the journal. The next run reads that it is reverted already.
    assert len(unrestored(journal.path, stub.url)) == 1
    journal.close()
    assert revert_crashed_runs(synapse, Journal(journal.path), messages.append) == []
    assert unrestored(journal.path, stub.url) == []
    assert len(sent(stub)) == 2


def run_and_crash(stub: Stub, tmp_path: Path) -> None:
    """Run a process that makes two temporary changes, the second as another user, and crashes."""
    script = f"""
        import os
        from pathlib import Path
        from synadmin.client import Synapse
        from synadmin.http.endpoint import Endpoint
        from synadmin.journal import Journal
        from synadmin.recovery.impersonation import Impersonation
        from synadmin.recovery.temporary_changes import Revert, TemporaryChanges
        journal = Journal(Path({str(tmp_path / "journal.sqlite3")!r}))
        synapse = Synapse({stub.url!r}, token="syt_token", journal=journal)
        with Impersonation(synapse) as sessions, TemporaryChanges(synapse, sessions, journal) as temporary:
            with temporary.apply(Revert("PUT", {SUSPEND!r}, {{"suspend": True}})):
                synapse.transport.send(Endpoint("POST", "/do/1", dict))
            with temporary.apply(Revert("POST", {LEAVE!r}, {{}}, {ALICE!r})):
                sessions.of({ALICE!r}).transport.send(Endpoint("POST", "/do/2", dict))
            os._exit(9)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False)


def test_changes_left_by_a_crash_are_reverted_once(
    stub: Stub, synapse: Synapse, journal: Journal, tmp_path: Path
) -> None:
    run_and_crash(stub, tmp_path)
    messages: list[str] = []
    assert revert_crashed_runs(synapse, journal, messages.append) == []
    assert sent(stub) == ["POST /do/1", "POST /do/2", f"POST {LEAVE}", f"PUT {SUSPEND}"]
    assert [request.json for request in stub.requests if request.target == SUSPEND] == [{"suspend": True}]
    run = next(entries(journal.path))["run"]
    assert messages[0].startswith(f"The run {run} ended before it could revert this: POST /_matrix/")
    # The token of the crashed run is ended, and its file is removed.
    assert list(tmp_path.glob("*.token")) == []
    assert revert_crashed_runs(synapse, Journal(journal.path), messages.append) == []
    assert len(sent(stub)) == 4


def test_changes_of_a_running_run_are_left(stub: Stub, synapse: Synapse, journal: Journal) -> None:
    with Impersonation(synapse) as sessions, TemporaryChanges(synapse, sessions, journal) as temporary:
        with temporary.apply(_revert("POST", "/undo", None)):
            synapse.transport.send(change("/do"))
        assert revert_crashed_runs(synapse, Journal(journal.path), lambda _: None) == []
        assert sent(stub) == ["POST /do"]
    assert sent(stub) == ["POST /do", "POST /undo"]


def test_failed_revert_after_a_crash_does_not_stop_the_next_run(
    stub: Stub, synapse: Synapse, journal: Journal, tmp_path: Path
) -> None:
    run_and_crash(stub, tmp_path)
    stub.on_request = lambda request: (
        stub.on(BOBS_ACCOUNT, json_reply({"name": BOB, "suspended": True}))
        if request.target == SUSPEND
        else None
    )
    stub.on(LEAVE, refused(400, "M_UNKNOWN", "never"))
    messages: list[str] = []
    left = revert_crashed_runs(synapse, journal, messages.append)
    assert [revert.path for revert in left if revert.token is None] == [LEAVE]
    assert "warning: not reverted: never (M_UNKNOWN, HTTP 400)" in messages
    assert sent(stub)[-1] == f"PUT {SUSPEND}"
    paths = [entry["restoring"]["path"] for entry in unrestored(journal.path, stub.url)]
    assert LEAVE in paths
    assert SUSPEND not in paths


def test_account_stays_active_until_it_left(synapse: Synapse, stub: Stub, tmp_path: Path) -> None:
    """A suspended account cannot leave a room: it is suspended again after it left, also after a retry."""
    stub.on(LEAVE, refused(500, "M_UNKNOWN"), json_reply({}))
    is_left: list[bool] = []

    def record_leave(request: Request) -> None:
        if request.target == LEAVE and len([target for target in stub.targets if LEAVE in target]) > 1:
            is_left.append(True)

    stub.on_request = record_leave
    journal = Journal(tmp_path / "journal")
    with (
        Impersonation(synapse) as sessions,
        TemporaryChanges(synapse, sessions, journal) as temporary,
    ):
        alice = UserId(ALICE)
        suspend = Revert("PUT", SUSPEND, {"suspend": True}, is_reverted=lambda: True, disables=alice)
        leave = Revert("POST", LEAVE, {}, alice, is_reverted=lambda: bool(is_left))
        for revert in (suspend, leave):
            with temporary.apply(revert):
                pass
        assert temporary.revert_since() == [leave, suspend]
        assert not [target for target in stub.targets if SUSPEND in target]
    changes = [target for target in stub.targets if LEAVE in target or SUSPEND in target]
    assert [LEAVE in target for target in changes] == [True, True, False]
