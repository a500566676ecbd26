"""The rate limits of the token's owner are as they were, whatever the server answers in between."""

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
NONE = json_reply({})
LIFTED = json_reply({"messages_per_second": 0, "burst_count": 0})
EARLIER = json_reply({"messages_per_second": 5, "burst_count": 50})


def lifted(stub: Stub, journal: Journal, said: list[str] | None = None) -> None:
    """Lift the limits and put them back."""
    with (
        Synapse(stub.url, token="syt_token", journal=journal) as synapse,
        Impersonation(synapse) as sessions,
        TemporaryChanges(synapse, sessions, journal, (said if said is not None else []).append) as temporary,
    ):
        rate_limits.lift(synapse, temporary)


def sent(stub: Stub) -> list[tuple[str, object]]:
    """What was sent to the override, looks left out."""
    return [
        (one.method, one.json if one.body else None)
        for one in stub.requests
        if one.target == PATH and one.method != "GET"
    ]


def test_override_is_removed_where_there_was_none(stub: Stub, journal: Journal) -> None:
    stub.on(PATH, NONE, LIFTED, NONE)
    lifted(stub, journal)
    assert sent(stub) == [("POST", {"messages_per_second": 0, "burst_count": 0}), ("DELETE", None)]
    assert unrestored(journal.path, stub.url) == []


def test_earlier_override_is_restored(stub: Stub, journal: Journal) -> None:
    stub.on(PATH, EARLIER, LIFTED, EARLIER)
    lifted(stub, journal)
    assert sent(stub)[-1] == ("POST", {"messages_per_second": 5, "burst_count": 50})
    assert unrestored(journal.path, stub.url) == []


def test_lifted_limits_are_unchanged(stub: Stub, journal: Journal) -> None:
    stub.on(PATH, LIFTED)
    lifted(stub, journal)
    assert sent(stub) == []


def test_refused_override_needs_no_restoration(stub: Stub, journal: Journal) -> None:
    stub.on(PATH, NONE, refused(403, "M_FORBIDDEN"), NONE)
    with pytest.raises(SynadminError, match="M_FORBIDDEN"):
        lifted(stub, journal)
    assert [method for method, _ in sent(stub)] == ["POST"]
    assert unrestored(journal.path, stub.url) == []


@pytest.mark.parametrize("lost", [BROKEN, refused(500, "M_UNKNOWN")])
def test_override_with_a_lost_answer_is_restored(
    stub: Stub, journal: Journal, naps: list[float], lost: Reply
) -> None:
    # A POST to it may be repeated, so it takes four lost answers.
    stub.on(PATH, NONE, lost, lost, lost, lost, NONE)
    if lost is not BROKEN:
        stub.on(PATH, NONE, lost, NONE)
    with pytest.raises(SynadminError):
        lifted(stub, journal)
    assert sent(stub)[-1] == ("DELETE", None)
    assert unrestored(journal.path, stub.url) == []
    assert len(naps) == (3 if lost is BROKEN else 0)


def test_failed_restoration_is_reported_and_kept_for_the_next_run(stub: Stub, journal: Journal) -> None:
    # Lifted, not reverted, read; and all of it again at the end.
    stub.on(
        PATH,
        NONE,
        LIFTED,
        refused(403, "M_FORBIDDEN", "not any more"),
        LIFTED,
        refused(403, "M_FORBIDDEN", "not any more"),
        LIFTED,
    )
    said: list[str] = []
    with pytest.raises(SynadminError, match="not reverted"):
        lifted(stub, journal, said)
    assert any("not any more" in line for line in said)
    (left,) = unrestored(journal.path, stub.url)
    assert left["restoring"]["method"] == "DELETE"
