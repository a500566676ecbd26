"""Groups that load the code of a command on first use, and commands that take the common options."""

import functools
from collections.abc import Mapping, Sequence
from copy import copy
from importlib import import_module
from typing import Any, TypeVar

import click

from synadmin.cli import colors
from synadmin.cli.invocation import Invocation

C = TypeVar("C", bound=click.Command)


def _store_option(context: click.Context, parameter: click.Parameter, value: object) -> None:
    """Store a common option for the whole invocation; the last one on the command line wins."""
    if not parameter.name or value in {None, False}:
        return
    invocation = context.find_root().ensure_object(Invocation)
    if parameter.name == "verbose":
        value = invocation.verbose + int(str(value))
    elif parameter.name == "env_file":
        from pathlib import Path

        value = Path(str(value))
    elif parameter.name == "color" and value != "auto":
        # click removes colours from output into a pipe, unless the context forbids it.
        context.color = context.find_root().color = value == "always"
    setattr(invocation, parameter.name, value)


def _complete_profiles(_context: click.Context, _option: click.Parameter, start: str) -> list[str]:
    from synadmin.settings.places import profiles

    return [name for name in profiles() if name.startswith(start)]


@functools.cache
def common_options() -> list[click.Option]:
    """Return the common options. They are built once, because commands use them many times."""
    shared: dict[str, Any] = {"expose_value": False, "callback": _store_option}
    return [
        click.Option(
            ["--profile"],
            metavar="NAME",
            help="Settings of another homeserver.",
            shell_complete=_complete_profiles,
            **shared,
        ),
        click.Option(["--env-file"], metavar="FILE", help="Settings file to read instead of .env.", **shared),
        click.Option(["--homeserver"], metavar="URL", help="Base URL, or server name.", **shared),
        click.Option(["--timeout"], metavar="SECONDS", help="How long to wait for an answer.", **shared),
        click.Option(
            ["-v", "--verbose"],
            count=True,
            help="Show the requests on stderr; twice: tracebacks too.",
            **shared,
        ),
        click.Option(["-q", "--quiet"], is_flag=True, help="No progress and notes on stderr.", **shared),
        click.Option(
            ["--color"],
            type=click.Choice(colors.CHOICES),
            help="When to use colours [default: auto].",
            **shared,
        ),
    ]


def _without(option: click.Option, taken: set[str]) -> click.Option:
    """Return a common option without the names that the command's own options use."""
    if taken.isdisjoint(option.opts):
        return option
    other = copy(option)
    other.opts = [name for name in option.opts if name not in taken]
    return other


def _point_to_common_options(formatter: click.HelpFormatter) -> None:
    formatter.write_paragraph()
    formatter.write_text("Common options: `synadmin help options`")


class _WithCommonOptions(click.Command):
    """A mixin for commands and groups that accepts the common options anywhere."""

    context_class = colors.Context

    def get_help_option_names(self, ctx: click.Context) -> list[str]:
        """Return ``-h`` and ``--help`` in every context: click keeps the option of the first one."""
        ctx.help_option_names = ["-h", "--help"]
        return super().get_help_option_names(ctx)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        own = super().get_params(ctx)
        taken = {name for parameter in own for name in parameter.opts}
        common = [_without(option, taken) for option in common_options()]
        return [*own[:-1], *common, *own[-1:]] if own and own[-1].name == "help" else [*own, *common]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        common = {option.name for option in common_options()}
        own: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option) and parameter.name not in common:
                own.append(record)
        if own:
            with formatter.section("Options"):
                formatter.write_dl(own)
        if not isinstance(self, click.Group):
            _point_to_common_options(formatter)


def command_words(group: click.Group, arguments: Sequence[str]) -> int:
    """Return how many of the arguments are the command's name: three of ``user admin grant alice``."""
    command: click.Command | None = group
    for number, name in enumerate(arguments):
        if not isinstance(command, click.Group):
            return number
        command = command.get_command(click.Context(command), name)
    return len(arguments)


class Command(_WithCommonOptions):
    """A command. Options may stand before or after arguments.

    ``calls`` names the client's methods that the command covers, such as ``rooms.make_admin``.
    """

    def __init__(self, *args: Any, calls: Sequence[str] = (), **options: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **options)
        self.calls = tuple(calls)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  click's own
        ctx.find_root().ensure_object(Invocation).command = ctx.command_path.partition(" ")[2]
        return super().invoke(ctx)


class UnknownCommandError(click.UsageError):
    """A group has no command of that name.

    Attributes:
        words: the name, and the words after it on the command line.
    """

    def __init__(self, context: click.Context, words: Sequence[str]) -> None:
        super().__init__(f"{context.command_path} has no command {words[0]!a}", context)
        self.words = tuple(words)


class Group(_WithCommonOptions, click.Group):
    """A group that loads the code of a command on first use. Names and summaries need no code.

    ``lazy`` has, for each heading in the help, ``{name: ("module:function", summary)}``. ``package`` is the
    package of the modules.
    """

    command_class = Command

    def __init__(
        self,
        *args: Any,  # noqa: ANN401  click's own
        lazy: Mapping[str, Mapping[str, tuple[str, str]]] | None = None,
        package: str = "",
        **options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(*args, **options)
        self.sections = {heading: list(commands) for heading, commands in (lazy or {}).items()}
        self._lazy = dict(entry for commands in (lazy or {}).values() for entry in commands.items())
        self._package = package

    def verb(self, command: C) -> C:
        """Add a declared command."""
        self.add_command(command)
        return command

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return [*self._lazy, *(name for name in self.commands if name not in self._lazy)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self._lazy and cmd_name not in self.commands:
            module, _, attribute = self._lazy[cmd_name][0].partition(":")
            command: click.Command = getattr(import_module(f"{self._package}.{module}"), attribute)
            self.commands[cmd_name] = command
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise UnknownCommandError(ctx, args)
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)
        _point_to_common_options(formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        loaded = [name for name in self.commands if name not in self._lazy]
        rows = {name: summary for name, (_, summary) in self._lazy.items()}
        rows |= {name: self.commands[name].get_short_help_str(80) for name in loaded}
        sections = self.sections
        if loaded:
            sections = {**sections, "Commands": [*sections.get("Commands", ()), *loaded]}
        widest = max(map(len, rows), default=0)
        for title, names in sections.items():
            with formatter.section(title):
                # One column for the names of all sections.
                formatter.write_dl([(name.ljust(widest), rows[name]) for name in names])
