"""synadmin: a typed client for the Synapse Admin API, and a command line that looks before it acts.

>>> from synadmin import Synapse
>>> with Synapse.from_profile() as synapse:
...     for room in synapse.rooms.list():
...         print(room.room_id, room.joined_members)

The names in ``__all__`` are public, with their methods and fields. Other modules may change in any release.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from synadmin._version import __version__

if TYPE_CHECKING:
    from synadmin.audit.findings import Finding
    from synadmin.audit.report import Report
    from synadmin.errors import (
        ConnectError,
        JournalError,
        MatrixError,
        NotAuthenticatedError,
        NotFoundError,
        NotPermittedError,
        NotSupportedError,
        RateLimitedError,
        RefusedError,
        ReplyError,
        ServerError,
        SettingsError,
        SynadminError,
        UnknownOutcomeError,
        UsageError,
    )
    from synadmin.http.paging import Pager
    from synadmin.http.transport import DryRunStop
    from synadmin.journal import Journal
    from synadmin.library import Synapse
    from synadmin.recovery.outcome import Outcome
    from synadmin.recovery.transfer_plan import RoomTransfer

__all__ = [
    "ConnectError",
    "DryRunStop",
    "Finding",
    "Journal",
    "JournalError",
    "MatrixError",
    "NotAuthenticatedError",
    "NotFoundError",
    "NotPermittedError",
    "NotSupportedError",
    "Outcome",
    "Pager",
    "RateLimitedError",
    "RefusedError",
    "ReplyError",
    "Report",
    "RoomTransfer",
    "ServerError",
    "SettingsError",
    "SynadminError",
    "Synapse",
    "UnknownOutcomeError",
    "UsageError",
    "__version__",
]

_MODULES = {
    "DryRunStop": "synadmin.http.transport",
    "Finding": "synadmin.audit.findings",
    "Journal": "synadmin.journal",
    "Outcome": "synadmin.recovery.outcome",
    "Pager": "synadmin.http.paging",
    "Report": "synadmin.audit.report",
    "RoomTransfer": "synadmin.recovery.transfer_plan",
    "Synapse": "synadmin.library",
}


def __getattr__(name: str) -> object:
    # `import synadmin` costs nothing; a name is loaded when it is used.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES.get(name, "synadmin.errors")), name)
