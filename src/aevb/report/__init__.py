"""Which pictures a run gets, and the numbers that go into them."""

from aevb.report.draw import draw_figures

__all__ = ["draw_figures"]
