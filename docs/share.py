"""Write the data files of the wheel: man pages, completions, and the systemd units of the nightly audit.

    python docs/share.py DIRECTORY

`make release` writes the files to build/share, and pyproject.toml adds this directory to the wheel.
"""

import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from synadmin import __version__
from synadmin.cli.app import app
from synadmin.cli.lazy import common_options
from synadmin.cli.operations import commands
from synadmin.cli.schedule import NightlyAudit

_COMPLETIONS = {
    "bash": "bash-completion/completions/synadmin",
    "zsh": "zsh/site-functions/_synadmin",
    "fish": "fish/vendor_completions.d/synadmin.fish",
}


def files() -> Iterator[tuple[str, str]]:
    """Yield the path below share/ and the text of each file."""
    yield "man/man1/synadmin.1", _page((), app)
    for name, command in _nouns():
        yield f"man/man1/synadmin-{name}.1", _page((name,), command)
    for shell, path in _COMPLETIONS.items():
        maker = get_completion_class(shell)
        if maker is not None:
            yield path, maker(app, {}, "synadmin", "_SYNADMIN_COMPLETE").source() + "\n"
    # systemd finds these units below /usr/local and /usr. %h is the home directory of the user.
    audit = NightlyAudit(program=("synadmin",), baseline=Path("%h/.local/state/synadmin/audit.json"))
    for name, text in audit.units().items():
        yield f"systemd/user/{name}", text.replace("%%h/", "%h/")


def _nouns() -> list[tuple[str, click.Command]]:
    """Return the commands directly below synadmin, by name."""
    return [(path[0], command) for path, command in commands(app) if len(path) == 1]


def _page(path: tuple[str, ...], command: click.Command) -> str:
    """Return the man page of a command and of all commands below it."""
    title = "-".join(("synadmin", *path))
    summary = command.get_short_help_str(80).rstrip(".")
    lines = [
        f'.TH {title.upper()} 1 "" "synadmin {__version__}"',
        ".SH NAME",
        f"{title} \\- {_roff(summary)}",
    ]
    lines += [".SH SYNOPSIS", *_described(path, command)]
    for below, verb in commands(command, path) if path else ():
        if below != path:
            lines += [f".SH synadmin {_roff(' '.join(below))}", *_described(below, verb)]
    if path:
        return "\n".join([*lines, ".SH SEE ALSO", "synadmin(1)"]) + "\n"
    pages = [(f"synadmin-{name}(1)", verb.get_short_help_str(80)) for name, verb in _nouns()]
    common = _records(common_options(), click.Context(app))
    lines += [".SH COMMANDS", *_list(pages), ".SH COMMON OPTIONS", *_list(common)]
    return "\n".join(lines) + "\n"


def _described(path: tuple[str, ...], command: click.Command) -> Iterator[str]:
    """Yield the usage, the help and the options of a command."""
    context = click.Context(command, info_name=" ".join(("synadmin", *path)))
    yield f"\\fB{_roff(command.get_usage(context).removeprefix('Usage: '))}\\fR"
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        text = _roff(paragraph.replace("\b\n", ""))
        yield from [".PP", *([".nf", text, ".fi"] if "\b" in paragraph else [text])]
    yield from _list(_records(command.params, context))


def _records(parameters: Iterable[click.Parameter], context: click.Context) -> list[tuple[str, str]]:
    """Return the options of the parameters, each with its help text."""
    options = (one.get_help_record(context) for one in parameters if isinstance(one, click.Option))
    return [record for record in options if record is not None]


def _list(records: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, text in records:
        yield from [".TP", f"\\fB{_roff(name)}\\fR", _roff(text)]


def _roff(text: str) -> str:
    """Escape a text, so that roff prints it unchanged."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^(?=[.'])", r"\\&", text, flags=re.MULTILINE)


def main(directory: Path) -> None:
    """Write the files."""
    for name, text in files():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
