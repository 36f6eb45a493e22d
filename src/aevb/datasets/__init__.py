"""Data in: named sets, the user's own files, checks, splits and scaling. NumPy arrays throughout; no JAX."""

from aevb.datasets.checks import check_observed, check_rows, check_support, name_cell
from aevb.datasets.dataset import Dataset, split_rows
from aevb.datasets.independent import independent_log_likelihood
from aevb.datasets.keys import Keys, read_keys
from aevb.datasets.loading import Rows, load, load_rows
from aevb.datasets.reading import Reading, check_encoding
from aevb.datasets.scaling import Scaling
from aevb.datasets.sources import NAMES, DatasetInfo, describe
from aevb.datasets.tables import Table, from_frame

__all__ = [
    "NAMES",
    "Dataset",
    "DatasetInfo",
    "Keys",
    "Reading",
    "Rows",
    "Scaling",
    "Table",
    "check_encoding",
    "check_observed",
    "check_rows",
    "check_support",
    "describe",
    "from_frame",
    "independent_log_likelihood",
    "load",
    "load_rows",
    "name_cell",
    "read_keys",
    "split_rows",
]
