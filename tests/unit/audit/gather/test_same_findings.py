"""What is asked of fewer accounts, or before the user list is there, finds the same."""

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


def audited(url: str, *only: str, everybody: bool) -> list[dict[str, Any]]:
    """What an audit of the rooms finds; ``everybody``: each user with power is asked about."""
    config = Config()
    rules = runner.within(config.enabled(only=only), ["rooms"])
    with Synapse(url, token="syt_token") as synapse:
        prefetcher = Prefetcher(synapse, concurrency=4)
        try:
            gatherer = Gatherer(prefetcher, runner.needs_of(rules, config))
            # Whoever is counted is asked about.
            result = runner.audit(gatherer, rules, config, Baseline(), count_controllers=everybody)
        finally:
            prefetcher.close()
    assert not result.report.errors
    assert not result.report.skipped
    return list(new_findings(result.report))


def asked_about(stub: Stub) -> int:
    asked = sum(request.target.startswith("/_synapse/admin/v2/users/") for request in stub.requests)
    stub.requests.clear()
    return asked


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
    right = audited(stub.url, everybody=True)
    of_everybody = asked_about(stub)
    assert len({finding["rule"] for finding in right}) > 8, "the rooms are too much alike to show anything"
    monkeypatch.setattr(room_facts, "SAMPLE", sample)
    assert audited(stub.url, everybody=False) == right
    assert asked_about(stub) <= of_everybody
    assert audited(stub.url, everybody=True) == right
    asked_about(stub)
    for rule in ("single-controller", "inactive-controller", "owner-gone"):
        alone = audited(stub.url, rule, everybody=True)
        asked_about(stub)
        assert audited(stub.url, rule, everybody=False) == alone


@pytest.mark.parametrize("everybody", [True, False])
def test_early_rooms_give_the_same_findings(
    stub: Stub, monkeypatch: pytest.MonkeyPatch, *, everybody: bool
) -> None:
    monkeypatch.setattr(account_index, "FEW", 0)
    monkeypatch.setattr(room_facts, "FEW_ROOMS", 0)
    server = RandomServer(stub, seed=7)
    server.build()
    right = audited(stub.url, everybody=everybody)
    server.hold_back_the_list()
    assert audited(stub.url, everybody=everybody) == right


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
    whole = threading.Event()

    def hold(request: Request) -> None:
        if is_second_page(request):
            assert whole.wait(30)

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
            whole.set()
            prefetcher.close()
    reasons = [skipped.reason for skipped in gatherer.coverage.skipped]
    with_list = re.compile(r"the time limit was reached before \d+ rooms could be checked with the user list")
    assert any(map(with_list.fullmatch, reasons)), reasons
