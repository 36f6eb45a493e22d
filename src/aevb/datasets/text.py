"""A table's file as rows of cells: unzipped, decoded, and taken apart where its separator stands."""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path

from aevb.datasets.wording import count_of
from aevb.errors import InvalidDataError

# A file is separated by the first of these that its first row contains outside quotes. The comma comes late because a
# file with tabs or semicolons may have decimal commas; blanks come last because the cells of other files hold some.
BLANKS = " "
_DELIMITERS = ("\t", ";", ",", BLANKS)
_BLANKS_OUTSIDE_QUOTES = re.compile(r'("[^"]*")|[ \t]+')
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Text:
    """What is left to read of a table's file.

    Args:
        path: the file, for the errors.
        content: the text, its lines ended by line feeds.
        line: the number of its first line in the file, from 1.
        delimiter: what separates cells.
        is_headed: whether the first row is a header for certain.
    """

    path: Path
    content: str
    line: int = 1
    delimiter: str = ","
    is_headed: bool = False

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """The line in the file and the cells of each row that is not blank; a row's line is the one that it ends on.

        Raises:
            InvalidDataError: a cell that is longer than any can be.
        """
        lines: Iterator[str] = io.StringIO(self.content, newline="\n")
        if self.delimiter == BLANKS:
            lines = (_BLANKS_OUTSIDE_QUOTES.sub(lambda m: m[1] or "\t", line.strip()) for line in lines)
        delimiter = "\t" if self.delimiter == BLANKS else self.delimiter
        reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
        try:
            for row in reader:
                if len(row) > 1 or (row and row[0].strip()):
                    yield self.line + reader.line_num - 1, row
        except csv.Error as error:
            line = self.line + reader.line_num - 1
            raise InvalidDataError(f"{self.path}, line {line}: {error}.") from error

    @cached_property
    def first(self) -> list[str]:
        """The cells of the first row; none if there is no row."""
        return next((row for _, row in self.rows()), [])

    def rest(self) -> "Text":
        """What stands below the first row."""
        end = next((line for line, _ in self.rows()), self.line - 1)
        return self.from_line(end + 1)

    def from_line(self, line: int) -> "Text":
        """What stands from a line on."""
        start = 0
        for _ in range(line - self.line):
            start = self.content.find("\n", start) + 1
            if start == 0:
                return replace(self, content="", line=line)
        return replace(self, content=self.content[start:], line=line)


def read_text(path: Path, encoding: str = "auto") -> Text:
    """The text of a file, and what separates its cells. Comments at its top are left out but for a header.

    Args:
        path: a text file, or one with `.gz` added to its name.
        encoding: see `aevb.datasets.Reading`.

    Raises:
        InvalidDataError: the file is damaged, holds no text in this encoding, or no row.
    """
    content = path.read_bytes()
    if path.suffix.lower() == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise InvalidDataError(
                f"{path} is damaged, or not zipped by gzip ({error}). Write or fetch it again."
            ) from None
    text = _decoded(path, content, encoding)
    if "\r" in text:  # of Windows, of old Macs, or of both at once
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _without_comments(Text(path, text))
    if not text.content.strip():
        raise InvalidDataError(f"{path} is empty: it has no row with anything in it.")
    return text


def _decoded(path: Path, content: bytes, encoding: str) -> str:
    if encoding == "auto":
        encoding = "utf-16" if content.startswith(_UTF_16) else "utf-8"
    try:
        text = content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidDataError(
            f"{path}, line {line}: this is not {encoding.upper()} text. Name its encoding, such as "
            "`encoding='cp1252'`, or save the table as CSV in UTF-8."
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InvalidDataError(
            f"{path}, line {line}: there are zero bytes, which no text has. If it is UTF-16, say "
            "`encoding='utf-16'`; else it is damaged, or not a table."
        )
    return text


def _without_comments(text: Text) -> Text:
    """The text without lines at the top that are blank or begin with #, as NumPy writes them.

    The last of these is kept as the header if it has as many cells as the row below.
    """
    line, comment = text.line, None
    start = 0
    while start < len(text.content):
        end = text.content.find("\n", start) + 1 or len(text.content)
        words = text.content[start:end].strip()
        if words and not words.startswith("#"):
            break
        comment = words.lstrip("#").strip() if words else comment
        start, line = end, line + 1
    body = _separated(replace(text, content=text.content[start:], line=line))
    if comment is None:
        return body
    header = replace(body, content=f"{comment}\n{body.content}", line=line - 1, is_headed=True)
    return header if len(header.first) == len(body.first) else body


def _separated(text: Text) -> Text:
    """The text with its delimiter: blanks only where the first two rows have as many cells of them."""
    for delimiter in _DELIMITERS:
        separated = replace(text, delimiter=delimiter)
        counts = [len(row) for _, row in islice(separated.rows(), 2)]
        if counts and counts[0] > 1 and (delimiter != BLANKS or counts[-1] - counts[0] in (0, 1)):
            return separated
    return replace(text, delimiter=",")


def check_width(text: Text, line: int, row: list[str], n_columns: int) -> None:
    """Refuses a row with more or fewer cells than the first.

    Raises:
        InvalidDataError: naming the line.
    """
    if len(row) != n_columns:
        raise InvalidDataError(
            f"{text.path}, line {line}: {count_of(len(row), 'cell')}, but the first row has {n_columns}."
        )
