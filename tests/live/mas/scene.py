"""A room and the people around it, where MAS keeps the accounts: what the recovery tests need."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.live.recovery.conftest import Scene, Standing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from synadmin.sandbox.accounts import Person
    from tests.live.conftest import Answer
    from tests.live.mas.world import World

_KINDS = ("compat-sessions", "oauth2-sessions", "user-sessions", "personal-sessions")


@dataclass
class MasScene(Scene):
    """A scene on a Synapse that delegates to MAS; people's fates are MAS's business.

    Attributes:
        world: the servers.
    """

    world: World | None = None

    @property
    def mas(self) -> World:
        assert self.world is not None
        return self.world

    @property
    def admin(self) -> Person:
        return self.mas.admin

    def someone(self, name: str = "alice") -> Person:
        who = self.mas.someone(name)
        self.people.append(who)
        return who

    def deactivate(self, who: Person, *, erase: bool = False) -> None:
        self.mas.api("POST", f"/users/{self.mas.user(who)['id']}/deactivate", {"skip_erase": not erase})
        users = self.admin.synapse.users
        self.mas.eventually(lambda: bool(users.get(who.user_id).deactivated))
        self.mas.eventually(lambda: "join" not in self.memberships(who).values())

    def lock(self, who: Person) -> None:
        self.mas.api("POST", f"/users/{self.mas.user(who)['id']}/lock")
        self.mas.eventually(lambda: bool(self.admin.synapse.users.get(who.user_id).locked))

    def standing(self, who: Person) -> Standing:
        """With MAS's half: what it says of the account, and how many sessions of each kind go on."""
        standing = super().standing(who)
        user = self.mas.user(who)
        there = {name: user[name] is not None for name in ("locked_at", "deactivated_at")}
        there |= {"may ask for admin scopes": user["admin"]}
        sessions = {kind: self._active(kind, user["id"]) for kind in _KINDS if who is not self.admin}
        return replace(standing, account={**standing.account, **there, **sessions})

    def _active(self, kind: str, user_id: str) -> int:
        field = "actor_user" if kind == "personal-sessions" else "user"
        query = {f"filter[{field}]": user_id, "filter[status]": "active", "count": "only"}
        return int(self.mas.ask("GET", f"/{kind}", query=query).json["meta"]["count"])

    def borrowed_tokens(self) -> int:
        return sum(self._active("personal-sessions", self.mas.user(who)["id"]) for who in self.people)

    def run(
        self, *arguments: str, acting: Person | None = None, env: Mapping[str, str] | None = None
    ) -> Answer:
        return self.synadmin(*arguments, server=self.server, acting=acting or self.admin, env=env)
