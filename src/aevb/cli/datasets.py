"""`aevb datasets`."""

from aevb.cli.options import DataDirOption


def datasets(data_dir: DataDirOption = None) -> None:
    """List the named data sets: size, shape, licence, and whether they are on this machine."""
    from rich.box import SIMPLE
    from rich.table import Table

    from aevb.cli.terminal import Terminal, write
    from aevb.datasets import describe

    sets = describe(data_dir)
    table = Table(box=SIMPLE, pad_edge=False)
    for column in ("name", "training", "test", "pixels", "licence", "on this machine"):
        table.add_column(column, justify="right" if column in ("training", "test") else "left", no_wrap=True)
    for info in sets:
        height, width = info.image_shape
        rows = (f"{n:,}" for n in (info.n_train, info.n_test))
        table.add_row(info.name, *rows, f"{height} x {width}", info.licence, "yes" if info.present else "no")
    console = Terminal()
    console.print(table)
    absent = [info for info in sets if not info.present]
    if absent:
        write(console, "Sets that are not on this machine are downloaded when they are first used, from:")
    for info in absent:
        write(console, f"  {info.name}: {info.where}")
    if absent:
        write(console, "Without a network: name a folder that has their files with --data-dir.")
