"""An observer who has seen all there is to see of a room that was written down."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from synadmin.recovery.observe import Observer
from tests.unit.stub import ADMIN, Stub, refused, told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from synadmin.client import Synapse
    from synadmin.ids import RoomId, UserId
    from synadmin.power.room import RoomView

ADMIN_FLAG = f"/_synapse/admin/v1/users/{quote(ADMIN, safe='')}/admin"


def observer_of(stub: Stub, synapse: Synapse, view: RoomView, *, elsewhere: bool = False) -> Observer:
    """Return an observer who knows the accounts of the view; ``elsewhere``: its server does not keep them."""
    answer = refused(404, "M_UNRECOGNIZED") if elsewhere else told({"admin": True})
    stub.on(ADMIN_FLAG, answer)
    memberships: dict[UserId, Mapping[RoomId, str]] = {
        user: {view.room_id: view.membership_of(user)} for user in view.accounts
    }
    return Observer(synapse, _memberships=memberships, _accounts=dict(view.accounts))
