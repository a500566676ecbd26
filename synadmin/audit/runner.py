"""Rules over facts: a report, and whether it is the whole truth."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from synadmin.audit.baseline import Baseline
from synadmin.audit.config import Config, Ignored
from synadmin.audit.facts import DAY, AccountFacts, Facts, IgnoreFacts, RoomFacts, ServerFacts
from synadmin.audit.findings import Finding, Subject
from synadmin.audit.gather.coverage import Wanted
from synadmin.audit.gather.gatherer import Gatherer
from synadmin.audit.gather.server_facts import ADMIN_RULES
from synadmin.audit.report import Report, Reported, RuleError, Skipped
from synadmin.audit.rules import Rule
from synadmin.errors import SettingsError
from synadmin.ids import UserId

SCOPES = ("rooms", "users", "server")
_MOST_CRASHES = 10  # of one rule; then it has shown what it does


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an audit ended.

    Attributes:
        report: what it found.
        complete: all was looked at that was asked for, and no rule crashed.
        baseline: the baseline that follows on it.
    """

    report: Report
    complete: bool
    baseline: Baseline


def scope_of(rule: Rule) -> str | None:
    """Return what a rule is about: one of :data:`SCOPES`; None where it is about the audit itself."""
    if rule.SUBJECT is RoomFacts:
        return "rooms"
    if rule.SUBJECT is AccountFacts or rule.ID in ADMIN_RULES:
        return "users"
    return "server" if rule.SUBJECT is ServerFacts else None


def within(rules: Iterable[Rule], scopes: Collection[str]) -> tuple[Rule, ...]:
    """Return the rules that are about what is asked for; all of them where nothing is said."""
    return tuple(rule for rule in rules if not scopes or scope_of(rule) in {*scopes, None})


def wanted(rules: Sequence[Rule], config: Config) -> Wanted:
    """Return what is to be gathered for these rules."""
    options = {rule.ID: config.options(rule) for rule in rules}
    return Wanted(
        rules=frozenset(options),
        extremities=options.get("complex-room", {}).get("look_at_extremities", False),
        tombstones=options.get("tombstoned-with-members", {}).get("look_at_every_room", False),
        creators=options.get("ghost-power", {}).get("look_at_creators", False),
        failing=options.get("failing-destination", {}).get("days", 0) * DAY,
        dormant=options.get("dormant-account", {}).get("days", 0) * DAY,
    )


def audit(
    gatherer: Gatherer,
    rules: Sequence[Rule],
    config: Config,
    baseline: Baseline,
    *,
    count_controllers: bool = False,
    looked: Callable[[Facts], None] = lambda _: None,
) -> Outcome:
    """Look at everything that the rules are about.

    Args:
        gatherer: what looks.
        rules: what is looked for.
        config: their options, and what is to be ignored.
        baseline: what is known already; empty where everything is news.
        count_controllers: count who controls how many rooms, which takes memory for each of them.
        looked: is told of each thing that was looked at.

    Raises:
        SynadminError: nothing could be looked at, or not any more.
        SettingsError: the baseline is another server's.
    """
    if baseline.server_name not in {None, gatherer.server_name}:
        message = f"the baseline is of {baseline.server_name}, and this is {gatherer.server_name}"
        raise SettingsError(message)
    run = _Run(config, Ignored(config.ignores), rules, count_controllers=count_controllers)
    update_running = baseline.update_running
    for facts in _everything(gatherer, run):
        run.check(facts)
        looked(facts)
        if isinstance(facts, ServerFacts) and "stuck-background-update" in run.order:
            update_running = facts.update_running
    complete = all(missed.gone for missed in gatherer.coverage.missed) and not run.errors
    if complete:
        about_the_audit = {rule.ID for rule in run.about(IgnoreFacts)}
        for ignore in run.ignored.facts(run.order.keys() - about_the_audit):
            run.check(ignore)
        complete = not run.errors
    return run.outcome(gatherer, baseline, complete=complete, update_running=update_running)


def _everything(gatherer: Gatherer, run: "_Run") -> Iterator[RoomFacts | AccountFacts | ServerFacts]:
    """Yield all facts that there is a rule for."""
    if run.about(RoomFacts):
        yield from gatherer.rooms()
    if run.about(AccountFacts):
        yield from gatherer.users()
    if run.about(ServerFacts):
        yield gatherer.server()


@dataclass
class _Run:
    config: Config
    ignored: Ignored
    rules: Sequence[Rule]
    count_controllers: bool
    found: dict[tuple[str, ...], Finding] = field(default_factory=dict)
    set_aside: set[tuple[str, ...]] = field(default_factory=set)
    errors: list[RuleError] = field(default_factory=list)
    crashes: Counter[str] = field(default_factory=Counter)
    controllers: Counter[UserId] = field(default_factory=Counter)
    _options: dict[str, Any] = field(default_factory=dict)
    _by_subject: dict[type, Sequence[Rule]] = field(default_factory=dict)

    @cached_property
    def order(self) -> Mapping[str, int]:
        """The ids of the rules, and their places."""
        return {rule.ID: place for place, rule in enumerate(self.rules)}

    def about(self, subject: type) -> Sequence[Rule]:
        """Return the rules that are about this kind of facts."""
        if subject not in self._by_subject:
            self._by_subject[subject] = [rule for rule in self.rules if rule.SUBJECT is subject]
        return self._by_subject[subject]

    def check(self, facts: Facts) -> None:
        """Have the rules look at one thing."""
        if self.count_controllers and isinstance(facts, RoomFacts):
            self.controllers.update(facts.controllers)
        for rule in self.about(type(facts)):
            if self.crashes[rule.ID] < _MOST_CRASHES:
                for finding in self._findings(rule, facts):
                    judged = self.config.judged(finding)
                    if self.ignored.covers(judged):
                        self.set_aside.add(judged.key)
                    else:
                        self.found[judged.key] = judged

    def _findings(self, rule: Rule, facts: Facts) -> Iterator[Finding]:
        options = self._options.get(rule.ID)
        if options is None:
            options = self._options[rule.ID] = self.config.options(rule)
        try:
            yield from rule.check(facts, options)
        except Exception as error:  # noqa: BLE001  whatever it is, the other rules have a right to run
            self.crashes[rule.ID] += 1
            self.errors.append(RuleError(rule=rule.ID, subject=_subject(facts), error=_words(error)))

    def outcome(
        self,
        gatherer: Gatherer,
        baseline: Baseline,
        *,
        complete: bool,
        update_running: str | None,
    ) -> Outcome:
        """Return what has come of it."""
        order = self.order
        findings = sorted(
            self.found.values(),
            key=lambda one: (-one.severity.rank, order.get(one.rule, 0), one.subject.name or one.subject.id),
        )
        # Of what was not looked at nobody knows whether it is solved.
        solved = [
            finding
            for key, finding in baseline.findings.items()
            if complete and finding.rule in order and key not in self.found and key not in self.set_aside
        ]
        finished = gatherer.coverage.clock()
        report = Report(
            server_name=gatherer.server_name,
            started_at=gatherer.coverage.now,
            finished_at=finished,
            checked=gatherer.coverage.checked,
            skipped=[Skipped(subject=one.subject, reason=one.reason) for one in gatherer.coverage.missed],
            findings=[Reported(finding, finding.key not in baseline.findings) for finding in findings],
            solved=solved,
            errors=self.errors,
            history=baseline.history,
            controllers=self.controllers,
            rules=tuple(order),
        )
        after = baseline.after(
            server_name=gatherer.server_name,
            found=findings,
            ran=order,
            at=finished,
            update_running=update_running,
        )
        return Outcome(report, complete, after)


def _subject(facts: Facts) -> Subject:
    return Subject("ignore", facts.subject, facts.rule) if isinstance(facts, IgnoreFacts) else facts.subject


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
