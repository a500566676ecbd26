"""The result of a check."""

from dataclasses import dataclass
from typing import Any

ERROR = "error"
"""Other servers get no answers until the problem is fixed."""
WARNING = "warning"
"""Federation still works, but perhaps not for long or not for every server."""
NOTE = "note"
"""Information that is neither good nor bad."""


@dataclass(frozen=True, slots=True)
class Check:
    """A check and its result.

    Attributes:
        name: ``dns`` ``well-known`` ``srv`` ``connection`` ``certificate`` ``version`` ``keys``
            ``admin-api`` ``client-well-known`` ``client-api``.
        ok: the check has found no problem.
        detail: the result, as a sentence, with the address where there are several.
        severity: how much it matters where it is not ok: ``error``, ``warning`` or ``note``.
    """

    name: str
    ok: bool
    detail: str
    severity: str = ERROR

    def as_record(self) -> dict[str, Any]:
        """Return the check as scripts get it."""
        return {"name": self.name, "ok": self.ok, "detail": self.detail}
