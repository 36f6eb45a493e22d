"""The line protocol that every worker talks with the harness, over its standard input and output.

A worker is started as `python peers/NAME.py FILE.npy`, FILE holding the training pixels, uint8 (60000, 784).
It answers `ready {"package": "version", ...}` once the model is built, then each line `epoch` by training one
epoch and answering `{"seconds": ..., "loss": ...}`, and ends at `quit`. Whatever the libraries print goes to
standard error.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version

BATCH_SIZE = 128
HIDDEN = 400
LATENTS = 20
LEARNING_RATE = 1e-3
PIXELS = 784
THREADS = 2


def serve(build: Callable[[str], Callable[[], float]], packages: list[str]) -> None:
    """Build the model from the data file, then train one epoch for every `epoch` line until `quit`.

    `build(path)` returns a function that trains one epoch over all rows, waits for it, and returns the mean
    negative bound per data point as a Python float.
    """
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    train_epoch = build(sys.argv[1])
    print("ready", json.dumps({name: version(name) for name in packages}), file=replies)
    for line in sys.stdin:
        if line.strip() == "quit":
            return
        start = time.perf_counter()
        loss = train_epoch()
        seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "loss": loss}), file=replies)
