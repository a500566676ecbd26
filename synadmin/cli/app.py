"""``synadmin``: the root of the command line, and what an error becomes there."""

import signal
import sys
import traceback
from typing import NoReturn, TextIO

import click

from synadmin import __version__
from synadmin.cli.invocation import Invocation
from synadmin.cli.lazy import Group
from synadmin.errors import (
    NotAuthenticatedError,
    NotFoundError,
    NotPermittedError,
    RefusedError,
    SettingsError,
    SynadminError,
    UsageError,
)

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NOT_PERMITTED = 3
EXIT_NOT_FOUND = 4
EXIT_REFUSED = 5
EXIT_PARTLY = 6
EXIT_INTERRUPTED = 130

_EXIT_CODES: tuple[tuple[type[SynadminError], int], ...] = (
    (UsageError, EXIT_USAGE),
    (SettingsError, EXIT_USAGE),
    (NotAuthenticatedError, EXIT_NOT_PERMITTED),
    (NotPermittedError, EXIT_NOT_PERMITTED),
    (NotFoundError, EXIT_NOT_FOUND),
    (RefusedError, EXIT_REFUSED),
)

_COMMANDS = {
    "login": ("synadmin.cli.login:login", "Sign in and keep the token in a profile."),
    "logout": ("synadmin.cli.login:logout", "End the session and remove it from the profile."),
    "whoami": ("synadmin.cli.login:whoami", "Show whose token it is and what it may do."),
    "room": ("synadmin.cli.room:room", "Rooms: list, look, regain control."),
    "journal": ("synadmin.cli.journal:journal", "What was changed on servers from here."),
    "sandbox": ("synadmin.cli.sandbox:sandbox", "A real, throwaway Synapse to practise on."),
}


@click.group(
    name="synadmin",
    cls=Group,
    lazy=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `synadmin login`, or try everything without risk: `synadmin sandbox demo`.",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def app(context: click.Context) -> None:
    """Control what happens on a Synapse homeserver.

    \b
    Regain a room that nobody on your server controls any more:
        synadmin room make-admin '#club:example.org' --dry-run
        synadmin room make-admin '#club:example.org'
    """
    context.ensure_object(Invocation)


def exit_code(error: SynadminError) -> int:
    """Return the exit code that an error means to scripts. This is the only place that knows."""
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), EXIT_FAILED)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    for number in (signal.SIGTERM, signal.SIGHUP):
        # What nohup ignores stays ignored.
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)
    invocation = Invocation()
    try:
        code = _run(arguments, invocation)
        _flush(sys.stdout)
    except BrokenPipeError:
        # Whoever reads has had enough (`| head`); Python would complain again when it closes stdout.
        sys.stdout = None
        code = EXIT_DONE
    except OSError as error:
        code = EXIT_FAILED
        _tell(invocation, f"{error.filename or 'the system'}: {error.strerror or error}", None)
        try:
            _flush(sys.stdout)
        except OSError:
            # A full disk, for instance: Python would try once more, and show a traceback.
            sys.stdout = None
    sys.exit(code)


def _run(arguments: list[str] | None, invocation: Invocation) -> int:
    """Run the command line and return its exit code, after telling what went wrong."""
    try:
        result = app.main(args=arguments, prog_name="synadmin", standalone_mode=False, obj=invocation)
    except SynadminError as error:
        _tell(invocation, str(error), error.hint)
        return exit_code(error)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return EXIT_USAGE
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        hint = f"`{context.command_path} --help` shows how it is used" if context is not None else None
        _tell(invocation, error.format_message(), hint)
        return EXIT_USAGE
    except (click.Abort, KeyboardInterrupt):
        _tell(invocation, "interrupted", None)
        return EXIT_INTERRUPTED
    except SystemExit:
        # click's own way where a reader has gone, and after it has served the shell's completion.
        return EXIT_DONE
    return result if isinstance(result, int) else EXIT_DONE


def _flush(stream: TextIO | None) -> None:
    # None where the shell has closed it (`>&-`).
    if stream is not None:
        stream.flush()


def _interrupt(_number: int, _frame: object) -> NoReturn:
    # A closed ssh session or a stopped unit ends a run like Ctrl-C does: what is temporary is put back.
    raise KeyboardInterrupt


def _tell(invocation: Invocation, message: str, hint: str | None) -> None:
    if invocation.verbose > 1:
        # Its last line has words of the server's in it.
        invocation.warn(traceback.format_exc().rstrip())
    one_line = " ".join(message.split("\n"))
    invocation.warn(f"synadmin: {one_line}")
    if hint is not None:
        invocation.warn(f"  {hint}")
