"""Running a flow on this machine, in one process or several."""

from __future__ import annotations

import json
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from typing import Any

from jobflow import Flow, Job, JobStore, run_locally
from maggma.stores import MemoryStore
from monty.json import MontyDecoder, MontyEncoder

from whiteline.errors import CalculationError
from whiteline.parent import leave_with_parent
from whiteline.progress import Progress, watch

__all__ = ["run_flow"]

_progress_queue: SimpleQueue[Progress | None] | None = None


def run_flow(
    flow: Flow, *, n_processes: int = 1, on_progress: Callable[[Progress], None] = lambda _: None
) -> dict[str, Any]:
    """Run a flow to its end and return the output of each job by its uuid.

    With more than one process the jobs without parents run side by side, each with all the jobs it makes, and the
    others follow in this process.

    Args:
        flow: What to run.
        n_processes: Number of jobs at a time.
        on_progress: Called with every step.

    Raises:
        CalculationError: A worker process died.
    """
    store = _new_store()
    if n_processes == 1:
        with watch(on_progress):
            _run_here(flow, store)
    else:
        _run_side_by_side(flow, store, n_processes, on_progress)
    outputs = {doc["uuid"]: doc["output"] for doc in store.query(properties=["uuid", "output"], load=True)}
    return {uuid: _resolved(output, outputs) for uuid, output in outputs.items()}


def _resolved(output: Any, outputs: dict[str, Any]) -> Any:
    """Return an output; that of a job that replaced itself is the one of the last in its place."""
    while isinstance(output, dict) and output.get("@class") == "OutputReference":
        output = outputs[output["uuid"]]
    return output


def _new_store() -> JobStore:
    store = JobStore(MemoryStore())
    store.connect()
    return store


@contextmanager
def _jobflow_chatter_off() -> Iterator[None]:
    with warnings.catch_warnings():
        # jobflow 0.4 enters its folder with a function that monty will drop in 2028.
        warnings.filterwarnings("ignore", message="cd is deprecated", category=FutureWarning)
        # Materials do not depend on one another: their order is free.
        warnings.filterwarnings("ignore", message="Some jobs are not connected", category=UserWarning)
        yield


def _run_here(flow: Flow | Job, store: JobStore) -> None:
    with _jobflow_chatter_off():
        run_locally(flow, store=store, log=False, ensure_success=True, raise_immediately=True)


def _run_side_by_side(flow: Flow, store: JobStore, n_processes: int, on_progress: Callable[[Progress], None]) -> None:
    with _jobflow_chatter_off():
        ordered = list(flow.iterflow())  # type: ignore[no-untyped-call]  # jobflow annotates only part
    roots = [job for job, parents in ordered if not parents]
    context = get_context("spawn")
    queue: SimpleQueue[Progress | None] = context.SimpleQueue()
    listener = threading.Thread(target=_listen, args=(queue, on_progress), daemon=True)
    listener.start()
    pool = ProcessPoolExecutor(
        min(n_processes, len(roots)), mp_context=context, initializer=_start_worker, initargs=(queue,)
    )
    try:
        for future in as_completed([pool.submit(_run_root, json.dumps(job, cls=MontyEncoder)) for job in roots]):
            store.update(future.result())
        with watch(on_progress):
            for job, parents in ordered:
                if parents:
                    job.run(store=store)
    except BrokenProcessPool as error:
        raise CalculationError(
            "a worker process died, perhaps for want of memory: what was finished is stored, "
            "run the same command again, with a smaller -j if it happens again"
        ) from error
    except BaseException:
        # Workers die with SIGTERM, and what they run dies with them (`whiteline.calculators.guard`).
        for process in list((pool._processes or {}).values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        queue.put(None)
        listener.join()


def _listen(queue: SimpleQueue[Progress | None], on_progress: Callable[[Progress], None]) -> None:
    while (progress := queue.get()) is not None:
        on_progress(progress)


def _start_worker(queue: SimpleQueue[Progress | None]) -> None:
    """Prepare a worker: Ctrl-C is the parent's business, and without a parent there is nothing to do."""
    global _progress_queue  # a pool hands things to its workers only here
    _progress_queue = queue
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    leave_with_parent()


def _run_root(text: str) -> list[dict[str, Any]]:
    """Run a job, given as JSON, and all that it makes in this worker; return the documents of the job store."""
    job = json.loads(text, cls=MontyDecoder)
    job.hosts = []  # the flow that it belongs to stayed with the parent
    store = _new_store()
    queue = _progress_queue
    with watch(queue.put if queue is not None else lambda _: None):
        _run_here(job, store)
    return [{k: v for k, v in doc.items() if k != "_id"} for doc in store.query(load=True)]
