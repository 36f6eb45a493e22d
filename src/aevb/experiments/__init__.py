"""Experiments that show what the library's parts do, each measured and held against an answer derived another way."""
