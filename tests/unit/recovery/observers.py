"""An observer that knows a room view without requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synadmin.recovery.observer import Observer
from tests.unit.stub import Stub, json_reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from synadmin.client import Synapse
    from synadmin.ids import RoomId, UserId
    from synadmin.power.room import RoomView


def observer_of(stub: Stub, synapse: Synapse, view: RoomView, *, with_mas: bool = False) -> Observer:
    """Return an observer that knows the accounts of the view; ``with_mas``: MAS manages them."""
    if with_mas:
        stub.on("/_matrix/client/v1/auth_metadata", json_reply({"issuer": "https://account.example.org/"}))
    memberships: dict[UserId, Mapping[RoomId, str]] = {
        user: {view.room_id: view.membership_of(user)} for user in view.accounts
    }
    return Observer(synapse, _memberships=memberships, _accounts=dict(view.accounts))
