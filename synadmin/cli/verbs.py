"""The declaration of commands: a command is a function of the client, the ids and the option values.

The positional parameters of the function are the arguments of the command line, in their order. Those with
the name of a kind's field (``user_id``, ``room_id``, …) are checked and resolved. Keyword parameters are
options, declared with ``click.option``. The parameters ``invocation``, ``output`` and ``dry_run`` of a
function or hook get the values of these names.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, Unpack

import click

from synadmin.cli.confirm import CHANGE_OPTIONS
from synadmin.cli.declared import Function, Verb, call
from synadmin.cli.invocation import Invocation
from synadmin.cli.known_ids import COMPLETE
from synadmin.cli.output import OUTPUT_OPTIONS, Output
from synadmin.cli.targets import Kind, Targets, naming
from synadmin.columns import Column
from synadmin.errors import SynadminError

if TYPE_CHECKING:
    from synadmin.cli.outcomes import BulkChange, Record
    from synadmin.cli.server_task import Task
    from synadmin.client import Synapse

Columns = Sequence[Column] | Callable[..., Sequence[Column]]

_LIMIT = click.Option(["--limit"], type=click.IntRange(min=1), metavar="N", help="Print the first N.")
_NO_WAIT = click.Option(["--no-wait"], is_flag=True, help="Print the id of the task, and do not wait.")


class Shown(NamedTuple):
    """An answer with columns or texts that replace those of the declaration.

    Attributes:
        answer: a record, several, or a pager.
        columns: the columns of a table; those of the declaration where it is None.
        empty: the text for an empty list.
        code: the exit code.
        error: the error that is raised after printing.
        hint: the text below a list on a terminal.
    """

    answer: Any
    columns: Sequence[Column] | None = None
    empty: str = ""
    code: int | None = None
    error: SynadminError | None = None
    hint: str = ""


def show(shown: Shown, output: Output, most: int | None = None) -> int | None:
    """Print an answer, of a list at most ``most`` records; return the exit code.

    Raises:
        SynadminError: the answer shows that the requested work failed.
    """
    answer, columns = shown.answer, shown.columns
    if hasattr(answer, "pages"):
        pager = answer if most is None else answer.limited(most)
        output.stream(pager, columns or (), empty=shown.empty, hint=shown.hint)
        return shown.code
    answer = answer.as_sent() if hasattr(answer, "as_sent") else answer
    if isinstance(answer, Mapping):
        output.write_one(answer, [Column(name) for name in answer] if columns is None else columns)
    else:
        output.write(islice(answer, most), columns or (), empty=shown.empty)
    if shown.error is not None:
        raise shown.error
    return shown.code


class Read(Verb):
    """A command that changes nothing."""

    def __init__(
        self,
        function: Function,
        calls: Sequence[str],
        *,
        name: str | None,
        columns: Columns | None,
        empty: str,
        anonymous: bool,
        anyone: bool,
    ) -> None:
        self._columns = columns
        self._empty = empty
        self._anonymous = anonymous
        super().__init__(function, calls, name, anyone=anyone)

    def options(self) -> list[click.Parameter]:
        """Return the command's own options and those of the output; a list has ``--limit``."""
        if self._empty and all(option.name != "limit" for option in self.own_options):
            return [*self.own_options, _LIMIT, *OUTPUT_OPTIONS]
        return super().options()

    def run(self, invocation: Invocation, output: Output, values: dict[str, Any]) -> object:
        """Ask the server and print the answer."""
        with ExitStack() as stack:
            synapse = stack.enter_context(invocation.synapse(anonymous=self._anonymous))
            if self._empty and synapse.transport.connection.is_local:
                # Without requests: its import takes a third of the time of a short list.
                synapse = stack.enter_context(synapse.fast())
            self.resolve(synapse, values)
            ids = self.single_ids()
            name = values[ids[0]] if len(ids) == 1 else None
            with nullcontext() if name is None else naming(self.kinds[ids[0]], [name]):
                return self._ask(synapse, output, values)

    def _ask(self, synapse: "Synapse", output: Output, values: dict[str, Any]) -> int | None:
        arguments = [values[name] for name in self.arguments]
        answer = call(self.function, synapse, *arguments, values=values)
        if answer is None:
            return None
        shown = answer if isinstance(answer, Shown) else Shown(answer)
        columns = shown.columns
        if columns is None:
            columns = call(self._columns, values=values) if callable(self._columns) else self._columns
        shown = shown._replace(columns=columns, empty=shown.empty or self._empty)
        return show(shown, output, values.get("limit"))

    def column_names(self) -> list[str]:
        """Return the names of the columns, for the completion of ``--columns``."""
        columns = self._columns
        if callable(columns):
            try:
                options = {option.name: option.default for option in self.params}
                columns = call(columns, values=options | {"output": Output("table", None)})
            except (KeyError, TypeError):
                return []
        return [column.name for column in columns or ()]


def reads(
    *calls: str,
    name: str | None = None,
    columns: Columns | None = None,
    empty: str = "",
    anonymous: bool = False,
    anyone: bool = False,
) -> Callable[[Function], Read]:
    """Declare a command that changes nothing.

    The function returns a record, several, or a pager; a :class:`Shown` with an exit code or separate
    columns; or None, if it prints the answer itself.

    Args:
        calls: the client's methods that it is the command for.
        name: the verb, where it is not the function's name.
        columns: the columns of a table, or a function of the options that returns them; None: all fields.
        empty: the text for an empty list.
        anonymous: whether it needs no token.
        anyone: whether users of other servers are accepted.
    """
    return lambda function: Read(
        function, calls, name=name, columns=columns, empty=empty, anonymous=anonymous, anyone=anyone
    )


class ChosenTargets(NamedTuple):
    """Targets that the options choose, in place of targets in the arguments.

    Attributes:
        kind: their kind.
        names: the names of the targets, to be resolved.
        targets: the resolved targets, in place of names.
        values: further arguments of the function and its hooks.
        resumable: whether the options choose only the remaining targets, so that the run can be resumed.
    """

    kind: Kind
    names: Sequence[str] = ()
    targets: Targets | None = None
    values: Mapping[str, object] = MappingProxyType({})
    resumable: bool = False


class Declared(TypedDict, total=False):
    """The options of the declaration of a change.

    Attributes:
        name: the verb, where it is not the function's name.
        does: the verb at the start of the question, ``Lock``; default: the name.
        columns: the columns for the records of the function.
        many: whether it takes several targets.
        resumable: whether another run does only the remaining work.
        mas: the equivalent arguments of ``mas-cli manage``, for when the admin API of MAS cannot be used.
        anonymous: whether it needs no token.
        alone: the only field that is printed, so that a program can read it: a token.
    """

    name: str | None
    does: str | None
    columns: Columns
    many: bool
    resumable: bool
    mas: str | None
    anonymous: bool
    alone: str | None


class Change(Verb):
    """A command that changes targets of a kind."""

    def __init__(
        self, function: Function, calls: Sequence[str], *, kind: Kind, **declared: Unpack[Declared]
    ) -> None:
        self.kind = kind
        self._declared = declared
        self._many = declared.get("many", True) and bool(kind.metavar)
        self._resumable = declared.get("resumable", True) and not kind.secret
        self._question: Function | None = None
        self._ask: Function | None = None
        self._guards: list[Function] = []
        self._order: Function | None = None
        self._select: Function | None = None
        self._after: Function | None = None
        self._shows: Function | None = None
        super().__init__(function, calls, declared.get("name"))
        # A kind without an argument (this server) is passed to the function, but is not on the command line.
        self.params = [parameter for parameter in self.params if parameter.name != kind.field or kind.metavar]

    def argument(self, name: str) -> click.Parameter:
        """Return an argument of the command line; the one of the targets takes several values."""
        if name != self.kind.field or name in self._given_arguments or not self._many:
            return super().argument(name)
        required = self.kind.listed is None
        metavar, complete = f"{self.kind.metavar}...", COMPLETE.get(name)
        return click.Argument([name], nargs=-1, required=required, metavar=metavar, shell_complete=complete)

    def options(self) -> list[click.Parameter]:
        """Return ``--from``, the command's own options, ``--dry-run``, ``--yes`` and those of the output."""
        listed: list[click.Parameter] = []
        if self._many and self.kind.listed is not None:
            help_ = f"Read {self.kind.listed} from a file, one a line."
            listed = [click.Option(["--from", "source"], metavar="FILE|-", help=help_)]
        own = {option.name for option in self.own_options}
        common = [option for option in CHANGE_OPTIONS if option.name not in own]
        return [*listed, *self.own_options, *common, *OUTPUT_OPTIONS]

    def question(self, hook: Function) -> Function:
        """Set the function that returns the question before a change; it gets the targets to change."""
        self._question = hook
        return hook

    def ask(self, hook: Function) -> Function:
        """Set the function that asks the question, where a plan is shown before it."""
        self._ask = hook
        return hook

    def guard(self, hook: Function) -> Function:
        """Add a function that may refuse targets, also in a dry run; its result is added to the options."""
        self._guards.append(hook)
        return hook

    def order(self, hook: Function) -> Function:
        """Set the sort key of the targets: a target that ends our own rights comes last."""
        self._order = hook
        return hook

    def after(self, hook: Function) -> Function:
        """Set the function that is called with the exit code after the targets were changed."""
        self._after = hook
        return hook

    def shows(self, hook: Function) -> Function:
        """Set the function for options without a change: it returns a Shown, or None."""
        self._shows = hook
        return hook

    def select(self, hook: Function) -> Function:
        """Set the function that chooses the targets by the options: it returns a ChosenTargets, or None."""
        self._select = hook
        return hook

    def run(self, invocation: Invocation, output: Output, values: dict[str, Any]) -> object:
        """Preview, ask, change the targets, and print the result of each."""
        from synadmin.cli.outcomes import carry_out

        kind, names = self._read_targets(values)
        with invocation.synapse(anonymous=self._declared.get("anonymous", False)) as synapse:
            self.resolve(synapse, values)
            shown: Shown | None = None
            if self._shows is not None:
                shown = call(self._shows, synapse, names, values=values)
            if shown is not None:
                return show(shown, output)
            selected: ChosenTargets | None = None
            if self._select is not None:
                selected = call(self._select, synapse, values=values)
            if selected is not None:
                kind, names = selected.kind, list(selected.names)
                values |= selected.values
            resumable = self._resumable and (selected is None or selected.resumable)
            targets = selected.targets if selected is not None else None
            targets = targets or kind.resolve(synapse, names)
            if (by_mas_cli := self._declared.get("mas")) is not None:
                from synadmin.cli.mas_required import require_mas

                require_mas(synapse, by_mas_cli, targets.names)
            if self._order is not None:
                targets.names.sort(key=call(self._order, synapse, values=values))
            values["kind"] = kind
            for guard in self._guards:
                values |= call(guard, synapse, targets.names, values=values) or {}
            if resumable:
                named = targets.names if selected is None else []
                invocation.journal.arguments = self.command_line(named, values)
            work = self._bulk_change(synapse, kind, targets, values, resumable=resumable)
            code = carry_out(
                invocation, synapse, work, dry_run=values["dry_run"], yes=values["yes"], output=output
            )
            if self._after is not None:
                call(self._after, code, values=values)
            return code

    def _read_targets(self, values: dict[str, Any]) -> tuple[Kind, list[str]]:
        """Return the checked targets of the command line."""
        kind, named = self.kind, values.get(self.kind.field)
        if self._select is not None and not named and values.get("source") is None:
            return kind, []
        if self._many:
            return kind, kind.read(named or (), values.get("source"), values.get("input"))
        return kind, [] if named is None else [str(named)]

    def _bulk_change(
        self,
        synapse: "Synapse",
        kind: Kind,
        targets: Targets,
        values: dict[str, Any],
        *,
        resumable: bool,
    ) -> "BulkChange":
        from synadmin.cli.outcomes import BulkChange

        question, ask = self._question, self._ask
        columns = self._declared.get("columns", ())
        return BulkChange(
            kind,
            targets,
            act=lambda client, name: self.act(client, name, values),
            does=self._declared.get("does") or str(self.name).replace("-", " ").capitalize(),
            question=None
            if question is None
            else lambda names: call(question, synapse, names, values=values),
            ask=None if ask is None else lambda text: call(ask, text, values=values),
            columns=call(columns, values=values) if callable(columns) else columns,
            resumable=resumable,
            alone=self._declared.get("alone"),
        )

    def act(self, synapse: "Synapse", name: str, values: Mapping[str, Any]) -> "Record":
        """Change one target."""
        arguments = [name if argument == self.kind.field else values[argument] for argument in self.arguments]
        result: Record = call(self.function, synapse, *arguments, values=values)
        return result

    def single_ids(self) -> list[str]:
        """Return the parameters with an id that is not a target."""
        return [name for name in super().single_ids() if name != self.kind.field]

    def command_line(self, names: Sequence[str], values: Mapping[str, Any]) -> list[str]:
        """Return the command line for these targets, which are resolved."""
        words = click.get_current_context().command_path.split()[1:]
        options = [text for option in self.own_options for text in _option_arguments(option, values)]
        arguments: list[str] = []
        for name in self.arguments:
            if name == self.kind.field:
                arguments += names if self.kind.metavar else []
            elif values[name] is not None:
                arguments.append(str(values[name]))
        # After the dashes, no word is an option.
        return [*words, *options, "--yes", "--", *arguments]


def _option_arguments(option: click.Parameter, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the words of an option on the command line; nothing where it was not given."""
    value = values.get(str(option.name))
    if not isinstance(option, click.Option) or value is None or value in ((), False) or value == []:
        if value is False and isinstance(option, click.Option) and option.secondary_opts:
            yield option.secondary_opts[0]
        return
    if option.is_flag:
        yield option.opts[0]
        return
    for item in value if option.multiple else [value]:
        yield option.opts[0]
        yield from (map(str, item) if option.nargs != 1 else [str(item)])


def changes(kind: Kind, *calls: str, **declared: Unpack[Declared]) -> Callable[[Function], Change]:
    """Declare a command that changes targets.

    The function changes one target, reads it back, and returns its state.

    Args:
        kind: the kind of the targets.
        calls: the client's methods that it is the command for.
        declared: see :class:`Declared`.
    """
    return lambda function: Change(function, calls, kind=kind, **declared)


class ServerTask(Change):
    """A change that continues on the server. The command waits for the end, unless ``--no-wait`` is given."""

    def __init__(self, function: Function, calls: Sequence[str], *, task: "Task", **declared: Any) -> None:  # noqa: ANN401
        self._task = task
        self._finish: Function | None = None
        super().__init__(function, calls, **declared)

    def options(self) -> list[click.Parameter]:
        """Return the options of a change, with ``--no-wait`` after the command's own options."""
        self.own_options.append(_NO_WAIT)
        return super().options()

    def finish(self, hook: Function) -> Function:
        """Set the function that reads the target back at the end, and returns its state."""
        self._finish = hook
        return hook

    def act(self, synapse: "Synapse", name: str, values: Mapping[str, Any]) -> "Record":
        """Start the task for one target, and wait for it."""
        begun = super().act(synapse, name, values)
        if not isinstance(begun, str):
            return begun
        task_id = {self._task.field: begun}
        if values["no_wait"]:
            message = f"the server continues: {self._task.wait_command(begun)}"
            return task_id | {"outcome": "pending", "message": message}
        status = self._task.wait_for(values["invocation"], synapse, begun, what=self._task.doing.format(name))
        if self._finish is None:
            return task_id | {"status": status.status}
        return task_id | dict(call(self._finish, synapse, name, begun, status, values=values))


def server_task(
    kind: Kind, *calls: str, task: "Task", **declared: Unpack[Declared]
) -> Callable[[Function], ServerTask]:
    """Declare a change that continues on the server.

    The function starts the task and returns its id; or a record, where no task is started.

    Args:
        kind: the kind of the targets.
        calls: the client's methods that it is the command for.
        task: the task on the server.
        declared: see :class:`Declared`.
    """
    return lambda function: ServerTask(function, calls, task=task, kind=kind, **declared)
