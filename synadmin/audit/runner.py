"""Run the rules over the facts: the report, and whether it covers everything."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from synadmin.audit.baseline import Baseline
from synadmin.audit.config import Config, Ignored
from synadmin.audit.facts import AccountFacts, Facts, IgnoreFacts, Need, RoomFacts, ServerFacts
from synadmin.audit.findings import Finding, Subject
from synadmin.audit.gather.coverage import Needs, is_fatal
from synadmin.audit.gather.gatherer import Gatherer
from synadmin.audit.report import ControlledRoom, Report, Reported, RuleError
from synadmin.audit.rules import Rule, findings_of, subject_of
from synadmin.errors import SettingsError, SynadminError
from synadmin.ids import RoomId, UserId

F = TypeVar("F", RoomFacts, AccountFacts)

SCOPES = ("rooms", "users", "server")
_MOST_CRASHES = 10  # of one rule: after them the rule is not run again


@dataclass(frozen=True, slots=True)
class AuditResult:
    """The result of an audit.

    Attributes:
        complete: everything that was to be checked was checked, and no rule crashed.
        baseline: the baseline that follows.
    """

    report: Report
    complete: bool
    baseline: Baseline


def scope_of(rule: Rule) -> str | None:
    """Return what a rule is about: one of :data:`SCOPES`; None where it is about the audit itself."""
    if rule.SUBJECT is RoomFacts:
        return "rooms"
    if rule.SUBJECT is AccountFacts or Need.SERVER_ADMINS in rule.NEEDS:
        return "users"
    return "server" if rule.SUBJECT is ServerFacts else None


def within(rules: Iterable[Rule], scopes: Collection[str]) -> tuple[Rule, ...]:
    """Return the rules about these scopes; all rules if no scope is given."""
    return tuple(rule for rule in rules if not scopes or scope_of(rule) in {*scopes, None})


def needs_of(rules: Sequence[Rule], config: Config) -> Needs:
    """Return what these rules need, each with the options of the rules that need it."""
    options: dict[Need, dict[str, Any]] = {}
    for rule in rules:
        for need in rule.NEEDS:
            options.setdefault(need, {}).update(config.options(rule))
    return Needs(options)


def audit(
    gatherer: Gatherer,
    rules: Sequence[Rule],
    config: Config,
    baseline: Baseline,
    *,
    count_controllers: bool = False,
    checked: Callable[[Facts], None] = lambda _: None,
    found: Callable[[Finding], None] = lambda _: None,
) -> AuditResult:
    """Check everything that the rules are about.

    Args:
        gatherer: gathers the facts.
        rules: the rules to run.
        config: their options, and the findings to ignore.
        baseline: the known findings; if empty, all findings are new.
        count_controllers: store the rooms that each user controls, which takes memory.
        checked: is called with the facts about each room, account and server.
        found: is called with each new finding, in the order in which rooms, accounts and server are checked.

    Raises:
        SynadminError: nothing could be checked.
        SettingsError: the baseline belongs to another server.
    """
    if baseline.server_name not in {None, gatherer.server_name}:
        raise SettingsError(f"the baseline is of {baseline.server_name}, and this is {gatherer.server_name}")

    def report(finding: Finding) -> None:
        if finding.key not in baseline.findings:
            found(finding)

    run = _Run(config, Ignored(config.ignores), rules, report, count_controllers=count_controllers)
    update_running = baseline.update_running
    for facts in _everything(gatherer, run):
        run.check(facts)
        checked(facts)
        if isinstance(facts, ServerFacts) and Need.BACKGROUND_UPDATES in gatherer.coverage.needs:
            update_running = facts.update_running
    complete = all(skipped.gone for skipped in gatherer.coverage.skipped) and not run.errors
    if complete:
        about_the_audit = {rule.ID for rule in run.about(IgnoreFacts)}
        for ignore in run.ignored.facts(run.order.keys() - about_the_audit):
            run.check(ignore)
        complete = not run.errors
    return run.outcome(gatherer, baseline, complete=complete, update_running=update_running)


def _everything(gatherer: Gatherer, run: "_Run") -> Iterator[RoomFacts | AccountFacts | ServerFacts]:
    """Yield the facts of each kind that has a rule; where one kind cannot be read, the others are yielded.

    Raises:
        NotPermittedError: the token is not a server admin's.
        SynadminError: nothing could be checked.
    """
    if run.about(RoomFacts):
        # To count rooms by controller, every controller has to be read.
        rooms = gatherer.rooms(None if run.count_controllers else run.finds, run.alike)
        yield from _as_far_as_possible(gatherer, "the rooms", rooms)
    if run.about(AccountFacts):
        yield from _as_far_as_possible(gatherer, "the accounts", gatherer.users())
    if run.about(ServerFacts):
        yield gatherer.server()


def _as_far_as_possible(gatherer: Gatherer, what: str, facts: Iterator[F]) -> Iterator[F]:
    try:
        yield from facts
    except SynadminError as error:
        if is_fatal(error) or not any(gatherer.coverage.checked.values()):
            raise
        gatherer.coverage.skip(Subject("server", gatherer.server_name), f"{what}: {error}")


@dataclass
class _Run:
    config: Config
    ignored: Ignored
    rules: Sequence[Rule]
    report: Callable[[Finding], None]
    count_controllers: bool
    found: dict[tuple[str, ...], Finding] = field(default_factory=dict)
    ignored_keys: set[tuple[str, ...]] = field(default_factory=set)
    errors: list[RuleError] = field(default_factory=list)
    crashes: Counter[str] = field(default_factory=Counter)
    controllers: dict[UserId, list[ControlledRoom]] = field(default_factory=lambda: defaultdict(list))
    without_findings: set[RoomId] = field(default_factory=set)
    _options: dict[str, Any] = field(default_factory=dict)
    _by_subject: dict[type, Sequence[Rule]] = field(default_factory=dict)

    @cached_property
    def order(self) -> Mapping[str, int]:
        """The ids of the rules with their positions."""
        return {rule.ID: place for place, rule in enumerate(self.rules)}

    def about(self, subject: type) -> Sequence[Rule]:
        """Return the rules about this kind of facts."""
        if subject not in self._by_subject:
            self._by_subject[subject] = [rule for rule in self.rules if rule.SUBJECT is subject]
        return self._by_subject[subject]

    def finds(self, facts: RoomFacts) -> bool:
        """Return whether a rule finds something in these facts, or crashes. Called from every thread."""
        try:
            for rule in self.about(RoomFacts):
                for _ in rule.check(facts, self._options_of(rule)):
                    return True
        except Exception:  # noqa: BLE001  it is reported when the rules are run
            return True
        self.without_findings.add(facts.room_id)
        return False

    def alike(self, first: RoomFacts, second: RoomFacts) -> bool:
        """Return whether the rules find the same in both rooms without an error. Called from every thread."""
        try:
            for rule in self.about(RoomFacts):
                options = self._options_of(rule)
                if list(rule.check(first, options)) != list(rule.check(second, options)):
                    return False
        except Exception:  # noqa: BLE001  it is reported when the rules are run
            return False
        return True

    def check(self, facts: Facts) -> None:
        """Run the rules over these facts."""
        if self.count_controllers and isinstance(facts, RoomFacts):
            for user in facts.controllers:
                self.controllers[user].append(ControlledRoom(facts.subject, len(facts.controllers) == 1))
        if isinstance(facts, RoomFacts) and facts.room_id in self.without_findings:
            # The rules have run over these facts already.
            self.without_findings.discard(facts.room_id)
            return
        for rule in self.about(type(facts)):
            if self.crashes[rule.ID] < _MOST_CRASHES:
                for finding in self._findings(rule, facts):
                    judged = self.config.judged(finding)
                    if self.ignored.covers(judged):
                        self.ignored_keys.add(judged.key)
                    else:
                        if judged.key not in self.found:
                            self.report(judged)
                        self.found[judged.key] = judged

    def _findings(self, rule: Rule, facts: Facts) -> Iterator[Finding]:
        try:
            yield from findings_of(rule, facts, self._options_of(rule))
        except Exception as error:  # noqa: BLE001  after any error, the other rules run
            self.crashes[rule.ID] += 1
            self.errors.append(
                RuleError(rule=rule.ID, subject=subject_of(facts), error=f"{type(error).__name__}: {error}")
            )

    def _options_of(self, rule: Rule) -> Mapping[str, Any]:
        options = self._options.get(rule.ID)
        if options is None:
            options = self._options[rule.ID] = self.config.options(rule)
        return options

    def outcome(
        self, gatherer: Gatherer, baseline: Baseline, *, complete: bool, update_running: str | None
    ) -> AuditResult:
        """Return the outcome: the report and the next baseline."""
        order = self.order
        findings = sorted(
            self.found.values(),
            key=lambda finding: (
                -finding.severity.rank,
                order.get(finding.rule, 0),
                finding.subject.name or finding.subject.id,
            ),
        )
        # A finding about a subject that was not checked may still hold.
        solved = [
            finding
            for key, finding in baseline.findings.items()
            if complete and finding.rule in order and key not in self.found and key not in self.ignored_keys
        ]
        finished = gatherer.coverage.clock()
        report = Report(
            server_name=gatherer.server_name,
            started_at=gatherer.coverage.now,
            finished_at=finished,
            checked=gatherer.coverage.checked,
            skipped=gatherer.coverage.skipped,
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
        return AuditResult(report, complete, after)
