"""A plan in a file: one person makes it, another person approves and applies exactly that plan.

The file has the command line. For each target it has the plan, as ``-o json`` shows it, and a fingerprint of
the state of the room or account. ``synadmin apply`` plans again and compares: a target that has changed
since is refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from synadmin.errors import UsageError
from synadmin.text import command

CHANGED = "changed-since-plan"
_VERSION = 1
_NOT_COMPARED = frozenset({"message", "room", "lines", "warnings"})


@dataclass(frozen=True, slots=True)
class PlannedTarget:
    """A room or an account of a plan.

    Attributes:
        fingerprint: the state that the plan is based on.
        record: the planned record.
    """

    fingerprint: Mapping[str, Any]
    record: Mapping[str, Any]


@dataclass(slots=True)
class SavedPlan:
    """A plan in a file, or a plan to save.

    Attributes:
        command: the command line, without ``--yes``.
        made_by: the owner of the token.
        made_at: the time, in ISO 8601, UTC.
        reason: the value of ``--reason``.
        options: further values that are not on the command line.
        targets: by id, the targets that need a change.
    """

    command: list[str]
    server_name: str
    made_by: str
    made_at: str
    reason: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    targets: dict[str, PlannedTarget] = field(default_factory=dict)
    path: Path | None = None

    @classmethod
    def begin(cls, owner: str, reason: str | None) -> "SavedPlan":
        """Return a new plan without targets."""
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return cls([], owner.partition(":")[2], owner, now, reason)

    def add(self, target: str, record: Mapping[str, Any], **fingerprint: object) -> None:
        """Add a target that needs a change."""
        self.targets[target] = PlannedTarget(fingerprint, record)

    def difference(self, target: str, record: Mapping[str, Any], **fingerprint: object) -> str | None:
        """Return a sentence about the difference of a target from this plan; None where there is none."""
        planned = self.targets.get(target)
        if planned is None:
            return f"The plan of {self.made_at} does not name {target}. Make a new plan."
        if _plain(fingerprint) != _plain(planned.fingerprint):
            return f"{target} has changed since the plan was made ({self.made_at}). Make a new plan."
        if _compared(record) != _compared(planned.record):
            return (
                f"What would be done now differs from the plan that {self.made_by} made at {self.made_at}. "
                "Make a new plan."
            )
        return None

    def write(self, path: Path) -> None:
        """Write the plan to a file that only you can read.

        Raises:
            SettingsError: it cannot be written.
        """
        import json

        from synadmin.files import replace_file

        names = ("command", "server_name", "made_by", "made_at", "reason", "options")
        targets = [
            {"id": target, "fingerprint": planned.fingerprint, "plan": planned.record}
            for target, planned in self.targets.items()
        ]
        content = {"version": _VERSION, **{name: getattr(self, name) for name in names}, "targets": targets}
        text = json.dumps(content, indent=2, ensure_ascii=False)
        replace_file(path, f"{text}\n", setting="--save-plan")

    @classmethod
    def read(cls, path: Path) -> "SavedPlan":
        """Read a plan from a file.

        Raises:
            UsageError: the file is no plan.
        """
        import json

        try:
            content = json.loads(path.read_text("utf-8"))
            if content["version"] != _VERSION:
                raise UsageError(
                    f"{path} is a plan of version {content['version']!a}; this synadmin reads {_VERSION}"
                )
            command = [str(word) for word in content["command"]]
            targets = {
                str(target["id"]): PlannedTarget(dict(target["fingerprint"]), dict(target["plan"]))
                for target in content["targets"]
            }
            return cls(
                command,
                str(content["server_name"]),
                str(content["made_by"]),
                str(content["made_at"]),
                content.get("reason"),
                dict(content["options"]),
                targets,
                path.absolute(),
            )
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror or error}") from None
        except (ValueError, KeyError, TypeError, AttributeError, UnicodeError, RecursionError):
            raise UsageError(f"{path} is not a plan", hint="`--save-plan FILE` makes one") from None


def save(say: Callable[[str], None], plan: SavedPlan, file: str, noun: str) -> None:
    """Write a plan and print how to apply it; a plan without targets is not written.

    Raises:
        SettingsError: it cannot be written.
    """
    if not plan.targets:
        say("Nothing is planned: no file was written.")
        return
    plan.write(Path(file))
    count = len(plan.targets)
    say(
        f"The plan for {count} {noun if count == 1 else noun + 's'} is in {file}. "
        f"`{command('apply', file)}` applies it."
    )


def _plain(value: Any) -> Any:  # noqa: ANN401  any JSON
    """Return a value as it is after it is written to JSON and read again."""
    import json

    return json.loads(json.dumps(value))


def _compared(value: Any) -> Any:  # noqa: ANN401  any JSON
    """Return the part of a record that is compared, without names and sentences."""
    if isinstance(value, Mapping):
        return {name: _compared(item) for name, item in value.items() if name not in _NOT_COMPARED}
    if isinstance(value, list | tuple):
        return [_compared(item) for item in value]
    return _plain(value)
