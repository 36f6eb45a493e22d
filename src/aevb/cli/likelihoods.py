"""`aevb likelihoods`."""


def likelihoods() -> None:
    """List the likelihoods p(x|z), for `aevb train --likelihood`."""
    from rich.box import SIMPLE
    from rich.table import Table

    from aevb.cli.terminal import Terminal, write
    from aevb.models import LIKELIHOODS

    table = Table(box=SIMPLE, pad_edge=False)
    for column in ("name", "for", "values", "scale auto"):
        table.add_column(column, no_wrap=column == "name")
    for name, likelihood in LIKELIHOODS.items():
        table.add_row(name, likelihood.summary, str(likelihood.support), likelihood.auto_scale)
    console = Terminal()
    console.print(table)
    write(console, "Values are those after scaling. What scale auto does is said in `aevb train --help`.")
    write(
        console,
        "Means of categories are those of their codes; draws (`aevb impute --draws 1`) are categories.",
    )
