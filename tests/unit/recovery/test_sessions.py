"""A token to act as somebody else is taken when it is needed, used, and ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from synadmin.errors import NotFoundError
from synadmin.ids import RoomId, UserId
from synadmin.recovery import sessions as module
from synadmin.recovery.sessions import Sessions
from tests.unit.recovery.rooms import ALICE
from tests.unit.stub import ADMIN, Stub, refused, told

if TYPE_CHECKING:
    from synadmin.client import Synapse

LOGIN = f"/_synapse/admin/v1/users/{quote(ALICE, safe='')}/login"
LOGOUT = "/_matrix/client/v3/logout"
LEAVE = "/_matrix/client/v3/rooms/%21r/leave"
ME, HER = UserId(ADMIN), UserId(ALICE)


@pytest.fixture
def synapse(stub: Stub, synapse: Synapse) -> Synapse:
    stub.on(LOGIN, told({"access_token": "syt_hers"}))
    stub.on(LOGOUT, told({}))
    stub.on(LEAVE, told({}))
    return synapse


def test_a_token_is_taken_once_used_and_ended(stub: Stub, synapse: Synapse) -> None:
    with Sessions(synapse) as sessions:
        assert stub.targets == []
        for _ in range(2):
            sessions.of(HER).client_server.leave(RoomId("!r"))
    assert stub.targets == [f"POST {LOGIN}", f"POST {LEAVE}", f"POST {LEAVE}", f"POST {LOGOUT}"]
    used = [one.headers["authorization"] for one in stub.requests if one.target in {LEAVE, LOGOUT}]
    assert set(used) == {"Bearer syt_hers"}


def test_it_ends_by_itself_in_minutes(stub: Stub, synapse: Synapse) -> None:
    now = time.time() * 1000
    with Sessions(synapse) as sessions:
        sessions.of(HER)
    (asked,) = [one.json for one in stub.requests if one.target == LOGIN]
    assert 60_000 < asked["valid_until_ms"] - now < 3_600_000


def test_long_work_takes_a_new_one_before_the_old_one_ends(
    stub: Stub, synapse: Synapse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RENEWED", 0.0)
    with Sessions(synapse) as sessions:
        sessions.of(HER)
        sessions.of(HER)
    assert stub.targets == [f"POST {LOGIN}", f"POST {LOGOUT}"] * 2


def test_the_administrator_acts_with_the_token_there_is(stub: Stub, synapse: Synapse) -> None:
    with Sessions(synapse) as sessions:
        assert sessions.of(ME) is synapse
    assert stub.targets == []


def test_who_is_not_there_cannot_be_acted_as(stub: Stub, synapse: Synapse) -> None:
    stub.on(LOGIN, refused(404, "M_NOT_FOUND", "User not found"))
    with Sessions(synapse) as sessions, pytest.raises(NotFoundError):
        sessions.of(HER)
    assert stub.targets == [f"POST {LOGIN}"]


@pytest.mark.parametrize("status", [401, 500])
def test_a_token_that_cannot_be_ended_is_told_unless_it_has_ended_already(
    stub: Stub, synapse: Synapse, status: int
) -> None:
    stub.on(LOGOUT, refused(status, "M_UNKNOWN_TOKEN" if status == 401 else "M_UNKNOWN"))
    said: list[str] = []
    with Sessions(synapse, said.append) as sessions:
        sessions.of(HER)
    assert [ALICE in line and "ends by itself" in line for line in said] == ([] if status == 401 else [True])


def test_a_token_is_ended_also_after_an_error_in_between(stub: Stub, synapse: Synapse) -> None:
    with pytest.raises(KeyboardInterrupt), Sessions(synapse) as sessions:  # noqa: PT012
        sessions.of(HER)
        raise KeyboardInterrupt
    assert stub.targets[-1] == f"POST {LOGOUT}"
