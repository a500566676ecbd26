"""The number of requests of a gatherer, and the errors that end it."""

from __future__ import annotations

import pytest

from synadmin.audit.gather import account_index, room_facts
from synadmin.audit.rules import RULES
from synadmin.errors import NotPermittedError
from tests.standin import LOST, running
from tests.unit.audit.gather.gathering import (
    LEVELS,
    ROOMS,
    STATE,
    USERS,
    gathering,
    one_room,
    only_room,
    request_counts,
)
from tests.unit.stub import Stub, json_reply, refused

WHOLE_STATE = "/_synapse/admin/v1/rooms/…/state"


def test_room_costs_one_request_and_a_power_holder_two() -> None:
    with running("--rooms", str(ROOMS), "--users", str(USERS)) as url:
        with gathering(url, "ghost-power") as gatherer:
            rooms = list(gatherer.rooms())
        counts = {
            kind: count for kind, count in request_counts(url).items() if "rooms" in kind or "users" in kind
        }
    assert len(rooms) == ROOMS
    assert gatherer.coverage.skipped == []
    assert counts == {
        LEVELS: ROOMS,
        "/_synapse/admin/v2/users/…": USERS,
        "/_synapse/admin/v1/users/…/joined_rooms": USERS,
    }


def test_room_with_three_controllers_reads_at_most_one_account() -> None:
    """One controller who is not suspended is enough; the user list lacks this state."""
    options = ("--rooms", str(ROOMS), "--users", str(4 * ROOMS), "--members", "3", "--direct", "100")
    with running(*options) as url:
        with gathering(url) as gatherer:
            rooms = list(gatherer.rooms(lambda _: False))
        counts = request_counts(url)
    lost = [facts for facts in rooms if not facts.controllers]
    assert len(lost) == ROOMS // LOST
    assert sum(len(facts.controllers) for facts in rooms) == 3 * (ROOMS - len(lost))
    of_caller = 1  # the caller, who would regain lost rooms
    assert counts["/_synapse/admin/v2/users/…"] <= ROOMS + of_caller
    assert ROOMS <= counts[LEVELS] + counts[WHOLE_STATE] <= ROOMS + len(lost)
    assert "/_synapse/admin/v1/rooms/…/members" not in counts


def test_small_room_of_many_accounts_costs_its_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """One request reads all members; the joined rooms of users are read for a sample only."""
    monkeypatch.setattr(account_index, "FEW", 0)
    monkeypatch.setattr(room_facts, "SAMPLE", 10**30)
    options = ("--rooms", str(ROOMS), "--users", str(2 * ROOMS), "--direct", "60")
    with running(*options) as url:
        with gathering(url) as gatherer:
            rooms = list(gatherer.rooms(lambda _: False))
        counts = request_counts(url)
    prefetched = counts.get(LEVELS, 0)
    lost = [facts.room_id for facts in rooms if not facts.controllers]
    assert lost == [f"!{number}:big.example" for number in range(0, ROOMS, LOST)]
    assert prefetched <= 64
    assert ROOMS - prefetched <= counts[WHOLE_STATE] <= ROOMS - prefetched + len(lost)
    assert counts.get("/_synapse/admin/v1/users/…/joined_rooms", 0) <= 2 * prefetched


def test_older_synapse_gets_requests_that_it_supports(stub: Stub) -> None:
    with one_room(stub) as gatherer:
        stub.on("/_synapse/admin/v3/users", refused(404, "M_UNRECOGNIZED"))
        stub.on(
            "/_synapse/admin/v2/users", json_reply({"users": [{"name": "@alice:example.org"}], "total": 1})
        )
        assert only_room(gatherer).controllers == ("@alice:example.org",)


def test_token_without_admin_rights_ends_the_audit(stub: Stub) -> None:
    with one_room(stub) as gatherer:
        stub.on(STATE, refused(403, "M_FORBIDDEN", "You are not a server admin"))
        with pytest.raises(NotPermittedError):
            list(gatherer.rooms())


def test_missing_operation_is_not_a_failure(stub: Stub) -> None:
    """An old Synapse has none of these operations."""
    rules = [rule.ID for rule in RULES]
    with gathering(stub.url, *rules) as gatherer:
        facts = gatherer.server()
    assert facts.tokens is None
    assert all(skipped.gone for skipped in gatherer.coverage.skipped)


def test_only_the_start_of_a_registration_token_is_kept(stub: Stub) -> None:
    token = {"token": "open-sesame", "uses_allowed": None, "pending": 0, "completed": 3, "expiry_time": None}
    stub.on("/_synapse/admin/v1/registration_tokens", json_reply({"registration_tokens": [token]}))
    with gathering(stub.url, "open-registration-token") as gatherer:
        facts = gatherer.server()
    assert "sesame" not in repr(facts)
    assert facts.tokens is not None
    assert [
        (token_facts.unlimited, token_facts.expires, token_facts.used) for token_facts in facts.tokens
    ] == [(True, None, 3)]
