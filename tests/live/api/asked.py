"""Which requests servers have answered, read from their own logs: the library's, and the commands'."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from synadmin.sandbox.homeserver import Homeserver, Processed

Request = tuple[str, str]


class Asked:
    """Requests as method and path, without the query.

    Attributes:
        commands: what the command line has asked.
        library: what came from anywhere else, once :meth:`gather` has been called.
    """

    def __init__(self) -> None:
        self.commands: set[Request] = set()
        self.library: set[Request] = set()
        self._runs: dict[Homeserver, set[int]] = {}

    @contextmanager
    def by_command(self, server: Homeserver) -> Iterator[None]:
        """Take what the server answers in here as the command line's."""
        before = len(server.processed())
        yield
        lines = server.processed()
        self._runs.setdefault(server, set()).update(range(before, len(lines)))
        self.commands.update(_request(line) for line in lines[before:])

    def gather(self, server: Homeserver) -> None:
        """Take over what the server has in its log."""
        if not server.log.exists():
            return
        of_commands = self._runs.get(server, set())
        lines = enumerate(server.processed())
        self.library.update(_request(line) for number, line in lines if number not in of_commands)


def _request(line: Processed) -> Request:
    return line.method, line.uri.partition("?")[0]
