"""Running an audit: the same for the command line and the library."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from synadmin.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from synadmin.audit.baseline import Baseline
    from synadmin.audit.config import Config
    from synadmin.audit.facts import DelegationFacts, Facts, HeirFacts, RoomFacts
    from synadmin.audit.findings import Finding
    from synadmin.audit.gather.coverage import Coverage
    from synadmin.audit.gather.prefetch import Prefetcher
    from synadmin.audit.rules import Rule
    from synadmin.audit.runner import AuditResult
    from synadmin.client import Synapse
    from synadmin.ids import UserId

_LONGEST_DELEGATION = 30.0  # seconds for the check of the server's own name


@dataclass(frozen=True, slots=True)
class AuditRun:
    """The rules of an audit, with their options.

    Attributes:
        rules: the rules.
        config: their options, and the findings to ignore.
        baseline: the findings that are known already.
        until: the time at which it stops, by the monotonic clock, in seconds.
        count_controllers: count how many rooms each user controls.
        without: accounts that are treated as deactivated.
        control: a control file, whose heirs are announced.
    """

    rules: "tuple[Rule, ...]"
    config: "Config"
    baseline: "Baseline"
    until: float | None = None
    count_controllers: bool = False
    without: "Collection[UserId]" = ()
    control: "Path | None" = None


@contextmanager
def prefetching(synapse: "Synapse", concurrency: int, *, begin: bool = False) -> "Iterator[Prefetcher]":
    """Send the first requests while the rest of the program is imported.

    Args:
        synapse: the server.
        concurrency: how many requests may be under way at once.
        begin: request the rooms now.
    """
    from synadmin.audit.gather.prefetch import Prefetcher
    from synadmin.parallel import on_one_core

    with on_one_core():
        prefetcher = Prefetcher(synapse, concurrency=concurrency)
        try:
            if begin:
                prefetcher.begin()
            yield prefetcher
        finally:
            prefetcher.close()


def rules_of(
    config: "Config", scopes: Collection[str], only: Collection[str], skip: Collection[str]
) -> "tuple[Rule, ...]":
    """Return the rules to run.

    Raises:
        UsageError: no rule is left, or there is no such scope.
    """
    from synadmin.audit.runner import SCOPES, within

    for scope in scopes:
        if scope not in SCOPES:
            raise UsageError(f"{scope!a} is not one of {', '.join(SCOPES)}")
    rules = within(config.enabled(only=tuple(only), skip=tuple(skip)), scopes)
    if not rules:
        raise UsageError("these options leave no rule to run")
    return rules


def run(
    prefetcher: "Prefetcher",
    order: AuditRun,
    *,
    timeout: float,
    ca_file: str | None,
    progress: "Callable[[Coverage], Callable[[Facts], None]]" = lambda _: lambda _: None,
    found: "Callable[[Finding], None]" = lambda _: None,
) -> "AuditResult":
    """Gather the facts and run the rules.

    Args:
        prefetcher: sends the requests.
        order: the rules to run, with their options.
        timeout: seconds for an answer of the check of the server's own name.
        ca_file: certificates to trust there.
        progress: gets the coverage of the audit; returns a function that is called with each fact.
        found: is called with each new finding.
    """
    from synadmin.audit import runner
    from synadmin.audit.facts import Need
    from synadmin.audit.gather.gatherer import Gatherer

    needs = runner.needs_of(order.rules, order.config)
    delegation = _delegation(timeout, ca_file) if Need.DELEGATION in needs else None
    gatherer = Gatherer(
        prefetcher,
        needs,
        until=order.until,
        delegation=delegation,
        update_at_baseline=order.baseline.update_running,
        without=order.without,
        heirs=None if order.control is None else _heirs(prefetcher, order.control),
    )
    return runner.audit(
        gatherer,
        order.rules,
        order.config,
        order.baseline,
        count_controllers=order.count_controllers,
        checked=progress(gatherer.coverage),
        found=found,
    )


def _heirs(prefetcher: "Prefetcher", path: "Path") -> "Callable[[RoomFacts], HeirFacts | None]":
    from synadmin.control import file, look, selection
    from synadmin.control.heirs import HeirNotices

    synapse = prefetcher.synapse
    found = selection.select(synapse, file.read(path))
    return look.heir_facts(found.targets, HeirNotices.of(synapse.transport.homeserver), str(path.absolute()))


def _delegation(timeout: float, ca_file: str | None) -> "Callable[[str], DelegationFacts]":
    from synadmin.audit.facts import DelegationFacts
    from synadmin.delegation import check

    def check_server(server_name: str) -> DelegationFacts:
        report = check(server_name, timeout=min(timeout, _LONGEST_DELEGATION), ca_file=ca_file)
        verdict: Literal["ok", "degraded", "broken"]
        verdict = "broken" if report.verdict == "broken" else "ok" if report.verdict == "ok" else "degraded"
        return DelegationFacts(verdict=verdict, message=report.message)

    return check_server
