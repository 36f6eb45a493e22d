"""Data in: named sets, the user's own files, checks, splits and scaling. NumPy arrays throughout; no JAX."""

from aevb.datasets.checks import check_observed, check_rows, name_cell
from aevb.datasets.dataset import Dataset, split_rows
from aevb.datasets.digests import RowDigests, row_digests
from aevb.datasets.keys import Keys, read_keys
from aevb.datasets.loading import Rows, load, load_rows
from aevb.datasets.reading import Reading, check_encoding
from aevb.datasets.repeated import RepeatedColumn, describe_repeated, repeated_columns
from aevb.datasets.scaling import Scaling
from aevb.datasets.sources import NAMES, DatasetInfo, describe
from aevb.datasets.support import Support, check_support
from aevb.datasets.tables import Table, from_frame

__all__ = [
    "NAMES",
    "Dataset",
    "DatasetInfo",
    "Keys",
    "Reading",
    "RepeatedColumn",
    "RowDigests",
    "Rows",
    "Scaling",
    "Support",
    "Table",
    "check_encoding",
    "check_observed",
    "check_rows",
    "check_support",
    "describe",
    "describe_repeated",
    "from_frame",
    "load",
    "load_rows",
    "name_cell",
    "read_keys",
    "repeated_columns",
    "row_digests",
    "split_rows",
]
