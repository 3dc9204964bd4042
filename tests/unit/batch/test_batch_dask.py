"""A real scheduler and real worker processes."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

import pytest
from batch_helpers import read_jsonl, rows, write_jsonl
from batch_loaders import poisoned

from codesuggest.batch import score
from codesuggest.errors import PrerequisiteError

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def cluster(folder, n_workers, *, nanny=False):
    """Start a scheduler and workers, each a process: (address, the workers' processes)."""
    address = f"tcp://127.0.0.1:{free_port()}"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": env, "cwd": folder}

    def dask(name, *arguments):
        return subprocess.Popen([sys.executable, "-m", "dask", name, *arguments], start_new_session=True, **quiet)

    scheduler = dask("scheduler", "--host", address, "--no-dashboard")
    options = ["--nthreads", "1", "--no-dashboard", "--nanny" if nanny else "--no-nanny"]
    workers = [dask("worker", address, *options) for _ in range(n_workers)]
    try:
        with distributed.Client(address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(n_workers, timeout=60)
        yield address, workers
    finally:
        for process in [*workers, scheduler]:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_dask_one_of_two_workers_killed_half_way(tmp_path):
    source = write_jsonl(tmp_path / "in.jsonl", [{**row, "text": row["text"] + "SLOW"} for row in rows(160)])
    score(source, to=tmp_path / "whole.jsonl", workers=0)
    journal = tmp_path / "out.jsonl.parts" / "journal"
    with cluster(tmp_path, 2) as (address, workers):

        def kill():
            until = time.monotonic() + 60
            while time.monotonic() < until and not (journal.exists() and journal.read_bytes().count(b"\n") >= 4):
                time.sleep(0.02)
            os.killpg(workers[0].pid, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        report = score(source, to=tmp_path / "out.jsonl", dask=address, chunk_notes=8, loader=poisoned)
        killer.join()
        assert workers[0].wait(10) == -signal.SIGKILL
    assert (report.n_notes, report.n_failures, report.n_workers) == (160, 0, 2)
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_dask_poisonous_note_is_the_only_failure(tmp_path):
    items = rows(12)
    items.insert(5, {"note_id": "poison", "text": "EXIT"})
    with cluster(tmp_path, 2, nanny=True) as (address, _):
        report = score(
            write_jsonl(tmp_path / "in.jsonl", items), to=tmp_path / "out.jsonl", dask=address, chunk_notes=4, loader=poisoned
        )
    assert report.failures_by_id == {"CS562": 1}
    assert [row["note_id"] for row in read_jsonl(tmp_path / "out.jsonl") if "error" in row] == ["poison"]


def test_dask_nobody_answers(tmp_path):
    with pytest.raises(PrerequisiteError, match="CS577"):
        score(write_jsonl(tmp_path / "in.jsonl", rows(2)), to=tmp_path / "out.jsonl", dask=f"tcp://127.0.0.1:{free_port()}")
