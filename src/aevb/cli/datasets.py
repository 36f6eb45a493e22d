"""`aevb datasets`."""

from aevb.cli.options import DataDirOption


def datasets(data_dir: DataDirOption = None) -> None:
    """List the named data sets: size, shape, licence, and whether they are on this machine."""
    from rich.console import Console
    from rich.table import Table

    from aevb.datasets import describe

    table = Table()
    for column in ("name", "rows (train + test)", "shape", "licence", "present", "where"):
        table.add_column(column)
    for info in describe(data_dir):
        height, width = info.image_shape
        present = "yes" if info.present else "no"
        rows = f"{info.n_train:,} + {info.n_test:,}"
        table.add_row(info.name, rows, f"{height} x {width}", info.licence, present, info.where)
    Console(highlight=False).print(table)
