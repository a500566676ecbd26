"""What is changed for a while is put back whatever happens; what a crash left, by the next run."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from synadmin.errors import SynadminError
from synadmin.http.endpoint import Endpoint
from synadmin.ids import UserId
from synadmin.journal import Journal, entries, unrestored
from synadmin.recovery.sessions import Sessions
from synadmin.recovery.temporary import Restoration, Temporary, mend
from tests.unit.recovery.rooms import ALICE
from tests.unit.stub import ADMIN, BROKEN, Reply, Stub, refused, told

if TYPE_CHECKING:
    from pathlib import Path

    from synadmin.client import Synapse

BOB = "@bob:example.org"
LOGOUT = "/_matrix/client/v3/logout"


def login_of(user: str) -> str:
    return f"/_synapse/admin/v1/users/{quote(user, safe='')}/login"


def change(path: str) -> Endpoint[dict[str, Any]]:
    return Endpoint("POST", path, dict[str, Any])


@pytest.fixture
def synapse(stub: Stub, synapse: Synapse) -> Synapse:
    stub.on("*", told({}))
    for user in (ALICE, BOB):
        stub.on(login_of(user), told({"access_token": f"syt_{user[1:4]}"}))
    return synapse


def sent(stub: Stub) -> list[str]:
    return [target for target in stub.targets if target.startswith(("POST /do", "POST /undo"))]


def test_the_newest_change_is_put_back_first(stub: Stub, synapse: Synapse, journal: Journal) -> None:
    with Sessions(synapse) as sessions, Temporary(synapse, sessions, journal) as temporary:
        for number in (1, 2):
            with temporary.making(Restoration("POST", f"/undo/{number}", {"n": number})):
                synapse.transport.send(change(f"/do/{number}"))
        assert len(unrestored(journal.path, stub.url)) == 2
    assert sent(stub) == ["POST /do/1", "POST /do/2", "POST /undo/2", "POST /undo/1"]
    assert stub.requests[-1].json == {"n": 1}
    assert unrestored(journal.path, stub.url) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SynadminError("no"), ValueError()], ids=repr)
def test_it_is_put_back_after_any_error(
    stub: Stub, synapse: Synapse, journal: Journal, error: BaseException
) -> None:
    with (  # noqa: PT012
        pytest.raises(type(error)),
        Sessions(synapse) as sessions,
        Temporary(synapse, sessions, journal) as temporary,
    ):
        with temporary.making(Restoration("POST", "/undo", None)):
            synapse.transport.send(change("/do"))
        raise error
    assert sent(stub) == ["POST /do", "POST /undo"]


@pytest.mark.parametrize(
    ("reply", "put_back"),
    [
        (refused(403, "M_FORBIDDEN"), False),
        (refused(429, "M_LIMIT_EXCEEDED"), True),
        (refused(500, "M_UNKNOWN"), True),
        (BROKEN, True),
    ],
    ids=["not allowed", "held back", "failed", "no answer"],
)
def test_what_was_surely_not_done_is_not_put_back_and_everything_else_is(
    stub: Stub, synapse: Synapse, journal: Journal, reply: Reply, *, put_back: bool
) -> None:
    stub.on("/do", reply)
    with Sessions(synapse) as sessions, Temporary(synapse, sessions, journal) as temporary:
        with pytest.raises(SynadminError), temporary.making(Restoration("POST", "/undo", None)):
            synapse.transport.send(change("/do"))
        assert bool(temporary.mark) is put_back
    assert ("POST /undo" in sent(stub)) is put_back
    assert unrestored(journal.path, stub.url) == []


def test_one_may_make_the_change_and_another_put_it_back(
    stub: Stub, synapse: Synapse, journal: Journal
) -> None:
    with Sessions(synapse) as sessions, Temporary(synapse, sessions, journal) as temporary:
        with temporary.making(Restoration("POST", "/undo", None, UserId(BOB)), by=UserId(ALICE)):
            sessions.of(UserId(ALICE)).transport.send(change("/do"))
        (left,) = unrestored(journal.path, stub.url)
        # Who put it back is in the journal, for a run that comes after a crash.
        assert (left["on_behalf_of"], Restoration.of(left).user) == (ALICE, BOB)
    tokens = {one.target: one.headers["authorization"] for one in stub.requests}
    assert (tokens["/do"], tokens["/undo"]) == ("Bearer syt_ali", "Bearer syt_bob")


def test_a_token_ends_before_its_owner_goes_back_to_sleep(
    stub: Stub, synapse: Synapse, journal: Journal
) -> None:
    with Sessions(synapse) as sessions, Temporary(synapse, sessions, journal) as temporary:
        with temporary.making(Restoration("POST", "/undo", None, asleep=UserId(ALICE))):
            synapse.transport.send(change("/do"))
        sessions.of(UserId(ALICE))
    assert stub.targets[-2:] == [f"POST {LOGOUT}", "POST /undo"]


def test_what_is_to_stay_is_not_put_back_by_anybody(stub: Stub, synapse: Synapse, journal: Journal) -> None:
    with Sessions(synapse) as sessions, Temporary(synapse, sessions, journal) as temporary:
        with temporary.making(Restoration("POST", "/undo", None)):
            synapse.transport.send(change("/do"))
        temporary.keep(0)
    assert sent(stub) == ["POST /do"]
    assert unrestored(journal.path, stub.url) == []


def test_what_cannot_be_put_back_at_once_is_tried_again_at_the_end(
    stub: Stub, synapse: Synapse, journal: Journal
) -> None:
    stub.on("/undo", refused(400, "M_UNKNOWN", "not now"), told({}))
    said: list[str] = []
    with Sessions(synapse) as sessions, Temporary(synapse, sessions, journal, said.append) as temporary:
        with temporary.making(Restoration("POST", "/undo", None)):
            synapse.transport.send(change("/do"))
        assert [str(one) for one in temporary.put_back()] == ["POST /undo"]
        assert said == ["Not put back: POST /undo: not now (M_UNKNOWN, HTTP 400)"]
    assert unrestored(journal.path, stub.url) == []


def test_what_stays_as_it_is_not_to_be_ends_the_run_with_an_error(synapse: Synapse, journal: Journal) -> None:
    with (
        pytest.raises(SynadminError, match="could not be put back: POST /undo"),
        Sessions(synapse) as sessions,
        Temporary(synapse, sessions, journal) as temporary,
        temporary.making(Restoration("POST", "/undo", None, is_so=lambda: False)),
    ):
        synapse.transport.send(change("/do"))


@pytest.mark.parametrize(
    ("answer", "moot"),
    [
        (refused(403, "M_FORBIDDEN"), True),
        (refused(404, "M_UNKNOWN", "Not a known room"), True),
        (refused(404, "M_UNRECOGNIZED"), False),
        (refused(500, "M_UNKNOWN"), False),
    ],
)
def test_who_is_not_in_a_room_has_left_it(
    stub: Stub, synapse: Synapse, journal: Journal, answer: Reply, *, moot: bool
) -> None:
    stub.on("/rooms/x/leave", answer)
    with Sessions(synapse) as sessions:
        temporary = Temporary(synapse, sessions, journal)
        with temporary.making(Restoration("POST", "/rooms/x/leave", {})):
            synapse.transport.send(change("/do"))
        assert (temporary.put_back() == []) is moot
    assert (unrestored(journal.path, stub.url) == []) is moot


def crashed(stub: Stub, tmp_path: Path) -> None:
    """Let a process make two temporary changes, the second as somebody else, and end without a word."""
    script = f"""
        import os
        from pathlib import Path
        from synadmin.client import Synapse
        from synadmin.http.endpoint import Endpoint
        from synadmin.journal import Journal
        from synadmin.recovery.sessions import Sessions
        from synadmin.recovery.temporary import Restoration, Temporary
        journal = Journal(Path({str(tmp_path / "journal.jsonl")!r}))
        synapse = Synapse({stub.url!r}, token="syt_token", journal=journal)
        with Sessions(synapse) as sessions, Temporary(synapse, sessions, journal) as temporary:
            with temporary.making(Restoration("POST", "/undo/1", {{"n": 1}})):
                synapse.transport.send(Endpoint("POST", "/do/1", dict))
            with temporary.making(Restoration("POST", "/undo/2", None, {ALICE!r})):
                sessions.of({ALICE!r}).transport.send(Endpoint("POST", "/do/2", dict))
            os._exit(9)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False)


def test_what_a_crash_left_is_put_back_once(
    stub: Stub, synapse: Synapse, journal: Journal, tmp_path: Path
) -> None:
    crashed(stub, tmp_path)
    said: list[str] = []
    assert mend(synapse, journal, said.append) == []
    assert sent(stub) == ["POST /do/1", "POST /do/2", "POST /undo/2", "POST /undo/1"]
    assert [one.json for one in stub.requests if one.target == "/undo/1"] == [{"n": 1}]
    run = next(entries(journal.path))["run"]
    assert said[0] == f"The run {run} ended before it could put this back: POST /undo/2 as {ALICE}"
    assert mend(synapse, Journal(journal.path), said.append) == []
    assert len(sent(stub)) == 4


def test_what_a_run_that_is_under_way_has_made_is_left_to_it(
    stub: Stub, synapse: Synapse, journal: Journal
) -> None:
    with Sessions(synapse) as sessions, Temporary(synapse, sessions, journal) as temporary:
        with temporary.making(Restoration("POST", "/undo", None)):
            synapse.transport.send(change("/do"))
        assert mend(synapse, Journal(journal.path), lambda _: None) == []
        assert sent(stub) == ["POST /do"]
    assert sent(stub) == ["POST /do", "POST /undo"]


def test_what_a_crash_left_and_cannot_be_put_back_does_not_keep_the_next_run_from_its_work(
    stub: Stub, synapse: Synapse, journal: Journal, tmp_path: Path
) -> None:
    crashed(stub, tmp_path)
    stub.on("/undo/2", refused(400, "M_UNKNOWN", "never"))
    said: list[str] = []
    assert [str(one) for one in mend(synapse, journal, said.append)] == [f"POST /undo/2 as {ALICE}"]
    assert "That did not succeed: never (M_UNKNOWN, HTTP 400)" in said
    assert sent(stub)[-1] == "POST /undo/1"
    assert [entry["restoring"]["path"] for entry in unrestored(journal.path, stub.url)] == ["/undo/2"]
    assert synapse.owner == ADMIN
