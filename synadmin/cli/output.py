"""``-o`` and ``--columns``: print records as a table or in a format for scripts."""

import functools
import io
import itertools
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, Self, TypeVar

import click

from synadmin.cli import colors
from synadmin.cli.invocation import is_terminal, print_block, with_options, wrapped
from synadmin.columns import FORMATS
from synadmin.errors import UsageError

if TYPE_CHECKING:
    from synadmin.columns import Column
    from synadmin.http.paging import Pager

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


def terminal_width() -> int | None:
    """Return the width of the terminal in columns; None where stdout is not a terminal."""
    import shutil

    return shutil.get_terminal_size().columns if is_terminal(sys.stdout) else None


class Output(NamedTuple):
    """The format and the columns of the records that are printed."""

    form: str
    names: tuple[str, ...] | None

    @classmethod
    def of(cls, form: str, columns: str | None) -> Self:
        """Return the output for the values of ``-o`` and ``--columns``.

        Raises:
            UsageError: ``--columns`` names no column.
        """
        if columns is None:
            return cls(form, None)
        names = tuple(name.strip() for name in columns.split(",") if name.strip())
        if not names:
            raise UsageError("--columns names no column")
        return cls(form, names)

    @property
    def for_people(self) -> bool:
        """Whether the output is for a person, not for a script."""
        return self.form == "table"

    @property
    def in_words(self) -> bool:
        """Whether the output is for a person, without ``--columns``."""
        return self.for_people and self.names is None

    @property
    def on_terminal(self) -> bool:
        """Whether the output is for a person on a terminal, without ``--columns``."""
        return self.in_words and terminal_width() is not None

    def write(
        self,
        records: Iterable[Mapping[str, Any]],
        columns: "Sequence[Column]",
        *,
        empty: str = "",
        hint: str = "",
    ) -> None:
        """Print the records.

        Args:
            columns: all columns; the default are those with ``shown``.
            empty: the text on stderr for an empty table.
            hint: the text on stderr below a table on a terminal.
        """
        from synadmin import tables

        chosen = self.chosen(columns)
        # If the first record fails, only the error is printed, without the beginning of a list.
        coming = iter(records)
        first = list(itertools.islice(coming, 1))
        written = 0

        def counted() -> Iterable[Mapping[str, Any]]:
            nonlocal written
            for record in itertools.chain(first, coming):
                written += 1
                yield record

        colored = self.for_people and colors.enabled(sys.stdout)
        out = io.StringIO() if colored else sys.stdout
        shown = map(colors.with_marks, counted()) if colored else counted()
        style = colors.cell if colored else None
        all_fields = self.names is None
        width = terminal_width()
        tables.write(shown, chosen, self.form, out, width=width, all_fields=all_fields, style=style)
        if isinstance(out, io.StringIO):
            colors.echo(out.getvalue(), nl=False)
        if self.for_people and not written and empty:
            click.echo(empty, err=True)
        elif hint and self.on_terminal:
            click.echo(f"hint: {hint}", err=True)

    def write_blocks(
        self,
        results: Iterable[T],
        as_text: Callable[[T], str],
        as_record: Callable[[T], Mapping[str, Any]],
        columns: "Sequence[Column]",
    ) -> None:
        """Print a block of text for each result; for scripts and with ``--columns``, its record."""
        if not self.in_words:
            self.write(map(as_record, results), columns)
            return
        for number, result in enumerate(results):
            print_block(as_text(result), first=not number)

    def write_one(self, record: Mapping[str, Any], columns: "Sequence[Column]") -> None:
        """Print a single record: as a line for each field, or as one JSON object."""
        from synadmin import tables

        if self.form == "json":
            shown = record
            if self.names is not None:
                shown = {column.name: column.of(record) for column in self.chosen(columns)}
            click.echo(tables.as_json(shown, indent=2))
        elif self.for_people:
            colored = colors.enabled(sys.stdout)
            shown = colors.with_marks(record) if colored else record
            style = colors.cell if colored else None
            text = tables.record_as_text(shown, self.chosen(columns), width=terminal_width(), style=style)
            colors.echo(text, nl=False)
        else:
            self.write([record], columns)

    def write_result(self, record: Mapping[str, Any], columns: "Sequence[Column]") -> None:
        """Print the result of a single target: on a terminal in one line, if it has few fields."""
        from synadmin.tables import cell_texts

        name, outcome, *rest = columns
        texts = dict(zip(columns, cell_texts(record, columns, on_terminal=True), strict=True))
        filled = [column for column in rest if column.shown and texts[column] != "-"]
        # The message already contains yes and no values.
        said = bool(record.get("message"))
        others = [column for column in filled if not (said and isinstance(column.of(record), bool))]
        if not self.on_terminal or len(others) > 1:
            self.write([record], columns)
            return
        values = [texts[column] for column in (outcome, name, *others)]
        if others and others[0].name != "message":
            value, heading = others[0].of(record), others[0].heading
            values[2] = f"{heading} {values[2]}"
            if isinstance(value, bool):
                values[2] = heading if value else f"not {heading}"
        colors.echo(wrapped(f"  {': '.join(values)}", sys.stdout))

    def stream(
        self, pager: "Pager[Any]", columns: "Sequence[Column]", *, empty: str = "", hint: str = ""
    ) -> None:
        """Print a list while its pages arrive, with all fields as the server sent them."""
        from synadmin import tables

        if self.form == "ndjson" and self.names is None:
            for page in pager.pages_ahead():
                for lines in page.lines():
                    sys.stdout.write(tables.safe_json(lines))
                sys.stdout.flush()
                del page  # it can have megabytes, and the next page may not be there yet
            return
        self.write((record.as_sent() for record in pager), columns, empty=empty, hint=hint)

    def chosen(self, columns: "Sequence[Column]") -> "Sequence[Column]":
        """Return the columns of ``--columns``, named by their names or their headings.

        Raises:
            UsageError: there is no such column.
        """
        if self.names is None:
            return [column for column in columns if column.shown]
        known = {column.name: column for column in columns}
        headings = {column.heading.replace(" ", "_"): column for column in columns}
        missing = [name for name in self.names if name not in known and name not in headings]
        if missing:
            raise UsageError(f"there is no column {missing[0]!a}; there are {', '.join(known)}")
        return [known.get(name) or headings[name] for name in self.names]


def _complete_columns(context: click.Context, _option: click.Parameter, start: str) -> list[str]:
    """Complete the last of the column names, for commands with known columns."""
    names: Sequence[str] = getattr(context.command, "column_names", list)()
    before, comma, last = start.rpartition(",")
    return [f"{before}{comma}{name}" for name in names if name.startswith(last)]


def _form_option(formats: Sequence[str]) -> click.Option:
    return click.Option(
        ["-o", "--output", "form"],
        type=click.Choice(formats),
        default="table",
        metavar="FORMAT",
        help=f"{', '.join(formats[:-1])}, or {formats[-1]} for the ids alone. [default: table]",
    )


OUTPUT_OPTIONS = (
    _form_option(FORMATS),
    click.Option(
        ["--columns"],
        metavar="NAME,...",
        help="The columns to print, in this order.",
        shell_complete=_complete_columns,
    ),
)


def output_options(function: Callable[P, R], *, formats: Sequence[str] = FORMATS) -> Callable[P, R]:
    """Add ``-o`` and ``--columns`` to a command; it gets an :class:`Output` as ``output``.

    Args:
        formats: the formats that it can print; the last one prints only the ids.
    """

    @functools.wraps(function)
    def with_output(*args: Any, form: str, columns: str | None, **options: Any) -> R:  # noqa: ANN401
        return function(*args, output=Output.of(form, columns), **options)  # type: ignore[arg-type]

    return with_options(_form_option(formats), OUTPUT_OPTIONS[1])(with_output)  # type: ignore[return-value]
