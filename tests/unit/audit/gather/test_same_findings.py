"""An audit that reads fewer accounts, or rooms before the user list, has the same findings."""

from __future__ import annotations

import re
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from synadmin.audit import runner
from synadmin.audit.baseline import Baseline
from synadmin.audit.config import Config
from synadmin.audit.facts import RoomFacts
from synadmin.audit.findings import Finding
from synadmin.audit.gather import account_index, coverage, room_facts
from synadmin.audit.gather.gatherer import Gatherer
from synadmin.audit.gather.prefetch import Prefetcher
from synadmin.audit.report.json import new_findings
from synadmin.client import Synapse
from tests.unit.audit.gather.random_server import RandomServer, is_second_page

if TYPE_CHECKING:
    from tests.unit.stub import Request, Stub


def audited(url: str, *only: str, all_accounts: bool) -> list[dict[str, Any]]:
    """Return the findings of an audit of all rooms; ``all_accounts`` reads each power holder."""
    config = Config()
    rules = runner.within(config.enabled(only=only), ["rooms"])
    with Synapse(url, token="syt_token") as synapse:
        prefetcher = Prefetcher(synapse, concurrency=4)
        try:
            gatherer = Gatherer(prefetcher, runner.needs_of(rules, config))
            # To count controllers, the gatherer reads the accounts of all of them.
            result = runner.audit(gatherer, rules, config, Baseline(), count_controllers=all_accounts)
        finally:
            prefetcher.close()
    assert not result.report.errors
    assert not result.report.skipped
    return list(new_findings(result.report))


def account_requests(stub: Stub) -> int:
    count = sum(request.target.startswith("/_synapse/admin/v2/users/") for request in stub.requests)
    stub.requests.clear()
    return count


@pytest.mark.parametrize(
    ("few", "sample"),
    [(1000, 1), (0, 1), (0, 10**30)],
    ids=["small server", "more rooms than accounts", "whole state"],
)
@pytest.mark.parametrize("seed", range(3))
def test_lazy_account_details_give_the_same_findings(
    stub: Stub, monkeypatch: pytest.MonkeyPatch, seed: int, few: int, sample: int
) -> None:
    monkeypatch.setattr(account_index, "FEW", few)
    monkeypatch.setattr(room_facts, "FEW_ROOMS", few)
    monkeypatch.setattr(room_facts, "SAMPLE", 1)
    RandomServer(stub, seed).build()
    expected = audited(stub.url, all_accounts=True)
    all_requests = account_requests(stub)
    assert len({finding["rule"] for finding in expected}) > 8, "the rooms are too similar for this test"
    monkeypatch.setattr(room_facts, "SAMPLE", sample)
    assert audited(stub.url, all_accounts=False) == expected
    assert account_requests(stub) <= all_requests
    assert audited(stub.url, all_accounts=True) == expected
    account_requests(stub)
    for rule in ("single-controller", "inactive-controller", "owner-gone"):
        expected_of_rule = audited(stub.url, rule, all_accounts=True)
        account_requests(stub)
        assert audited(stub.url, rule, all_accounts=False) == expected_of_rule


@pytest.mark.parametrize("all_accounts", [True, False])
def test_early_rooms_give_the_same_findings(
    stub: Stub, monkeypatch: pytest.MonkeyPatch, *, all_accounts: bool
) -> None:
    monkeypatch.setattr(account_index, "FEW", 0)
    monkeypatch.setattr(room_facts, "FEW_ROOMS", 0)
    server = RandomServer(stub, seed=7)
    server.build()
    expected = audited(stub.url, all_accounts=all_accounts)
    server.delay_the_user_list()
    assert audited(stub.url, all_accounts=all_accounts) == expected


def test_finding_is_reported_before_the_next_room_is_checked(stub: Stub) -> None:
    RandomServer(stub, seed=9).build()
    rules = runner.within(Config().enabled(), ["rooms"])
    events: list[RoomFacts | Finding] = []
    with Synapse(stub.url, token="syt_token") as synapse:
        prefetcher = Prefetcher(synapse, concurrency=4)
        try:
            result = runner.audit(
                Gatherer(prefetcher, runner.needs_of(rules, Config())),
                rules,
                Config(),
                Baseline(),
                checked=lambda facts: events.append(facts) if isinstance(facts, RoomFacts) else None,
                found=events.append,
            )
        finally:
            prefetcher.close()
    for number, event in enumerate(events):
        if isinstance(event, Finding):
            following = next(later for later in events[number:] if isinstance(later, RoomFacts))
            assert event.subject == following.subject
    found = [event for event in events if isinstance(event, Finding)]
    assert len(found) > 1
    assert {finding.key for finding in found} == {item.finding.key for item in result.report.findings}


def test_early_findings_are_kept_at_the_time_limit(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_index, "FEW", 0)
    RandomServer(stub, seed=8).build()
    release = threading.Event()

    def hold(request: Request) -> None:
        if is_second_page(request):
            assert release.wait(30)

    stub.on_request = hold
    hour = 3600
    needs = runner.needs_of(runner.within(Config().enabled(), ["rooms"]), Config())
    with Synapse(stub.url, token="syt_token") as synapse:
        prefetcher = Prefetcher(synapse, concurrency=4)
        try:
            gatherer = Gatherer(prefetcher, needs, until=time.monotonic() + hour)
            rooms = gatherer.rooms(lambda _: True)
            first = next(rooms)
            assert not first.controllers
            later = SimpleNamespace(monotonic=lambda: time.monotonic() + 2 * hour)
            monkeypatch.setattr(coverage, "time", later)
            assert list(rooms) == []
        finally:
            release.set()
            prefetcher.close()
    reasons = [skipped.reason for skipped in gatherer.coverage.skipped]
    with_list = re.compile(r"the time limit was reached before \d+ rooms could be checked with the user list")
    assert any(map(with_list.fullmatch, reasons)), reasons
