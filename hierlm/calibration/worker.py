"""A worker: reads a task and then numbers from its standard input, writes a record for each.

It is a process of its own and not one of `multiprocessing`, which would run the user's script
again in every worker.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
from collections.abc import Callable
from typing import Any, Protocol

Record = dict[str, Any]


class Task(Protocol):
    """Something to do for each of many numbers."""

    def start(self) -> Callable[[int], Record]:
        """Prepare, and return the function from a number to its record."""


def attempt(run: Callable[[int], Record], k: int) -> Record:
    """Return the record of a number, or one that says what went wrong."""
    try:
        return run(k)
    except Exception as error:
        return {"k": k, "error": f"{type(error).__name__}: {error}"}


def main() -> None:
    """Serve until the standard input ends, as it does when the parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    source = sys.stdin.buffer
    run = pickle.load(source).start()
    for line in source:
        answers.write(json.dumps(attempt(run, int(line))) + "\n")
        answers.flush()
