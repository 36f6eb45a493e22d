"""Kullback-Leibler divergences in closed form."""

from aevb.distributions.divergence.dispatch import closed_forms, kl_divergence

__all__ = ["closed_forms", "kl_divergence"]
