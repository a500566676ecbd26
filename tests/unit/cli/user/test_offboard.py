"""``user offboard`` refuses the last server admin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.stub import json_reply

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Synadmin
    from tests.unit.stub import Stub


def test_last_server_admin_is_kept(signed_in: Stub, synadmin: Synadmin) -> None:
    last = {"name": "@last:example.org", "admin": True}
    signed_in.on("/_synapse/admin/v2/users", json_reply({"users": [last], "total": 1}))

    result = synadmin("user", "offboard", "@last:example.org", "--to", "@bob:example.org", "--yes")

    result.assert_one_line_error(code=5)
    assert "@last:example.org is the last server admin" in result.stderr
    assert "synadmin user admin grant" in result.stderr
    assert not any(target.startswith(("POST", "PUT")) for target in signed_in.targets)
