"""The results of a change: one record for each target, one summary sentence, one exit code.

:func:`carry_out` runs a change of one or more targets: preview, question, change, report.
``room make-admin`` and ``room transfer`` have plans of many steps, and use only :class:`Outcomes`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

import click

from synadmin.cli.confirm import confirm
from synadmin.cli.exit_codes import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_PARTLY,
    EXIT_REFUSED,
    exit_code,
)
from synadmin.cli.invocation import Invocation
from synadmin.cli.output import Output
from synadmin.cli.progress import progress
from synadmin.cli.targets import Kind, Targets, naming
from synadmin.columns import Column
from synadmin.errors import (
    ConnectError,
    JournalError,
    NotAuthenticatedError,
    RefusedError,
    ReplyError,
    SynadminError,
    UnfinishedError,
)

if TYPE_CHECKING:
    from synadmin.client import Synapse

T = TypeVar("T")
Record = Mapping[str, Any]
Act = Callable[["Synapse", str], Record]

_ASK_FROM = 4  # targets: for more than three targets, every change has a question
_MOST_REFUSALS = 20  # the most refusals that are listed before a question
_ORDER = ("planned", "done", "unchanged", "pending", "partly", "refused", "failed", "unknown")
_CHANGED = {"planned", "partly"}  # outcomes of the preview for targets that the run would change
_CODES = {"refused": EXIT_REFUSED, "failed": EXIT_FAILED, "partly": EXIT_PARTLY, "unknown": EXIT_FAILED}


class NotAsAskedError(SynadminError):
    """The server accepted a change, but the state read back differs from it."""


class StillUnderWayError(SynadminError):
    """The server has started the change, and has not finished it yet."""


def unchanged(message: str = "nothing to change", **fields: object) -> Record:
    """Return the record of a target that already has the requested state."""
    return {"outcome": "unchanged", "message": message, **fields}


def done(holds: str, *, to_come: str | None = None, **fields: object) -> Record:
    """Return the record of a target that was changed, with its state after the change.

    The outcome is ``pending`` where ``to_come`` names work that is not finished.
    """
    if to_come is not None:
        return {"outcome": "pending", "message": to_come, **fields}
    return {"message": holds, **fields}


@dataclass
class Outcomes:
    """The outcomes of the targets of one command, each counted once.

    Attributes:
        kind: the kind of the targets.
        total: the number of targets.
        mixed: the exit code where some targets were refused, some failed, and none is done.
        counts: the number of targets by outcome.
        codes: the exit code of each target.
        possible: the number of refused targets by the ``--allow`` that they need.
        finished: the number of targets that need no further run: they are done or refused.
        names: the names of the finished targets on the command line.
    """

    kind: Kind
    total: int
    mixed: int = EXIT_FAILED
    counts: Counter[str] = field(default_factory=Counter)
    codes: list[int] = field(default_factory=list)
    possible: Counter[str] = field(default_factory=Counter)
    finished: int = 0
    names: set[str] = field(default_factory=set)

    def add(
        self, outcome: str, code: int | None = None, *, allow: str | None = None, names: Iterable[str] = ()
    ) -> None:
        """Count a target.

        Args:
            outcome: its outcome.
            code: its exit code; that of the outcome where it is None.
            allow: for a refused target, the ``--allow`` that it needs.
            names: its names on the command line.
        """
        self.counts[outcome] += 1
        code = _CODES.get(outcome, EXIT_DONE) if code is None else code
        self.codes.append(code)
        if code in {EXIT_DONE, EXIT_REFUSED}:
            self.finished += 1
            self.names.update(names)
        if allow is not None:
            self.possible[allow] += 1

    @property
    def summary(self) -> str:
        """The summary sentence: ``18 rooms: 6 done, 1 unchanged, 11 refused.``."""
        left = self.total - len(self.codes)
        if not left and set(self.counts) == {"done", "failed"}:
            return f"{self.counts['done']} of {self.total} succeeded, {self.counts['failed']} failed."
        parts = self.parts(*_ORDER) + ([f"{left} not started"] if left else [])
        return f"{self.kind.counted(self.total)}: {', '.join(parts)}."

    def parts(self, *outcomes: str) -> list[str]:
        """Return the counts of these outcomes: ``6 done``, ``11 refused (9 possible with …)``."""
        allowed = [f"{number} possible with --allow {allow}" for allow, number in self.possible.items()]
        note = f" ({', '.join(allowed)})" if allowed else ""
        return [
            f"{self.counts[outcome]} {outcome}{note if outcome == 'refused' else ''}"
            for outcome in outcomes
            if self.counts[outcome]
        ]

    @property
    def exit_code(self) -> int:
        """The exit code of the command."""
        codes = set(self.codes)
        if len(codes) <= 1:
            return codes.pop() if codes else EXIT_DONE
        return EXIT_PARTLY if EXIT_DONE in codes else self.mixed

    def report(
        self,
        invocation: Invocation,
        results: Iterable[T],
        *,
        count: Callable[[T, Self], None],
        write: Callable[[Iterator[T]], None],
        what: str = "done",
        sums_up_one: bool = False,
    ) -> int:
        """Print each result when it is finished, then the summary.

        Args:
            invocation: the invocation.
            results: an iterator that does the work of each target when the next result is requested.
            count: counts a result.
            write: prints the results.
            what: the verb of the counter: ``done``, ``looked at``.
            sums_up_one: whether there is a summary for a single target.

        Returns:
            The exit code.
        """

        def finished() -> Iterator[T]:
            for result in progress(invocation, results, total=self.total, what=what):
                count(result, self)
                yield result

        try:
            write(finished())
        finally:
            self.say_summary(invocation, of_one=sums_up_one)
            invocation.journal.leave_out(self.names, is_all=self.finished == self.total)
        return self.exit_code

    def say_summary(self, invocation: Invocation, *, of_one: bool = False) -> None:
        """Print the summary if a target has a result: for several targets, with ``of_one`` also for one."""
        if self.codes and (of_one or self.total > 1):
            invocation.say(self.summary)


class BulkChange(NamedTuple):
    """A change of targets.

    Attributes:
        kind: their kind.
        targets: the targets.
        act: changes one target, reads it back, and returns its record, without secrets that were not
            requested. It raises a SynadminError where the change did not succeed.
        does: the verb at the start of a question: ``Lock``.
        question: returns a question that says what will happen; None where users do not lose or get
            anything.
        ask: asks the question, where a plan is shown before it.
        columns: the columns for the records of ``act``.
        resumable: whether the journal has the command line that continues the change.
        alone: the only field that is printed for a single target.
    """

    kind: Kind
    targets: Targets
    act: Act
    does: str = "Change"
    question: Callable[[list[str]], str | None] | None = None
    ask: Callable[[str], None] | None = None
    columns: "Sequence[Column]" = ()
    resumable: bool = False
    alone: str | None = None

    def change_one(self, synapse: "Synapse", name: str) -> Record:
        """Change one target.

        Raises:
            SynadminError: the target was not found, or not changed.
        """
        if name in self.targets.errors:
            raise self.targets.errors[name]
        return self.act(synapse, name)


class _Result(NamedTuple):
    """The outcome of one target."""

    record: Record
    outcome: str
    code: int = EXIT_DONE


def carry_out(
    invocation: Invocation,
    synapse: "Synapse",
    work: BulkChange,
    *,
    dry_run: bool,
    yes: bool,
    output: Output,
) -> int:
    """Change the targets one by one, and print the result of each.

    A dry run and the preview before a question run the same code, up to the first request that changes
    something. So they refuse the same targets as the run.

    Returns:
        The exit code.

    Raises:
        SynadminError: the only target could not be changed, or an error of the journal or the token ended
            the run. The results before it are printed.
    """
    if dry_run:
        return _dry_run(invocation, synapse, work, output)
    outcomes = Outcomes(work.kind, len(work.targets.names))
    nothing_to_do = None if yes else _ask_if_needed(invocation, synapse, work)
    write = _record_writer(output, _columns(work.kind, work.columns), work.alone, outcomes)
    sums_up_one = output.in_words and work.alone is None and not output.on_terminal
    if nothing_to_do is not None:
        return outcomes.report(invocation, nothing_to_do, count=_count, write=write, sums_up_one=sums_up_one)
    ended: list[BaseException] = []
    try:
        code = outcomes.report(
            invocation,
            _change_each(synapse, work, ended),
            count=_count,
            write=write,
            sums_up_one=sums_up_one,
        )
    except KeyboardInterrupt as interruption:  # while a record was being printed
        ended.append(interruption)
        code = EXIT_INTERRUPTED
    if ended:
        # For an interruption the same hint is printed elsewhere.
        is_error = isinstance(ended[0], SynadminError)
        if is_error and work.resumable and outcomes.counts["done"]:
            invocation.warn("hint: `synadmin journal resume last` continues with the rest.")
        raise ended[0]
    return code


def _record_writer(
    output: Output,
    columns: "Sequence[Column]",
    alone: str | None = None,
    outcomes: Outcomes | None = None,
) -> Callable[[Iterator[_Result]], None]:
    def write(results: Iterator[_Result]) -> None:
        records = (result.record for result in results)
        if alone is None and outcomes is not None and outcomes.total == 1 and output.on_terminal:
            output.write_result(next(records), columns)
            return
        if alone is None:
            output.write(records, columns)
            return
        for record in records:
            if output.in_words:
                click.echo(record[alone])
            else:
                output.write_one(record, [Column(name) for name in record])

    return write


def _count(result: _Result, outcomes: Outcomes) -> None:
    name = result.record.get(outcomes.kind.field)
    outcomes.add(result.outcome, result.code, names=[str(name)])


def _change_each(synapse: "Synapse", work: BulkChange, ended: list[BaseException]) -> Iterator[_Result]:
    """Change the targets one by one; add the error or interruption that ends the run to ``ended``."""
    names = work.targets.names
    for number, name in enumerate(names):
        fields: dict[str, Any] = {work.kind.field: name}
        try:
            with naming(work.kind, work.targets.names):
                record = dict(work.change_one(synapse, name))
        except KeyboardInterrupt as interruption:
            if len(names) == 1:
                raise
            # A table is printed at the end: do not raise here, so that the earlier results are printed.
            ended.append(interruption)
            message = "interrupted at this point"
            yield _Result(
                {**fields, "outcome": "unknown", "message": message, "errcode": None},
                "unknown",
                EXIT_INTERRUPTED,
            )
            return
        except UnfinishedError as unfinished:
            record = {**fields, **unfinished.record}
            yield _Result(record, record["outcome"], exit_code(unfinished.cause))
            ended.append(unfinished.cause)
            return
        except SynadminError as error:
            is_fatal = _is_fatal(error)
            if len(names) == 1 or (is_fatal and not number):
                raise
            outcome, errcode = _outcome_of(error), getattr(error, "errcode", None)
            fields |= {"outcome": outcome, "message": str(error), "errcode": errcode}
            yield _Result(fields, outcome, exit_code(error))
            if is_fatal:
                ended.append(error)
                return
        else:
            yield _success(fields | {"outcome": "done", "message": None, "errcode": None}, record)


def _success(fields: dict[str, Any], record: dict[str, Any]) -> _Result:
    """Return the result of a target that was changed, or already has the requested state."""
    outcome = record.get("outcome", fields["outcome"])
    if outcome == "unchanged":
        record["outcome"] = "done"
    return _Result(fields | record, outcome, _CODES.get(outcome, EXIT_DONE))


def _is_fatal(error: SynadminError) -> bool:
    return isinstance(error, JournalError | NotAuthenticatedError)


def _outcome_of(error: SynadminError) -> str:
    if isinstance(error, RefusedError):
        return "refused"
    if isinstance(error, StillUnderWayError):
        return "pending"
    if isinstance(error, ConnectError | ReplyError) and error.sent:
        return "unknown"
    return "failed"


def _columns(kind: Kind, columns: "Sequence[Column]") -> "list[Column]":
    return [
        Column(kind.field, title=kind.title, whole=True),
        Column("outcome"),
        *columns,
        Column("message"),
        Column("errcode", shown=False),
    ]


def _preview(synapse: "Synapse", work: BulkChange) -> Iterator[_Result]:
    """Yield for each target the request that would be sent, or why the target would be refused."""
    from synadmin.http.transport import DryRunStop
    from synadmin.journal import without_secrets

    synapse = synapse.dry_run()
    for name in work.targets.names:
        fields: dict[str, Any] = {work.kind.field: name}
        try:
            with naming(work.kind, work.targets.names):
                record = dict(work.change_one(synapse, name))
        except DryRunStop as request:
            body = without_secrets(request.body)
            fields |= {"outcome": "planned", "method": request.method, "path": request.path, "body": body}
            yield _Result(fields, "planned")
        except SynadminError as error:
            if len(work.targets.names) == 1 or _is_fatal(error):
                raise
            outcome = _outcome_of(error)
            yield _Result(fields | {"outcome": outcome, "message": str(error)}, outcome, exit_code(error))
        else:
            fields |= {"outcome": "done", "message": "nothing would be changed"}
            record.setdefault("outcome", "unchanged")
            if record["outcome"] == "done":
                record["outcome"] = "unchanged"
            yield _success(fields, record)


def _dry_run(invocation: Invocation, synapse: "Synapse", work: BulkChange, output: Output) -> int:
    outcomes = Outcomes(work.kind, len(work.targets.names))
    previewed = _preview(synapse, work)
    results = list(progress(invocation, previewed, total=outcomes.total, what="looked at"))
    planned = [result.record[work.kind.field] for result in results if result.outcome in _CHANGED]
    question = _question(work, planned)
    # A command with its own preview has no single request to show.
    requests = not output.for_people or any("path" in result.record for result in results)
    columns = [
        Column(work.kind.field, title=work.kind.title, whole=True),
        Column("outcome"),
        *(Column(name, shown=requests) for name in ("method", "path", "body")),
        Column("message"),
    ]
    if question is not None:
        invocation.say(f"The run will ask: {question}")
    code = outcomes.report(invocation, results, count=_count, write=_record_writer(output, columns))
    invocation.say("Nothing was changed: --dry-run.")
    return code


def _question(work: BulkChange, names: list[str]) -> str | None:
    """Return the question before these targets are changed; None where no question is needed."""
    with naming(work.kind, names):
        question = work.question(names) if names and work.question is not None else None
    if not question and len(names) >= _ASK_FROM:
        return f"{work.does} {work.kind.named(names)}?"
    return question or None


def _ask_if_needed(invocation: Invocation, synapse: "Synapse", work: BulkChange) -> list[_Result] | None:
    """Ask before a change that users notice, or a change of more than three targets.

    On a terminal there is a preview first: refused targets are listed before the question.

    Returns:
        The results, where nothing would be changed and there was no question; else None.

    Raises:
        UsageError: no person can answer, or the answer is no.
    """
    names = work.targets.names
    if work.question is None and len(names) < _ASK_FROM:
        return None
    if invocation.on_terminal:
        outcomes = Outcomes(work.kind, len(names))
        names, others = [], []
        for result in progress(invocation, _preview(synapse, work), total=outcomes.total, what="looked at"):
            _count(result, outcomes)
            if result.outcome in _CHANGED:
                names.append(result.record[work.kind.field])
            if result.outcome != "planned":  # there may be many planned targets: only names are kept
                others.append(result)
        if not names:
            return others
        _warn_of_refusals(invocation, work, others)
        parts = outcomes.parts("unchanged", "refused", "failed", "unknown")
        if parts:
            invocation.warn(f"Plan: {', '.join([f'{len(names)} to {work.does.lower()}', *parts])}.")
    question = _question(work, names)
    if question is not None:
        if work.ask is not None:
            work.ask(question)
        else:
            confirm(invocation, question, yes=False)
    return None


def _warn_of_refusals(invocation: Invocation, work: BulkChange, results: Sequence[_Result]) -> None:
    # A command that shows its plan with the question shows partly refused targets there.
    known = {"planned", "unchanged"} | ({"partly"} if work.ask is not None else set())
    refused = [result for result in results if result.outcome not in known]
    for result in refused[:_MOST_REFUSALS]:
        invocation.warn(f"  {result.record[work.kind.field]}: {result.outcome}: {result.record['message']}")
    if len(refused) > _MOST_REFUSALS:
        invocation.warn(f"  and {len(refused) - _MOST_REFUSALS} more")
