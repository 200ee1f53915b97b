"""What a materialization shows of rows that others wrote: text, whatever it looks like."""

import re

import pandas as pd
import pytest

from bitpredict_assets.describe import preview

EVIL = [
    "![x](http://evil.example/p.png)",
    "[log in](https://evil.example)",
    "<img src=x onerror=alert(1)>",
    "&lt;b&gt; *bold* __bold__ ~~gone~~ `code` $x^2$",
    "<https://evil.example> [a]: //evil.example",
    "a | b \\| c",
    "one\n\n# two\r\n| three |\u2028four",
]


def cells(markdown: str) -> list[str]:
    """What a reader sees in a table of one column: a backslash before punctuation is gone, and stands for it."""
    rows = markdown.split("\n")[2:]
    assert all(row.startswith("| ") and row.endswith(" |") for row in rows)
    return [row[2:-2] for row in rows]


@pytest.mark.parametrize("text", EVIL)
def test_a_text_of_others_is_shown_as_it_reads(text):
    (cell,) = cells(str(preview(pd.DataFrame({"title": [text]})).value))
    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", cell) == " ".join(text.split())
    live = re.sub(r"\\[!-/:-@\[-`{-~]", "", cell)
    assert not set(live) & set("![]()<>&*_~`$|#:\\")


def test_numbers_and_times_are_shown_as_they_were():
    rows = pd.DataFrame({"at": [pd.Timestamp("2026-02-06 07:12", tz="UTC")], "x": [-0.125], "n": [3], "m": [None]})
    assert str(preview(rows).value).endswith("| 2026-02-06 07:12 | -0.125 | 3 | None |")
