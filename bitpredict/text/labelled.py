"""Texts whose sentiment people have judged, from a CSV file of the user's."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bitpredict.errors import ModelError
from bitpredict.text.model import CLASSES, Labels

_SPELLINGS = {
    **{name: place - 1 for place, name in enumerate(CLASSES)},
    **{spelling: label for label in (-1, 0, 1) for spelling in (str(label), f"{label}.0", f"{label:+d}")},
}


@dataclass(frozen=True, eq=False)
class Labelled:
    """n texts and (n,) labels: -1, 0, 1."""

    texts: tuple[str, ...]
    labels: Labels

    def take(self, rows: npt.NDArray[np.intp]) -> "Labelled":
        """The given rows, in the given order."""
        return Labelled(tuple(self.texts[row] for row in rows), self.labels[rows])


def read_labelled(path: Path, text_column: str = "text", label_column: str = "label") -> Labelled:
    """Read a CSV file with a header (UTF-8). Labels are -1, 0, 1 or negative, neutral, positive.

    Raises:
        ModelError: the file or a column is missing, a label is none, a text is empty, or there are no rows.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if missing := {text_column, label_column} - set(rows.fieldnames or ()):
                raise ModelError(
                    f"{path} has no column {', '.join(sorted(missing))}, only {', '.join(rows.fieldnames or ())}; "
                    "name those of texts and labels"
                )
            pairs = [_pair(path, rows.line_num, row[text_column], row[label_column]) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise ModelError(f"{path} cannot be read ({why}); give a CSV file in UTF-8 with a header") from error
    if not pairs:
        raise ModelError(f"{path} has no rows; label some texts first")
    return Labelled(tuple(text for text, _ in pairs), np.array([label for _, label in pairs], np.int8))


def _pair(path: Path, line: int, text: str | None, label: str | None) -> tuple[str, int]:
    spelling = (label or "").strip().lower()
    if spelling not in _SPELLINGS:
        raise ModelError(f"{path}, line {line}: {label!r} is no label; write -1, 0, 1 or negative, neutral, positive")
    if not (text or "").strip():
        raise ModelError(f"{path}, line {line}: a label without a text; delete the row")
    return str(text), _SPELLINGS[spelling]
