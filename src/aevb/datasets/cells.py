"""What a cell of a table says: a number, nothing, or text."""

import math
import re
from dataclasses import dataclass, field

# What programs write where there is no value: R, pandas, SQL, Excel, SAS, the data sets of UCI.
NO_VALUE = frozenset(
    ("", "na", "n/a", "<na>", "#n/a", "#na", "#null!", "nan", "none", "null", "nil", "missing", "?", "-", ".")
)
_TRUTH = {"true": 1.0, "false": 0.0}
# Digits in groups of three, by what stands between them; a space, a thin one or an apostrophe goes with both.
_GROUPED = {
    "point": re.compile(r"[-+]?[1-9]\d{0,2}([, \u00a0\u202f'’])\d{3}(\1\d{3})*(\.\d*)?([eE][-+]?\d+)?"),
    "comma": re.compile(r"[-+]?[1-9]\d{0,2}([. \u00a0\u202f'’])\d{3}(\1\d{3})*(,\d*)?([eE][-+]?\d+)?"),
}
_WITH_COMMA = re.compile(r"[-+]?(\d+(,\d*)?|,\d+)([eE][-+]?\d+)?")


@dataclass(frozen=True)
class Cells:
    """How the cells of a table are read.

    Args:
        decimal: "auto", "point" or "comma", see `aevb.datasets.Reading`.
        missing: texts that stand for a missing value, beside `NO_VALUE` in any case of letters.

    >>> [Cells().number(cell) for cell in ("1.5", " NA ", "True")]
    [1.5, nan, 1.0]
    >>> Cells("comma").number("1.234,5")
    1234.5
    """

    decimal: str = "auto"
    missing: frozenset[str] = field(default_factory=frozenset)

    def number(self, cell: str) -> float:
        """The number in a cell, NaN for a missing value.

        Raises:
            ValueError: it is text.
        """
        if self.decimal != "comma":
            try:
                return _plain(cell)
            except ValueError:
                pass
        text = cell.strip()
        if self.is_missing(text):
            return math.nan
        word = text.lower()
        return _TRUTH[word] if word in _TRUTH else self._with_commas(text)

    def _with_commas(self, text: str) -> float:
        if self.decimal == "auto":
            raise ValueError(text)
        grouped = _GROUPED[self.decimal].fullmatch(text)
        if grouped:
            text = text.replace(grouped[1], "")
        if self.decimal == "comma":
            if not _WITH_COMMA.fullmatch(text):
                raise ValueError(text)
            text = text.replace(",", ".")
        return _plain(text)

    def is_missing(self, cell: str) -> bool:
        """Whether it stands for a missing value."""
        text = cell.strip()
        return text.lower() in NO_VALUE or text in self.missing

    def is_number(self, cell: str) -> bool:
        """Whether it holds one."""
        return not self.is_missing(cell) and not self.is_text(cell)

    def is_text(self, cell: str) -> bool:
        """Whether it holds neither a number nor nothing."""
        try:
            self.number(cell)
        except ValueError:
            return True
        return False

    def advice(self, cell: str) -> str:
        """How else the cell could be read as a number; empty if it could not."""
        ways = []
        for decimal in ("point", "comma"):
            other = Cells(decimal, self.missing)
            if decimal != self.decimal and other.is_number(cell):
                ways.append(f"`decimal='{decimal}'` reads it as {other.number(cell):.15g}")
        return ", ".join(ways)


def _plain(cell: str) -> float:
    if "_" in cell:  # 1_000 is a number in Python only
        raise ValueError(cell)
    return float(cell)
