"""Benchmarks of `aevb` beside what a user would pick instead; RESULTS.md holds the last full run."""
