"""The formats of the report."""

from __future__ import annotations

import io
import pkgutil

import pytest

from synadmin.audit import report
from synadmin.columns import REPORT_FORMATS
from tests.unit.audit.report import sample


def test_every_module_is_a_format() -> None:
    modules = {module.name for module in pkgutil.iter_modules(report.__path__)}

    assert modules == set(REPORT_FORMATS), "REPORT_FORMATS in synadmin/columns.py names the modules"


@pytest.mark.parametrize("output_format", REPORT_FORMATS)
def test_no_format_prints_control_characters(output_format: str) -> None:
    out = io.StringIO()
    report.render(output_format, sample.report(), out)
    text = out.getvalue()
    assert text.endswith("\n")
    assert not set(text) & {"\x1b", "\x00", "\u202e", "\x07"}
