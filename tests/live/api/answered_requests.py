"""The requests that servers have answered, read from their logs: those of commands, and all others."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from synadmin.sandbox.homeserver import Homeserver, Processed

Request = tuple[str, str]


class AnsweredRequests:
    """Answered requests as method and path, without the query.

    Attributes:
        commands: the requests of commands.
        library: all other requests. :meth:`read_log` adds them.
    """

    def __init__(self) -> None:
        self.commands: set[Request] = set()
        self.library: set[Request] = set()
        self._command_lines: dict[Homeserver, set[int]] = {}

    @contextmanager
    def by_command(self, server: Homeserver) -> Iterator[None]:
        """Record the requests that the server answers while the block runs as those of a command."""
        before = len(server.processed())
        yield
        lines = server.processed()
        self._command_lines.setdefault(server, set()).update(range(before, len(lines)))
        self.commands.update(_request(line) for line in lines[before:])

    def read_log(self, server: Homeserver) -> None:
        """Record the other requests in the log of a server."""
        if not server.log.exists():
            return
        of_commands = self._command_lines.get(server, set())
        lines = enumerate(server.processed())
        self.library.update(_request(line) for number, line in lines if number not in of_commands)


def _request(line: Processed) -> Request:
    return line.method, line.uri.partition("?")[0]
