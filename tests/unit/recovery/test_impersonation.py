"""A token to act as another user is created when it is needed, and ended after use."""

from __future__ import annotations

import json
import stat
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import quote

import pytest

from synadmin.client import Synapse
from synadmin.errors import NotFoundError, NotPermittedError, ReplyError
from synadmin.http.endpoint import Endpoint
from synadmin.ids import RoomId, UserId
from synadmin.journal import Journal, entries, unrestored
from synadmin.recovery.impersonation import Impersonation
from synadmin.recovery.means import SynapseMeans
from synadmin.recovery.workspace import revert_crashed_runs
from tests.unit.recovery.rooms import ALICE
from tests.unit.stub import ADMIN, BROKEN, HTML, TOKEN_CHECK, WHOAMI, Reply, Stub, json_reply, refused

LOGIN = f"/_synapse/admin/v1/users/{quote(ALICE, safe='')}/login"
LOGOUT = "/_matrix/client/v3/logout"
LEAVE = "/_matrix/client/v3/rooms/%21r/leave"
ENDED = [f"POST {LOGOUT}"]  # followed by a check that it is refused, which `targets` leaves out
ADMIN_ID, ALICE_ID = UserId(ADMIN), UserId(ALICE)


@pytest.fixture
def synapse(stub: Stub, synapse: Synapse) -> Synapse:
    stub.on(LOGIN, json_reply({"access_token": "syt_hers"}))
    stub.on(LOGOUT, json_reply({}))
    stub.on(LEAVE, json_reply({}))
    stub.on(TOKEN_CHECK, refused(401, "M_UNKNOWN_TOKEN"))
    assert synapse.owner == ADMIN
    assert not synapse.mas_manages_accounts
    stub.requests.clear()
    return synapse


def _set_clock(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    """Set the time that the server sends as its Date header."""
    date = format_datetime(now, usegmt=True)
    monkeypatch.setattr("http.server.BaseHTTPRequestHandler.date_time_string", lambda *_: date)


def test_impersonation_token_is_created_once_and_ended(stub: Stub, synapse: Synapse) -> None:
    with Impersonation(synapse) as sessions:
        assert stub.targets == []
        for _ in range(2):
            sessions.of(ALICE_ID).client_server.leave(RoomId("!r"))
    assert stub.targets == [f"POST {LOGIN}", f"POST {LEAVE}", f"POST {LEAVE}", *ENDED]
    used = [
        request.headers["authorization"] for request in stub.requests if request.target in {LEAVE, LOGOUT}
    ]
    assert set(used) == {"Bearer syt_hers"}


def test_impersonation_token_expires_in_minutes(stub: Stub, synapse: Synapse) -> None:
    now = time.time() * 1000
    with Impersonation(synapse) as sessions:
        sessions.of(ALICE_ID)
    (login,) = [request.json for request in stub.requests if request.target == LOGIN]
    assert 60_000 < login["valid_until_ms"] - now < 3_600_000


def test_long_work_renews_the_token_before_expiry(
    stub: Stub, synapse: Synapse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SynapseMeans, "renewed", -1.0)
    with Impersonation(synapse) as sessions:
        sessions.of(ALICE_ID)
        sessions.of(ALICE_ID)
    assert stub.targets == [f"POST {LOGIN}", *ENDED] * 2


def test_admin_uses_their_own_token(stub: Stub, synapse: Synapse) -> None:
    with Impersonation(synapse) as sessions:
        assert sessions.of(ADMIN_ID) is synapse
    assert stub.targets == []


def test_unknown_user_cannot_be_impersonated(stub: Stub, synapse: Synapse) -> None:
    stub.on(LOGIN, refused(404, "M_NOT_FOUND", "User not found"))
    with Impersonation(synapse) as sessions, pytest.raises(NotFoundError):
        sessions.of(ALICE_ID)
    assert stub.targets == [f"POST {LOGIN}"]


@pytest.mark.parametrize("reply", [refused(401, "M_UNKNOWN_TOKEN"), refused(500, "M_UNKNOWN"), HTML, BROKEN])
def test_token_that_the_server_refuses_has_ended(
    stub: Stub, synapse: Synapse, journal: Journal, reply: Reply, naps: list[float]
) -> None:
    del naps
    stub.on(LOGOUT, reply)
    messages: list[str] = []
    with Impersonation(synapse, messages.append) as sessions:
        sessions.of(ALICE_ID)
    assert messages == []
    assert unrestored(journal.path, stub.url) == []


@pytest.mark.parametrize(
    "reply", [json_reply({"enabled": True}), refused(403, "M_FORBIDDEN"), HTML, refused(401, "M_USER_LOCKED")]
)
def test_token_still_accepted_is_reported_and_stays_open(
    stub: Stub, synapse: Synapse, journal: Journal, reply: Reply
) -> None:
    stub.on(TOKEN_CHECK, reply)
    messages: list[str] = []
    with Impersonation(synapse, messages.append) as sessions:
        sessions.of(ALICE_ID)
    assert [ALICE in line and "expires by itself at" in line for line in messages] == [True]
    (left,) = unrestored(journal.path, stub.url)
    assert left["restoring"]["user"] == ALICE_ID
    assert "syt_hers" not in json.dumps(list(entries(journal.path)))
    (token_file,) = journal.path.parent.glob("*.token")
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600

    # The next run ends the token with the secret in the file, and removes the file.
    stub.on(TOKEN_CHECK, refused(401, "M_UNKNOWN_TOKEN"))
    journal.close()
    with Synapse(stub.url, token="syt_token", journal=Journal(journal.path)) as later:
        assert revert_crashed_runs(later, Journal(journal.path), messages.append) == []
    assert unrestored(journal.path, stub.url) == []
    assert list(journal.path.parent.glob("*.token")) == []
    logouts = [request.headers["authorization"] for request in stub.requests if request.target == LOGOUT]
    assert logouts[-1] == "Bearer syt_hers"


@pytest.mark.parametrize(("minutes", "deactivated"), [(2, False), (4, False), (2, True)])
def test_lost_token_is_open_until_it_expires_by_the_server_clock(
    stub: Stub,
    synapse: Synapse,
    journal: Journal,
    monkeypatch: pytest.MonkeyPatch,
    minutes: int,
    *,
    deactivated: bool,
) -> None:
    stub.on(LOGIN, HTML)
    messages: list[str] = []
    with Impersonation(synapse, messages.append) as sessions, pytest.raises(ReplyError):
        sessions.of(ALICE_ID)
    assert [f"a token for {ALICE} may have been made" in line for line in messages] == [True]
    journal.close()
    _set_clock(monkeypatch, datetime.now(UTC) + timedelta(minutes=minutes))
    account = {"name": ALICE, "deactivated": deactivated}
    stub.on(f"/_synapse/admin/v2/users/{quote(ALICE, safe='')}", json_reply(account))
    stub.on(WHOAMI, json_reply({"user_id": ADMIN}))
    with Synapse(stub.url, token="syt_token", journal=Journal(journal.path)) as later:
        left = revert_crashed_runs(later, Journal(journal.path), messages.append)
    has_expired = minutes == 4  # the deactivation of the account does not end the token
    assert [revert.user for revert in left] == ([] if has_expired else [ALICE])
    assert (unrestored(journal.path, stub.url) == []) is has_expired
    assert ("its secret is lost. It expires by itself at" in messages[-1]) is not has_expired


def test_refused_token_is_open_until_it_would_expire(
    stub: Stub, synapse: Synapse, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy may refuse what the server has done, and no request shows whether there is a token."""
    stub.on(LOGIN, refused(403, "M_FORBIDDEN"))
    with Impersonation(synapse) as sessions, pytest.raises(NotPermittedError):
        sessions.of(ALICE_ID)
    journal.close()
    assert len(unrestored(journal.path, stub.url)) == 1
    _set_clock(monkeypatch, datetime.now(UTC) + timedelta(minutes=4))
    stub.on(WHOAMI, json_reply({"user_id": ADMIN}))
    with Synapse(stub.url, token="syt_token", journal=Journal(journal.path)) as later:
        assert revert_crashed_runs(later, Journal(journal.path), lambda _: None) == []
    assert unrestored(journal.path, stub.url) == []


def test_expiry_of_the_token_is_counted_by_the_server_clock(
    stub: Stub, synapse: Synapse, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = datetime.now(UTC) + timedelta(days=3)
    _set_clock(monkeypatch, ahead)
    stub.on("/_synapse/admin/v1/x", json_reply({}))
    synapse.transport.send(Endpoint("GET", "/_synapse/admin/v1/x", dict))
    with Impersonation(synapse) as sessions:
        sessions.of(ALICE_ID)
    (login,) = [request.json for request in stub.requests if request.target == LOGIN]
    assert 60 < login["valid_until_ms"] / 1000 - ahead.timestamp() < 600


def test_token_is_ended_after_an_error(stub: Stub, synapse: Synapse) -> None:
    with pytest.raises(KeyboardInterrupt), Impersonation(synapse) as sessions:  # noqa: PT012
        sessions.of(ALICE_ID)
        raise KeyboardInterrupt
    assert stub.targets[-1:] == ENDED
