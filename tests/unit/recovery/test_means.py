"""Impersonation with MAS: its session is found by the name, and no other session is ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from synadmin.client import Synapse
from synadmin.ids import UserId
from synadmin.power.room import AccountState
from synadmin.recovery.means import MasMeans
from tests.unit.mas.answers import ALICE, API, MADE, error, in_charge, page, single, user
from tests.unit.stub import json_reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.unit.stub import Stub

USER = UserId("@alice:example.org")
SYNAPSE_ACCOUNT = "/_synapse/admin/v2/users/%40alice%3Aexample.org"
MAS_ACCOUNT = f"{API}/users/by-username/alice"
SESSIONS = f"{API}/personal-sessions"


def session(name: str) -> dict[str, object]:
    ids: Mapping[str, str] = {"owner_user_id": ALICE, "actor_user_id": ALICE}
    return {**ids, "created_at": MADE, "human_name": name, "scope": "urn:matrix:client:api:*"}


OTHER = {"01NIGHTLY": session("nightly audit")}


@pytest.fixture
def means(stub: Stub) -> MasMeans:
    in_charge(stub).on(MAS_ACCOUNT, single("user", ALICE, user("alice")))
    stub.on(SYNAPSE_ACCOUNT, json_reply({"name": USER, "deactivated": False, "locked": False}))
    return MasMeans(Synapse(stub.url, token="mpt_secret"))


def test_only_the_named_session_is_ended(stub: Stub, means: MasMeans) -> None:
    restoring = means.restoring(USER, until=1_800_000_000)
    own = {"01OWN": session(restoring["body"]["human_name"])}
    stub.on(SESSIONS, page("personal-session", own | OTHER), page("personal-session", OTHER))
    stub.on(f"{SESSIONS}/01OWN/revoke", single("personal-session", "01OWN", own["01OWN"]))

    assert means.end("", restoring, None)
    assert [target for target in stub.targets if target.startswith("POST")] == [
        f"POST {SESSIONS}/01OWN/revoke"
    ]


def test_session_that_stays_active_has_not_ended(stub: Stub, means: MasMeans) -> None:
    restoring = means.restoring(USER, until=1_800_000_000)
    own = {"01OWN": session(restoring["body"]["human_name"])}
    stub.on(SESSIONS, page("personal-session", own))
    stub.on(f"{SESSIONS}/01OWN/revoke", single("personal-session", "01OWN", own["01OWN"]))

    assert not means.end("", restoring, None)


def test_each_session_has_its_own_name(means: MasMeans) -> None:
    names = {means.restoring(USER, until=0)["body"]["human_name"] for _ in range(2)}
    assert len(names) == 2


@pytest.mark.parametrize(
    ("field", "state"), [("locked_at", AccountState.LOCKED), ("deactivated_at", AccountState.DEACTIVATED)]
)
def test_account_state_comes_from_mas(stub: Stub, means: MasMeans, field: str, state: AccountState) -> None:
    assert means.account_of(USER).state is AccountState.ACTIVE
    stub.on(MAS_ACCOUNT, single("user", ALICE, user("alice", **{field: MADE})))
    assert means.account_of(USER).state is state
    assert means.account_of(USER).actable


def test_account_unknown_to_mas_cannot_be_impersonated(stub: Stub, means: MasMeans) -> None:
    stub.on(MAS_ACCOUNT, error(404, "User not found"))
    account = means.account_of(USER)
    assert (account.state, account.actable) == (AccountState.ACTIVE, False)
