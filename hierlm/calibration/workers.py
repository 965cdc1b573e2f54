"""Many replications over a few processes; one that is killed is redone by another."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from hierlm.calibration.worker import Record, Task, attempt
from hierlm.errors import DataError, EngineError, HierlmWarning, warn

_TRIES = 3  # that a number may cost a worker its life
_HOPELESS = 3  # failures, and nothing else, after which the rest is not tried
_START = "from hierlm.calibration.worker import main; main()"


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_whole(name: str, value: object, least: int) -> None:
    """Raise `DataError` unless a number is whole, and not too small."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise DataError(f"{name} is a whole number of at least {least}; came {value!r}.")


def processes(cores: int | None) -> int:
    """Return how many processes are wanted: as many as there are cores when not said."""
    if cores is None:
        return available_cores()
    check_whole("cores", cores, 1)
    return int(cores)


def run_all(
    task: Task,
    numbers: Iterable[int],
    *,
    cores: int,
    done: Callable[[Record], None],
    lost: Callable[[str], None],
) -> None:
    """Do a task for every number; `done` is called with each record as it comes, in this thread.

    Parameters
    ----------
    task : Task
        With more than one core, it is pickled.
    numbers : iterable of int
    cores : int
        Processes; with one, everything is done in this process.
    done : callable
    lost : callable
        Called with a sentence for each worker that died.

    Raises
    ------
    EngineError
        If the task cannot be started, or nothing but failures comes back.

    Warns
    -----
    HierlmWarning
        For each worker that died.
    """
    todo = list(numbers)
    watch = _Watch(done)
    if cores == 1 or len(todo) < 2:
        run = task.start()
        for k in todo:
            watch.done(attempt(run, k))
        return
    pool = _Pool(_pickled(task), todo)
    try:
        pool.start(min(cores, len(todo)))
        left = len(todo)
        while left:
            found = pool.results.get()
            if isinstance(found, Exception):
                raise found
            if isinstance(found, str):
                warn(found, HierlmWarning)
                lost(found)
                watch.failed(found)
            else:
                left -= 1
                watch.done(found)
    finally:
        pool.stop()


def _pickled(task: Task) -> bytes:
    # a function defined in a script or a notebook goes along
    cloudpickle = importlib.import_module("cloudpickle")
    try:
        return bytes(cloudpickle.dumps(task))
    except Exception as error:
        raise EngineError(
            f"the model cannot be sent to another process: {error}\n  Use cores=1."
        ) from error


class _Watch:
    """Pass records on; stop when only failures come."""

    def __init__(self, done: Callable[[Record], None]) -> None:
        self._done = done
        self._failures = 0
        self._hopeful = False

    def done(self, record: Record) -> None:
        self._done(record)
        if "error" in record:
            self.failed(record["error"])
        else:
            self._hopeful = True

    def failed(self, why: str) -> None:
        self._failures += 1
        if not self._hopeful and self._failures >= _HOPELESS:
            raise EngineError(f"every replication fails. The last one said:\n  {why}")


class _Pool:
    """Processes with a thread each, which hands out numbers and collects records."""

    def __init__(self, payload: bytes, numbers: list[int]) -> None:
        self.results: queue.Queue[Any] = queue.Queue()
        self._payload = payload
        self._jobs: queue.Queue[int] = queue.Queue()
        for k in numbers:
            self._jobs.put(k)
        self._tries: Counter[int] = Counter()
        self._workers: list[_Worker] = []
        self._lock = threading.Lock()
        self._stopped = False

    def start(self, cores: int) -> None:
        for _ in range(cores):
            threading.Thread(target=self._serve, daemon=True).start()

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            for worker in self._workers:
                worker.process.kill()

    def _serve(self) -> None:
        worker = None
        try:
            while not self._stopped:
                k = self._jobs.get_nowait()
                worker = worker or self._hire()
                record = worker.ask(k)
                if record is not None:
                    self.results.put(record)
                    continue
                self._lost(k, worker.obituary())
                worker = None
        except (queue.Empty, InterruptedError):
            pass
        except Exception as error:  # no process can be started: the caller must not wait for ever
            self.results.put(error)
        finally:
            if worker is not None:
                worker.dismiss()

    def _hire(self) -> _Worker:
        with self._lock:
            if self._stopped:
                raise InterruptedError
            worker = _Worker(self._payload)
            self._workers.append(worker)
        return worker

    def _lost(self, k: int, why: str) -> None:
        if self._stopped:
            return
        self._tries[k] += 1
        if self._tries[k] < _TRIES:
            self.results.put(f"a worker died at replication {k}, which is redone: {why}")
            self._jobs.put(k)
        else:
            self.results.put({"k": k, "error": f"the worker died {_TRIES} times: {why}"})


class _Worker:
    """A process that answers numbers with records."""

    def __init__(self, payload: bytes) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  closed by dismiss
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self.process = subprocess.Popen(
            [sys.executable, "-c", _START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=os.environ | single | {"PYTHONPATH": paths},
        )
        self._unsent: bytes | None = payload

    def ask(self, k: int) -> Record | None:
        """Return the record of a number, or None if the process is dead."""
        process = self.process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            if self._unsent is not None:
                process.stdin.write(self._unsent)
                self._unsent = None
            process.stdin.write(f"{k}\n".encode())
            process.stdin.flush()
        except OSError:
            return None
        line = process.stdout.readline()
        if not line.endswith(b"\n"):
            return None
        record: Record = json.loads(line)
        return record

    def obituary(self) -> str:
        """Return how the process ended, and the last thing it said."""
        self.dismiss(close=False)
        code = self.process.returncode
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        self._said.close()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"{how}, {lines[-1]}" if lines and code >= 0 else how

    def dismiss(self, *, close: bool = True) -> None:
        """Let the process end, and wait for it."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was left for a dead process to read
                    pipe.close()
        self.process.wait()
        if close:
            self._said.close()
