"""The base class of declared commands: it checks and resolves arguments, and has the options."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from synadmin.cli.invocation import Invocation
from synadmin.cli.known_ids import COMPLETE
from synadmin.cli.lazy import Command
from synadmin.cli.output import OUTPUT_OPTIONS, Output
from synadmin.cli.targets import ANY_USERS, BY_FIELD

if TYPE_CHECKING:
    from synadmin.client import Synapse

Function = Callable[..., Any]


def call(function: Function, *arguments: object, values: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Call a function with the values that match its keyword parameters."""
    code = function.__code__
    names = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    return function(*arguments, **{name: values[name] for name in names})


def _positional(function: Function) -> tuple[str, ...]:
    """Return the names of a function's positional parameters, without the client."""
    return tuple(function.__code__.co_varnames[1 : function.__code__.co_argcount])


class Verb(Command):
    """A declared command."""

    def __init__(
        self, function: Function, calls: Sequence[str], name: str | None, *, anyone: bool = False
    ) -> None:
        self.function = function
        self.kinds = {**BY_FIELD, "user_id": ANY_USERS} if anyone else BY_FIELD
        self.arguments = _positional(function)
        given = {option.name: option for option in reversed(getattr(function, "__click_params__", []))}
        self._given_arguments: dict[str, click.Parameter] = {
            name: given.pop(name) for name in self.arguments if name in given
        }
        self.own_options = list(given.values())
        self._check: Function | None = None
        super().__init__(
            name or function.__name__.rstrip("_").replace("_", "-"),
            callback=self._invoked,
            params=[*map(self.argument, self.arguments), *self.options()],
            help=inspect.cleandoc(function.__doc__ or ""),
            calls=calls,
        )

    def argument(self, name: str) -> click.Parameter:
        """Return the argument of the command line for a positional parameter."""
        if name in self._given_arguments:
            return self._given_arguments[name]
        kind = self.kinds.get(name)
        metavar = kind.metavar if kind else None
        return click.Argument([name], metavar=metavar, shell_complete=COMPLETE.get(name))

    def options(self) -> list[click.Parameter]:
        """Return the options in the order of the help."""
        return [*self.own_options, *OUTPUT_OPTIONS]

    def check(self, hook: Function) -> Function:
        """Set the function that checks the options before the first request; its result is added to them."""
        self._check = hook
        return hook

    def _invoked(self, **values: Any) -> object:  # noqa: ANN401  what click has parsed
        invocation = click.get_current_context().ensure_object(Invocation)
        output = Output.of(values.pop("form"), values.pop("columns"))
        for name in self.arguments:
            if self.is_id(name) and isinstance(values.get(name), str):
                values[name] = self.kinds[name].parse(values[name])
        options = {
            str(option.name): values[str(option.name)] for option in self.own_options if option.expose_value
        }
        values |= {"invocation": invocation, "output": output, "options": options}
        if self._check is not None:
            values |= call(self._check, values=values) or {}
        return self.run(invocation, output, values)

    def run(self, invocation: Invocation, output: Output, values: dict[str, Any]) -> object:
        """Run the command. A result that is a number is the exit code."""
        raise NotImplementedError

    def resolve(self, synapse: "Synapse", values: dict[str, Any]) -> None:
        """Replace localparts, aliases and names in the arguments by ids."""
        for name in self.single_ids():
            if values[name] is not None:
                (values[name],) = self.kinds[name].resolve(synapse, [values[name]]).names

    def is_id(self, name: str) -> bool:
        """Whether a positional parameter is an id that this class parses and resolves."""
        return name in self.kinds and name not in self._given_arguments

    def single_ids(self) -> list[str]:
        """Return the positional parameters that take one id."""
        return [name for name in self.arguments if self.is_id(name)]
