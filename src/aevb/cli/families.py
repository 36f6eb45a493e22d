"""`aevb families`."""


def families() -> None:
    """List the families that a posterior or a prior can be of, for `aevb train --posterior` and `--prior`."""
    from rich.box import SIMPLE
    from rich.table import Table

    from aevb.cli.terminal import Terminal, write
    from aevb.distributions import FAMILIES
    from aevb.models import choose_prior

    table = Table(box=SIMPLE, pad_edge=False)
    for column in ("name", "samples by", "support", "default prior"):
        table.add_column(column, no_wrap=column != "support")
    for name, family in FAMILIES.items():
        moves = " (moves)" if family.support_moves else ""
        table.add_row(name, family.route, family.support_in_words + moves, choose_prior("auto", name))
    console = Terminal()
    console.print(table)
    write(console, "A prior is the family's standard member; its support must hold the posterior's.")
