"""``synadmin``: the root command, and how errors are reported."""

import os
import sys
from typing import NoReturn

import click

from synadmin import __version__
from synadmin.cli.exit_codes import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_REFUSED,
    EXIT_USAGE,
    exit_code,
)
from synadmin.cli.interruption import interrupt_on_signals
from synadmin.cli.invocation import Invocation
from synadmin.cli.lazy import Group
from synadmin.errors import (
    NotAuthenticatedError,
    NotFoundError,
    NotPermittedError,
    NotSupportedError,
    SynadminError,
)

_COMMANDS = {
    "Rooms and control": {
        "room": ("room:room", "Show, change and delete rooms, and regain control of them."),
        "control": ("control:control", "Keep control of rooms as a file says."),
        "audit": ("audit:audit", "Audit rooms, accounts, federation and the server."),
        "apply": ("apply:apply", "Apply a plan that was saved with --save-plan."),
        "journal": ("journal:journal", "Show, resume and undo the changes of earlier runs."),
    },
    "Accounts": {
        "user": ("user:user", "Show, create, change and remove accounts."),
        "device": ("device:device", "Show, create, rename and delete devices (sessions)."),
        "registration-token": (
            "registration_token:registration_token",
            "Show, create, change and delete registration tokens.",
        ),
        "mas": ("mas:mas", "Show the Matrix Authentication Service and its tokens."),
    },
    "Moderation": {
        "report": ("report:report", "List, show and dismiss reports of events and users."),
        "media": ("media:media", "List, quarantine, protect and delete media."),
        "event": ("event:event", "Show events."),
        "notice": ("notice:notice", "Send server notices to users."),
    },
    "Server": {
        "status": ("status:status", "Show the state of a homeserver, or of several."),
        "server": ("server:server", "Show the version of the server."),
        "federation": ("federation:federation", "Check the federation, and show other servers."),
        "stats": ("stats:stats", "Show which users and rooms use the most storage."),
        "task": ("task:task", "Show scheduled tasks of the server."),
        "background-update": (
            "background_update:background_update",
            "Show, pause and start background updates.",
        ),
        "experimental-feature": (
            "experimental_feature:experimental_feature",
            "Show and set experimental features of users.",
        ),
        "api": ("api:api", "Send one request and print the answer as it came."),
    },
    "Setup": {
        "login": ("login:login", "Sign in and save the token in a profile."),
        "logout": ("login:logout", "End the session and remove its token from the profile."),
        "whoami": ("login:whoami", "Show the token's owner, the server, and admin rights."),
        "profile": ("profile:profile", "List, choose and remove profiles."),
        "completion": ("completion:completion", "Print the script that completes commands in a shell."),
        "sandbox": ("sandbox:sandbox", "Run a throwaway Synapse on this machine, to practise."),
        "help": ("help:help_", "Show the help of a command, or the common options."),
        "version": ("help:version", "Print the version of synadmin."),
    },
}

_SEARCH = {
    "User not found": "`synadmin user find TEXT` searches in user ids and display names",
    "Unknown user": "`synadmin user find TEXT` searches in user ids and display names",
    "Room ": "`synadmin room list --search TEXT` searches in names and aliases",
}
"""Hints for "not found" errors, by the beginning of Synapse's message."""
_WIDEST_HELP = 80  # columns


def _help_width() -> int:
    """Return the width of help. click uses shutil for this, whose import is slow."""
    try:
        columns = int(os.environ.get("COLUMNS") or 0) or os.get_terminal_size().columns
    except (ValueError, OSError):
        columns = 0
    return max(min(columns or 80, _WIDEST_HELP) - 2, 50)


@click.group(
    name="synadmin",
    cls=Group,
    lazy=_COMMANDS,
    package="synadmin.cli",
    context_settings={"terminal_width": _help_width()},
    epilog="Start with `synadmin login`, or try everything without risk: `synadmin sandbox demo`.",
)
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
@click.pass_context
def app(context: click.Context) -> None:
    """Administer a Synapse homeserver, and regain control of its rooms.

    \b
    Regain a room that no user of your server controls any more:
        synadmin room make-admin '#club:example.org' --dry-run
        synadmin room make-admin '#club:example.org'
    """
    context.ensure_object(Invocation)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with its exit code."""
    if sys.stdin is None:
        # The shell has closed it (`<&-`): there is no input, and no person can answer.
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_RDONLY), encoding="utf-8")
    if sys.stdout is None:
        # The shell has closed it (`>&-`). The output is dropped; it must not go into the next opened file.
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    interrupt_on_signals()
    invocation = Invocation()
    try:
        code = _run(arguments, invocation)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has closed the pipe (`| head`). Python would raise again when it closes stdout.
        sys.stdout = None
        code = EXIT_DONE
    except OSError as error:
        code = EXIT_FAILED
        _print_error(
            invocation, f"{error.filename or 'cannot write the output'}: {error.strerror or error}", None
        )
        try:
            sys.stdout.flush()
        except OSError:
            # A full disk, for example: Python would try again, and show a traceback.
            sys.stdout = None
    except KeyboardInterrupt:
        # Interrupted while an error was printed.
        code = EXIT_INTERRUPTED
        _print_error(invocation, "interrupted", _after_interruption(invocation))
    invocation.end(code)
    sys.exit(code)


def _run(arguments: list[str] | None, invocation: Invocation) -> int:
    """Run the command line, print its error, and return its exit code."""
    try:
        result = app.main(args=arguments, prog_name="synadmin", standalone_mode=False, obj=invocation)
    except SynadminError as error:
        message, hint = str(error), _hint_of(error, invocation)
        if isinstance(error, NotSupportedError) and hint is None:
            from synadmin.cli.unsupported import explain_unsupported

            message, hint = explain_unsupported(invocation, error)
        code = exit_code(error)
        if code not in {EXIT_USAGE, EXIT_REFUSED}:
            hint = ". ".join(filter(None, (hint, _changes_made(invocation))))
        _print_error(invocation, message, hint or None)
        return code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return EXIT_USAGE
    except click.ClickException as error:
        from synadmin.cli.hints import usage_hint

        hint = usage_hint(error, arguments)
        message = error.format_message().replace("not a valid integer range", "not a whole number")
        message = message.replace("is not in the range x>=1", "is too small: write 1 or more")
        if message.startswith("Invalid value for '["):  # click's name for an optional argument
            message = message.replace("[", "", 1).replace("]", "", 1)
        if hint is not None and hint.startswith("did you mean"):
            message = message.partition(" Did you mean")[0]  # click's own suggestion, such as --force
        _print_error(invocation, message, hint)
        return EXIT_USAGE
    except (click.Abort, KeyboardInterrupt) as interruption:
        done = f": {interruption}" if str(interruption) else ""
        _print_error(invocation, f"interrupted{done}", _after_interruption(invocation))
        return EXIT_INTERRUPTED
    except SystemExit as leaving:
        # The sandbox exits like this after a signal. click exits with 1 where the reader has closed the pipe:
        # that is not an error.
        return leaving.code if isinstance(leaving.code, int) and leaving.code != EXIT_FAILED else EXIT_DONE
    return result if isinstance(result, int) else EXIT_DONE


def _hint_of(error: SynadminError, invocation: Invocation) -> str | None:
    """Return the hint for an error: its own hint, or one for Synapse's message."""
    if isinstance(error, NotAuthenticatedError) and error.errcode == "M_UNKNOWN_TOKEN":
        return _token_source_hint(invocation) or error.hint
    if error.hint is not None:
        return error.hint
    if isinstance(error, NotFoundError):
        return next((what for words, what in _SEARCH.items() if f": {words}" in f": {error.reason}"), None)
    if isinstance(error, NotPermittedError) and "server admin" in error.reason:
        return "`synadmin whoami` shows whose token it is; sign in as a server admin with `synadmin login`"
    return None


def _token_source_hint(invocation: Invocation) -> str | None:
    """Return the hint for an invalid token that `synadmin login` does not replace; None where it does."""
    source = invocation.settings.token_source
    if source is None or invocation.command == "login":
        return None
    return f"the token is set in {source}: replace it there, or remove it to use the token of the profile"


def _changes_made(invocation: Invocation) -> str | None:
    """Return a hint about the changes that the run may have made before it failed; None without changes."""
    journal = vars(invocation).get("journal")
    if journal is None or not journal.changes:
        return None
    from synadmin.cli.targets import counted

    changes = counted(journal.changes, "change")
    return (
        f"{changes} of this run may have been made: `synadmin journal show {journal.run}` shows the requests"
    )


def _after_interruption(invocation: Invocation) -> str | None:
    """Return a hint about possible changes of an interrupted run, and the command that continues it."""
    changes = _changes_made(invocation)
    if changes is None or not invocation.journal.is_resumable:
        return changes
    return f"{changes}. `synadmin journal resume last` continues with the rest"


def _print_error(invocation: Invocation, message: str, hint: str | None) -> None:
    if invocation.verbose > 1:
        # Made safe: the last line of the traceback can contain text of the server.
        import traceback

        invocation.warn(traceback.format_exc().rstrip())
        if detail := getattr(sys.exception(), "detail", None):
            invocation.warn(f"  {detail}")
    one_line = " ".join(message.split("\n"))
    invocation.warn(f"synadmin: {one_line}")
    if hint is not None:
        invocation.warn(f"hint: {hint}")
