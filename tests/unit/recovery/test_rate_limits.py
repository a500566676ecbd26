"""The rate limits of the token's owner are restored, whatever the server answers."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from synadmin.client import Synapse
from synadmin.errors import SynadminError
from synadmin.journal import Journal, unrestored
from synadmin.recovery import rate_limits
from synadmin.recovery.impersonation import Impersonation
from synadmin.recovery.temporary_changes import TemporaryChanges
from tests.unit.stub import ADMIN, BROKEN, Reply, Stub, json_reply, refused

PATH = f"/_synapse/admin/v1/users/{quote(ADMIN, safe='')}/override_ratelimit"
NO_OVERRIDE = json_reply({})
LIFTED = json_reply({"messages_per_second": 0, "burst_count": 0})
EARLIER = json_reply({"messages_per_second": 5, "burst_count": 50})


def lift_and_restore(stub: Stub, journal: Journal, messages: list[str] | None = None) -> None:
    """Lift the rate limits and restore them."""
    with (
        Synapse(stub.url, token="syt_token", journal=journal) as synapse,
        Impersonation(synapse) as sessions,
        TemporaryChanges(
            synapse, sessions, journal, (messages if messages is not None else []).append
        ) as temporary,
    ):
        rate_limits.lift(synapse, temporary)


def sent(stub: Stub) -> list[tuple[str, object]]:
    """Return the method and body of each request that changes the override."""
    return [
        (request.method, request.json if request.body else None)
        for request in stub.requests
        if request.target == PATH and request.method != "GET"
    ]


def test_override_is_removed_where_there_was_none(stub: Stub, journal: Journal) -> None:
    stub.on(PATH, NO_OVERRIDE, LIFTED, NO_OVERRIDE)
    lift_and_restore(stub, journal)
    assert sent(stub) == [("POST", {"messages_per_second": 0, "burst_count": 0}), ("DELETE", None)]
    assert unrestored(journal.path, stub.url) == []


def test_earlier_override_is_restored(stub: Stub, journal: Journal) -> None:
    stub.on(PATH, EARLIER, LIFTED, EARLIER)
    lift_and_restore(stub, journal)
    assert sent(stub)[-1] == ("POST", {"messages_per_second": 5, "burst_count": 50})
    assert unrestored(journal.path, stub.url) == []


def test_lifted_limits_are_unchanged(stub: Stub, journal: Journal) -> None:
    stub.on(PATH, LIFTED)
    lift_and_restore(stub, journal)
    assert sent(stub) == []


def test_refused_override_needs_no_restoration(stub: Stub, journal: Journal) -> None:
    stub.on(PATH, NO_OVERRIDE, refused(403, "M_FORBIDDEN"), NO_OVERRIDE)
    with pytest.raises(SynadminError, match="M_FORBIDDEN"):
        lift_and_restore(stub, journal)
    assert [method for method, _ in sent(stub)] == ["POST"]
    assert unrestored(journal.path, stub.url) == []


@pytest.mark.parametrize("lost", [BROKEN, refused(500, "M_UNKNOWN")])
def test_override_with_a_lost_answer_is_restored(
    stub: Stub, journal: Journal, naps: list[float], lost: Reply
) -> None:
    # The POST is retried, so four answers have to be lost.
    stub.on(PATH, NO_OVERRIDE, lost, lost, lost, lost, NO_OVERRIDE)
    if lost is not BROKEN:
        stub.on(PATH, NO_OVERRIDE, lost, NO_OVERRIDE)
    with pytest.raises(SynadminError):
        lift_and_restore(stub, journal)
    assert sent(stub)[-1] == ("DELETE", None)
    assert unrestored(journal.path, stub.url) == []
    assert len(naps) == (3 if lost is BROKEN else 0)


def test_failed_restoration_is_reported_and_kept_for_the_next_run(stub: Stub, journal: Journal) -> None:
    # The revert is refused and read back, during the run and again at its end.
    stub.on(
        PATH,
        NO_OVERRIDE,
        LIFTED,
        refused(403, "M_FORBIDDEN", "not any more"),
        LIFTED,
        refused(403, "M_FORBIDDEN", "not any more"),
        LIFTED,
    )
    messages: list[str] = []
    with pytest.raises(SynadminError, match="not reverted"):
        lift_and_restore(stub, journal, messages)
    assert any("not any more" in line for line in messages)
    (left,) = unrestored(journal.path, stub.url)
    assert left["restoring"]["method"] == "DELETE"
