"""The facts about the server itself, each read where a rule needs it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from typing import Any

from synadmin.audit.facts import DAY, AccountFacts, DestinationFacts, Need, ReportFacts, TaskFacts, TokenFacts
from synadmin.audit.gather.mas_facts import MasAsker
from synadmin.audit.gather.power_holders import facts_of, with_details
from synadmin.audit.gather.room_facts import how_far
from synadmin.client import Synapse
from synadmin.errors import NotFoundError, NotSupportedError, RefusedError
from synadmin.power.room import Reach

_MOST_SHOWN = 4  # characters of a registration token, and of its digest


class ServerAsker:
    """Reads the facts about the server."""

    def __init__(self, synapse: Synapse, *, now: int) -> None:
        self._synapse = synapse
        self._now = now

    def admins(self, _options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the accounts of the server admins."""
        delegated = how_far(self._synapse) is Reach.API
        mas = None if delegated else MasAsker.of(self._synapse, now=self._now)
        if mas is not None:
            found = tuple(with_details(self._synapse, facts) for facts in mas.admins())
            return {"admins": found, "delegated": False}
        users = self._synapse.users
        try:
            listed = [facts_of(user, now=self._now) for user in users.list(admins=True, locked=True)]
        except NotSupportedError:
            # Synapse before 1.103.
            listed = [facts_of(user, now=self._now) for user in users.list_v2(admins=True, locked=True)]
        admins: tuple[AccountFacts, ...] = tuple(with_details(self._synapse, facts) for facts in listed)
        return {"admins": admins, "delegated": delegated}

    def tokens(self, _options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the registration tokens that can still be used."""
        try:
            tokens = self._synapse.registration_tokens.list(valid=True).registration_tokens
        except NotSupportedError:
            # The Matrix Authentication Service keeps them.
            return {"tokens": self._tokens_of_mas()}
        labels = labels_of(token.token for token in tokens)
        return {
            "tokens": tuple(
                TokenFacts(
                    label=labels[token.token],
                    unlimited=token.uses_allowed is None,
                    expires=token.expiry_time,
                    used=token.completed,
                )
                for token in tokens
            )
        }

    def _tokens_of_mas(self) -> tuple[TokenFacts, ...] | None:
        try:
            mas = MasAsker.of(self._synapse, now=self._now)
        except RefusedError:  # reported once, where the sessions are read
            return None
        if mas is None:
            return None
        tokens = mas.tokens()
        labels = labels_of(token.label for token in tokens)
        return tuple(replace(token, label=labels[token.label]) for token in tokens)

    def mas_sessions(self, _options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the sessions at MAS that have admin rights, or that a run has made."""
        mas = MasAsker.of(self._synapse, now=self._now)
        return {} if mas is None else {"mas_sessions": tuple(mas.sessions())}

    def mas_accounts(self, _options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the accounts whose state differs between MAS and Synapse."""
        mas = MasAsker.of(self._synapse, now=self._now)
        return {} if mas is None else {"disagreements": tuple(mas.disagreements())}

    def reports(self, _options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the open reports of events and of users."""
        reports = self._synapse.reports
        facts = [
            ReportFacts(
                id=report.id,
                about="event",
                received=report.received_ts,
                room_id=report.room_id,
                reported_user=report.sender,
            )
            for report in reports.events()
        ]
        with suppress(NotSupportedError):  # Synapse before 1.152
            facts += [
                ReportFacts(
                    id=report.id,
                    about="user",
                    received=report.received_ts,
                    reported_user=report.target_user_id,
                )
                for report in reports.users()
            ]
        return {"reports": tuple(facts)}

    def destinations(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the other servers that cannot be reached."""
        return {"destinations": tuple(self._failing(options.get("days", 0) * DAY))}

    def _failing(self, failing: int) -> Iterator[DestinationFacts]:
        for destination in self._synapse.federation.destinations():
            since = destination.failure_ts
            if since is None or self._now - since < failing:
                continue
            with suppress(NotFoundError):
                page = next(
                    self._synapse.federation.rooms(destination.destination, page_size=1).pages(), None
                )
                yield DestinationFacts(
                    server_name=destination.destination,
                    failing_since=since,
                    shared_rooms=0 if page is None else page.total or len(page.items),
                )

    def updates(self, _options: Mapping[str, Any]) -> dict[str, Any]:
        """Return whether background updates are enabled, and which one is running."""
        status = self._synapse.background_updates.status()
        # With several databases, only the first one with a running update counts.
        running = next((update.name for update in status.current_updates.values()), None)
        return {"updates_enabled": status.enabled, "update_running": running}

    def tasks(self, _options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the scheduled tasks that failed."""
        tasks = self._synapse.tasks.list(status=["failed"]).scheduled_tasks
        return {
            "tasks": tuple(
                TaskFacts(id=task.id, action=task.action, error=task.error, at=task.timestamp_ms)
                for task in tasks
            )
        }


ASK: Mapping[Need, Callable[[ServerAsker, Mapping[str, Any]], dict[str, Any]]] = {
    Need.SERVER_ADMINS: ServerAsker.admins,
    Need.REGISTRATION_TOKENS: ServerAsker.tokens,
    Need.REPORTS: ServerAsker.reports,
    Need.DESTINATIONS: ServerAsker.destinations,
    Need.BACKGROUND_UPDATES: ServerAsker.updates,
    Need.FAILED_TASKS: ServerAsker.tasks,
    Need.MAS_SESSIONS: ServerAsker.mas_sessions,
    Need.MAS_ACCOUNTS: ServerAsker.mas_accounts,
}
"""The methods that read each need of the rules about the server."""


def labels_of(tokens: Iterable[str]) -> dict[str, str]:
    """Return a label for each registration token that identifies it without revealing it.

    For every four characters, the label has one character of the token, from the beginning, and one
    hexadecimal digit of the digest: too few to guess the rest of a short token. Where labels are the same, a
    number distinguishes them.
    """
    labels = {}
    alike: Counter[str] = Counter()
    for token in sorted(tokens):
        shown = min(len(token) // 4, _MOST_SHOWN)
        label = f"{token[:shown]}…{sha256(token.encode()).hexdigest()[:shown]}"
        alike[label] += 1
        labels[token] = label if alike[label] == 1 else f"{label} ({alike[label]})"
    return labels
