"""The control file is parsed, and each error names its place in the file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from synadmin.control.file import Heirs, parse
from synadmin.errors import SettingsError
from synadmin.power.room import Reach

EXAMPLE = """\
version = 1

[teams]
board = ["@alice:example.org", "@bob:example.org"]

[[rooms]]
name = "the club"
match = { space = "#club:example.org" }
admins = ["board"]
moderators = { level = 50, users = ["@carol:example.org"] }
at_least = 2
nobody_else = false
allow = "impersonate"

[rooms.settings]
join_rule = "invite"
history_visibility = "shared"
encryption = true

[rooms.heirs]
users = ["@dora:example.org"]
after = "180d"
notify = "30d"
"""


def entry(body: str, *, match: str = 'ids = ["!a:example.org"]') -> str:
    return f"[[rooms]]\nmatch = {{ {match} }}\n{body}\n"


def file(*entries: str) -> str:
    return 'version = 1\n[teams]\nboard = ["@alice:example.org"]\n' + "".join(entries)


def test_example_of_the_documentation_is_read() -> None:
    (club,) = parse(EXAMPLE)
    assert (club.name, club.line, club.allow) == ("the club", 6, Reach.IMPERSONATE)
    assert club.match.space == "#club:example.org"
    assert club.goal.admins == ("@alice:example.org", "@bob:example.org")
    assert club.goal.moderators == {"@carol:example.org": 50}
    assert (club.goal.at_least, club.goal.nobody_else) == (2, False)
    assert club.settings == {
        "join_rule": {"join_rule": "invite"},
        "history_visibility": {"history_visibility": "shared"},
        "encryption": {"algorithm": "m.megolm.v1.aes-sha2"},
    }
    day = 86_400_000
    assert club.heirs == Heirs(users=("@dora:example.org",), after=180 * day, notify=30 * day)  # type: ignore[arg-type]


def test_files_of_the_guide_are_valid() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "control.md").read_text("utf-8")
    files = re.findall(r"```toml\n(version = 1\n.*?)```", guide, re.DOTALL)
    assert len(files) >= 2
    assert all(parse(text) for text in files)


def test_entry_without_a_name_is_named_by_its_line() -> None:
    assert [parsed.name for parsed in parse(file(entry("")))] == ["line 4"]


def test_moderators_of_several_levels_are_a_list() -> None:
    groups = '[{ level = 50, users = ["@bob:example.org"] }, { level = 75, users = ["board"] }]'
    (only,) = parse(file(entry(f"moderators = {groups}")))
    assert only.goal.moderators == {"@bob:example.org": 50, "@alice:example.org": 75}


def test_equal_entries_for_the_same_rooms_are_accepted() -> None:
    assert len(parse(file(entry('admins = ["board"]'), entry('admins = ["@alice:example.org"]')))) == 2


def test_line_numbers_count_multi_line_strings() -> None:
    text = file('[[rooms]]\nname = """\n[[rooms]]\nname = 1\n"""\nmatch = { ours = true }\n', entry(""))
    assert [parsed.line for parsed in parse(text)] == [4, 10]


_ADMINS = 'admins = ["@alice:example.org"]'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "version = 1"),
        ("version = 2", "version = 1"),
        ("version = 1\nroom = 1", 'the file has no "room"; did you mean rooms?'),
        ("version = 1\n[rooms]", "two brackets"),
        (file(entry('admin = ["board"]')), 'line 4 has no "admin"; did you mean admins?'),
        (file(entry('admins = ["bored"]')), 'there is no team "bored" in [teams]; did you mean board?'),
        (file(entry('admins = ["@alice"]')), "admins: "),
        (file("[[rooms]]\n"), "match is not a table"),
        (file(entry("", match="")), "use exactly one of ids, alias, space, creator, ours"),
        (file(entry("", match='ours = true, ids = ["!a:b"]')), "use exactly one of"),
        (file(entry("", match="ours = false")), "write ours = true"),
        (file(entry("", match='alias = "club-*"')), "is not an alias"),
        (file(entry("", match='ours = true, except = ["club"]')), "is not a room id or an alias"),
        (file(entry('allow = "everything"')), '"everything" is not "impersonate" or "reactivate"'),
        (file(entry("nobody_else = 1")), "1 is not true or false"),
        (file(entry('at_least = "2"')), '"2" is not a whole number'),
        (file(entry("nobody_else = true")), "would leave no user with control"),
        (file(entry(f"{_ADMINS}\nnobody_else = true\nat_least = 2")), "lines 8 and 7: at_least = 2"),
        (
            file(entry(f'{_ADMINS}\nmoderators = {{ level = 50, users = ["board"] }}')),
            "lines 6 and 7: @alice:example.org is among the admins and the moderators",
        ),
        (file(entry('moderators = { users = ["board"] }')), "level is missing"),
        (
            file(entry('moderators = [{ level = 1, users = ["board"] }, { level = 2, users = ["board"] }]')),
            "line 6: @alice:example.org has level 1 and level 2",
        ),
        (
            file(entry('name = "a"'), entry('name = "a"', match="ours = true")),
            'lines 6 and 9: two entries have the name "a"',
        ),
        (
            file(entry(_ADMINS), entry('admins = ["@bob:example.org"]')),
            "lines 4 and 7: ",
        ),
        (file(entry("settings = { topic = 1 }")), 'has no "topic"'),
        (file(entry('settings = { join_rule = "open" }')), "is not one of public, invite"),
        (file(entry('settings = { join_rule = "restricted" }')), "allow_members_of go together"),
        (file(entry("settings = { encryption = false }")), "encryption cannot be turned off"),
        (file(entry('settings = { retention = "0d" }')), "write 90d"),
        (file(entry('settings = { directory = "public" }')), "is not true or false"),
        (file(entry("settings = { server_acl = { block = [] } }")), 'has no "block"'),
        (file(entry("heirs = { users = [] }")), "users and after are needed"),
        (file(entry('heirs = { users = ["board"], after = "6 months" }')), "write 12h, 30d or 1y"),
        (file(entry('heirs = { users = ["board"], after = "1d", notify = "2d" }')), "longer than after"),
    ],
)
def test_invalid_control_files_name_the_problem(text: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(text)
    assert words in str(caught.value)
