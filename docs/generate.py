"""Write the pages that are read off the program: the commands, what the Admin API has, the audit's rules.

    python docs/generate.py          write them
    python docs/generate.py --check  end with 1 where one of them is no longer what the program says

`make docs` checks, and so does a test; `make reference` writes.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from synadmin.audit import rules
from synadmin.cli.lazy import Group
from synadmin.cli.operations import Operation, commands, operations

_HERE = Path(__file__).parent
_WIDTH = 100
_COMMON = "Common options:"
_SYNAPSE = "1.163.2"


def pages() -> dict[str, str]:
    """Return the pages by their file names."""
    return {
        "commands.md": "\n".join(_commands()) + "\n",
        "api-coverage.md": "\n".join(_coverage(operations())) + "\n",
        "audit-rules.md": rules.document(),
    }


def _commands() -> Iterator[str]:
    yield "# Commands"
    yield ""
    yield "What `--help` says of each command. It can be asked anywhere: `synadmin room list --help`."
    for path, command in commands():
        name = " ".join(("synadmin", *path))
        context = click.Context(
            command,
            info_name=name,
            terminal_width=_WIDTH,
            help_option_names=["-h", "--help"],
        )
        text = command.get_help(context)
        yield ""
        yield f"{'##' if len(path) < 2 else '###'} `{name}`"  # noqa: PLR2004
        yield ""
        yield "```text"
        # They are the same everywhere: shown once, with `synadmin` itself.
        yield text if not path else _without_common(text, is_group=isinstance(command, Group))
        yield "```"


def _without_common(text: str, *, is_group: bool) -> str:
    before, _, after = text.partition(f"\n{_COMMON}\n")
    following = after[after.index("\nCommands:\n") :] if is_group and "\nCommands:\n" in after else ""
    return (before.rstrip() + "\n" + following).rstrip()


def _coverage(found: list[Operation]) -> Iterator[str]:
    yield "# The Admin API"
    yield ""
    yield f"The {len(found)} operations that Synapse {_SYNAPSE} has under `/_synapse/admin`, with the"
    yield "call in Python and the command for each. `synadmin api --list` prints the same, for scripts with"
    yield "`-o json`."
    yield ""
    yield "*Since* is the Synapse version that brought it, where that is younger than 1.100. *MAS* tells"
    yield "whether it is still there where the Matrix Authentication Service keeps the accounts."
    yield ""
    yield "| Operation | Call | Command | Since | MAS |"
    yield "|---|---|---|---|---|"
    for one in found:
        path = one.path.removeprefix("/_synapse/admin")
        deprecated = f" (deprecated: use `{one.instead}`)" if one.instead else ""
        yield (
            f"| `{one.method} {path}`{deprecated} | `{one.call}` | `synadmin {one.command}` "
            f"| {one.since or ''} | {'yes' if one.mas else 'no'} |"
        )


def main() -> int:
    """Write the pages, or check them."""
    check = "--check" in sys.argv[1:]
    stale = [name for name, text in pages().items() if _read(_HERE / name) != text]
    for name in stale:
        if check:
            sys.stderr.write(f"docs/{name} is not what the program says: run `make reference`\n")
        else:
            (_HERE / name).write_text(pages()[name], "utf-8")
    return 1 if check and stale else 0


def _read(path: Path) -> str | None:
    return path.read_text("utf-8") if path.exists() else None


if __name__ == "__main__":
    sys.exit(main())
