"""Run a stored command line as a new run: for ``journal resume`` and ``apply``."""

from typing import TYPE_CHECKING, cast

import click

from synadmin.cli.exit_codes import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, exit_code
from synadmin.cli.lazy import command_words
from synadmin.errors import SynadminError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from synadmin.cli.invocation import Invocation
    from synadmin.cli.output import Output


def run_again(invocation: "Invocation", command: "Sequence[str]", output: "Output", *flags: str) -> int:
    """Run a command line, and return its exit code.

    Args:
        flags: options to add: ``--dry-run``, ``--yes``.

    Raises:
        SynadminError: the command failed.
    """
    options = ["-o", output.form, *flags]
    if output.names is not None:
        options += ["--columns", ",".join(output.names)]
    root = cast("click.Group", click.get_current_context().find_root().command)
    words = command_words(root, [*command])
    result = EXIT_FAILED
    try:
        line = [*command[:words], *options, *command[words:]]
        code = root.main(line, "synadmin", standalone_mode=False, obj=invocation)
        result = code if isinstance(code, int) else EXIT_DONE
    except SynadminError as error:
        result = exit_code(error)
        raise
    except KeyboardInterrupt:
        result = EXIT_INTERRUPTED
        raise
    finally:
        invocation.end(result)
    return result
