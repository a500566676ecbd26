"""The scene of the recovery tests on a Synapse that delegates to MAS."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.live.recovery.conftest import Scene, Standing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from synadmin.sandbox.accounts import Person
    from tests.live.conftest import Answer
    from tests.live.mas.world import MasHomeserver

_KINDS = ("compat-sessions", "oauth2-sessions", "user-sessions", "personal-sessions")


@dataclass
class MasScene(Scene):
    """A scene on a Synapse that delegates to MAS. MAS deactivates and locks the accounts.

    Attributes:
        mas_homeserver: the servers.
    """

    mas_homeserver: MasHomeserver | None = None

    @property
    def mas(self) -> MasHomeserver:
        assert self.mas_homeserver is not None
        return self.mas_homeserver

    @property
    def admin(self) -> Person:
        return self.mas.admin

    def someone(self, name: str = "alice") -> Person:
        who = self.mas.new_user(name)
        self.people.append(who)
        return who

    def deactivate(self, who: Person, *, erase: bool = False) -> None:
        self.mas.api("POST", f"/users/{self.mas.user(who)['id']}/deactivate", {"skip_erase": not erase})
        users = self.admin.synapse.users
        self.mas.wait_until(lambda: bool(users.get(who.user_id).deactivated))
        self.mas.wait_until(lambda: "join" not in self.memberships(who).values())

    def lock(self, who: Person) -> None:
        self.mas.api("POST", f"/users/{self.mas.user(who)['id']}/lock")
        self.mas.wait_until(lambda: bool(self.admin.synapse.users.get(who.user_id).locked))

    def standing(self, who: Person) -> Standing:
        """Return the standing in Synapse, with the state of the account and the active sessions at MAS."""
        standing = super().standing(who)
        user = self.mas.user(who)
        at_mas = {name: user[name] is not None for name in ("locked_at", "deactivated_at")}
        at_mas |= {"may ask for admin scopes": user["admin"]}
        sessions = {kind: self._active_sessions(kind, user["id"]) for kind in _KINDS if who is not self.admin}
        return replace(standing, account={**standing.account, **at_mas, **sessions})

    def _active_sessions(self, kind: str, user_id: str) -> int:
        field = "actor_user" if kind == "personal-sessions" else "user"
        query = {f"filter[{field}]": user_id, "filter[status]": "active", "count": "only"}
        return int(self.mas.ask("GET", f"/{kind}", query=query).json["meta"]["count"])

    def borrowed_tokens(self) -> int:
        return sum(
            self._active_sessions("personal-sessions", self.mas.user(who)["id"]) for who in self.people
        )

    def run(
        self, *arguments: str, acting: Person | None = None, env: Mapping[str, str] | None = None
    ) -> Answer:
        return self.synadmin(*arguments, server=self.server, acting=acting or self.admin, env=env)
