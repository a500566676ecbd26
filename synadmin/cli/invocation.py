"""The common options of one invocation, with its settings, client, journal and messages."""

import re
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from synadmin.cli import colors
from synadmin.text import command, option_words, safe_text, wrap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from synadmin.cli.saved_plan import SavedPlan
    from synadmin.client import Synapse
    from synadmin.journal import Journal
    from synadmin.recovery.workspace import Recovery
    from synadmin.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])

_COMMAND = "`[^`]*`"
_LABEL = r"\s+\S{1,5}[.:]\s+"
_NO_BREAK = "\N{NO-BREAK SPACE}"
_YES = {"y", "yes"}
_NO = {"", "n", "no", "q", "quit"}
_ATTEMPTS = 2  # answers to one question
_NARROWEST = 40  # columns; a narrower terminal breaks the lines itself


@contextmanager
def _interruptible() -> "Iterator[None]":
    """After Ctrl-C at a question, report that nothing was changed: questions come before changes."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(err=True)  # the cursor is still after the question
        raise click.Abort("nothing was changed") from None


@dataclass
class Invocation:
    """The common options of this command line; click's ``context.obj``."""

    profile: str | None = None
    env_file: "Path | None" = None
    homeserver: str | None = None
    timeout: str | None = None
    verbose: int = 0
    quiet: bool = False
    command: str | None = None
    new_profile: bool = False
    resumes: str | None = None
    color: str | None = None
    reason: str | None = None
    plan: "SavedPlan | None" = None
    profile_alone: bool = False
    """Whether homeserver and token come only from the profile, which messages name: one server of several."""
    _drawn: bool = False

    @property
    def apply_command(self) -> list[str] | None:
        """The command line that continues to apply a saved plan; None where no plan is applied."""
        if self.plan is None or self.plan.path is None:
            return None
        return ["apply", str(self.plan.path), "--yes"]

    @cached_property
    def settings(self) -> "Settings":
        """The settings; their warnings are printed once."""
        from synadmin import settings

        if self.profile_alone and self.profile is not None:
            loaded = settings.of_profile(self.profile, timeout=self.timeout)
        else:
            loaded = settings.load(
                profile=self.profile,
                env_file=self.env_file,
                options={settings.HOMESERVER: self.homeserver, "SYNADMIN_TIMEOUT": self.timeout},
                new_profile=self.new_profile,
            )
        for warning in loaded.warnings:
            self.warn(warning)
        return loaded

    @cached_property
    def journal(self) -> "Journal":
        """The journal of this run."""
        from synadmin.journal import Journal

        journal = Journal(self.settings.journal, command=self.command, warn=self.say)
        journal.reason = self.reason
        if self.resumes is not None:
            journal.links["resumes"] = self.resumes
        if self.plan is not None:
            journal.links["planned_by"] = self.plan.made_by
        return journal

    def end(self, code: int) -> None:
        """Record in the journal that this run has ended, with its exit code."""
        if "journal" in vars(self):
            self.journal.end(code)

    def synapse(
        self, *, token: str | None = None, anonymous: bool = False, longest_wait: float | None = None
    ) -> "Synapse":
        """Return the client for the configured homeserver.

        Args:
            token: a token to use instead of the configured one.
            anonymous: whether no token is needed.
            longest_wait: the most seconds to wait where the server says "too many requests"; default: 60.

        Raises:
            SettingsError: no homeserver or no token is configured.
        """
        from synadmin.client import Synapse
        from synadmin.library.connect import connection_of

        homeserver, options = connection_of(self.settings, token=token, anonymous=anonymous)
        if longest_wait is not None:
            options["longest_wait"] = longest_wait
        options["notify"], options["trace"] = self.say, self._log if self.verbose else None
        return Synapse(homeserver, journal=self.journal, **options)

    @contextmanager
    def recovery(
        self, *, via: tuple[str, ...] = (), longest_wait: float | None = None
    ) -> "Iterator[Recovery]":
        """Yield a Recovery to change rooms; at the end, temporary changes are reverted.

        Args:
            via: servers to join rooms through.
            longest_wait: as for :meth:`synapse`.
        """
        from synadmin.recovery.workspace import Recovery

        with (
            self.synapse(longest_wait=longest_wait) as synapse,
            Recovery(synapse, self.journal, self.warn, via=via) as recovery,
        ):
            yield recovery

    def _log(self, line: str) -> None:
        """Print a request on stderr without line breaks, so that its path can be copied."""
        self.draw("")
        click.echo(safe_text(self._with_profile(line)), err=True)

    def say(self, message: str) -> None:
        """Print a message on stderr, unless ``--quiet`` is given."""
        if not self.quiet:
            self.warn(message)

    def warn(self, message: str, *, has_heading: bool = False, first: bool = True) -> None:
        """Print a message on stderr, also with ``--quiet``.

        Its first line may be a heading. In colour, an empty line separates a block that is not the first.
        """
        self.draw("")
        if not first and colors.enabled(sys.stderr):
            click.echo(err=True)
        colors.echo(wrapped(self._with_profile(message), sys.stderr, has_heading=has_heading), sys.stderr)

    def again(self, words: "Iterable[str]") -> str:
        """Return a command line to paste, with the profile of this run and without ``--yes``."""
        return command(*(word for word in words if word != "--yes"), *option_words(profile=self.profile))

    def _with_profile(self, message: str) -> str:
        return f"{self.profile}: {message}" if self.profile_alone else message

    @_interruptible()
    def ask(self, question: str, view: "Callable[[], None] | None" = None) -> bool:
        """Ask a question on stderr. ``q``, the end of the input and a second unclear answer mean no.

        Args:
            view: shows the details when ``v`` is typed.
        """
        self.draw("")
        question = wrapped(f"{question} [y/N{', v to view all steps' if view else ''}]:", sys.stderr)
        unclear = 0
        while unclear < _ATTEMPTS:
            click.echo(f"{question} ", nl=False, err=True)
            line = sys.stdin.readline()
            answer = line.strip().casefold()
            if not line:
                click.echo(err=True)
            if answer in _YES or answer in _NO:
                return answer in _YES
            if view is not None and answer == "v":
                view()
                continue
            unclear += 1
            if unclear < _ATTEMPTS:
                click.echo("Answer y for yes or n for no.", err=True)
        return False

    @_interruptible()
    def ask_text(self, question: str) -> str:
        """Ask for a text on stderr, and return it; it is empty also at the end of the input."""
        self.draw("")
        click.echo(f"{wrapped(question, sys.stderr)} ", nl=False, err=True)
        line = sys.stdin.readline()
        if not line:
            click.echo(err=True)
        return line.strip()

    @property
    def is_watched(self) -> bool:
        """Whether a progress line is shown."""
        return is_terminal(sys.stderr) and not self.quiet

    def draw(self, line: str) -> None:
        """Replace the progress line; an empty line removes it."""
        if line or self._drawn:
            click.echo(f"\r\x1b[K{safe_text(line)}", nl=False, err=True)
        self._drawn = bool(line)

    @property
    def on_terminal(self) -> bool:
        """Whether a person can answer a question."""
        return is_terminal(sys.stdin) and is_terminal(sys.stderr)


def wrapped(message: str, stream: TextIO | None, *, has_heading: bool = False) -> str:
    """Return a message for a stream: safe, in colour where enabled, on a terminal wrapped at words.

    Args:
        message: lines that begin with an outcome, a label, or words of this program.
        stream: the stream where it will be printed.
        has_heading: whether the first line is a heading.
    """
    lines = [safe_text(line) for line in message.split("\n")]
    colored = colors.enabled(stream)
    if colored:
        lines = [
            line if has_heading and not number else colors.marked(line) for number, line in enumerate(lines)
        ]
    if is_terminal(stream):
        lines = _wrapped_lines(lines)
    if colored:
        first = colors.heading if has_heading else colors.painted
        lines = [first(lines[0]), *map(colors.painted, lines[1:])]
    return "\n".join(lines)


def _wrapped_lines(lines: list[str]) -> list[str]:
    """Return the lines, each wrapped at words for the terminal."""
    import shutil

    columns = max(shutil.get_terminal_size().columns, _NARROWEST)
    # Users copy whole commands, so there is no line break in a command.
    whole = [re.sub(_COMMAND, lambda match: match.group().replace(" ", _NO_BREAK), line) for line in lines]
    return [wrap(line, columns, indent=" " * _hanging_indent(line)).replace(_NO_BREAK, " ") for line in whole]


def print_block(text: str, *, first: bool = True) -> None:
    """Print the result of a target on stdout, below its heading.

    In colour, an empty line separates it from the previous block.
    """
    if not first and colors.enabled(sys.stdout):
        click.echo()
    colors.echo(wrapped(text, sys.stdout, has_heading=True))
    sys.stdout.flush()


def _hanging_indent(line: str) -> int:
    """Return the indent of a paragraph's next lines: below its text, after a label such as `1.`."""
    label = re.match(_LABEL, line)
    if label is not None:
        return len(label.group())
    return len(line) - len(line.lstrip()) + 2


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a standard stream is a terminal; it is None where the shell has closed it."""
    return stream is not None and stream.isatty()


def with_options(*options: click.Option) -> Callable[[F], F]:
    """Add existing options to a command, in this order."""

    def add(function: F) -> F:
        function.__dict__.setdefault("__click_params__", []).extend(reversed(options))
        return function

    return add


pass_invocation = click.make_pass_decorator(Invocation, ensure=True)
