"""One training shared by two processes of torchrun gives the bits of one process."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from adaptation_tiny import GPT_OPTIONS, SOVITS_OPTIONS, Run, assert_same, run_gpt, run_sovits
from imports import ROOT

from gpt_sovits.adaptation.data_parallel import DataParallel

# Eight clips make steps of six and two batches, and five make two, two and one: then a process has nothing to do.
RUNS = {
    "gpt": (run_gpt, replace(GPT_OPTIONS, n_epochs=2, batch_size=1, accumulate_batches=6)),
    "sovits": (run_sovits, replace(SOVITS_OPTIONS, n_epochs=2, batch_size=1, accumulate_batches=2)),
}

PROGRAM = """
import pickle, sys
from pathlib import Path
from test_data_parallel import RUNS
from gpt_sovits.adaptation.data_parallel import disconnect, is_first_process

folder = Path(sys.argv[1])
results = {name: run(folder / name, options) for name, (run, options) in RUNS.items()}
if is_first_process():
    (folder / "results.pickle").write_bytes(pickle.dumps(results))
disconnect()
"""


def torchrun(program: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in two processes with the modules of the tests."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests", Path(__file__).parent)))
    return subprocess.run(
        [*command, str(program), str(folder)],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> dict[str, Run]:
    """The results of two processes."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "program.py").write_text(PROGRAM)
    done = torchrun(folder / "program.py", folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return pickle.loads((folder / "results.pickle").read_bytes())


@pytest.mark.slow
@pytest.mark.parametrize("model", RUNS)
def test_two_processes_give_the_bits_of_one(tmp_path, shared, model):
    run, options = RUNS[model]
    alone = run(tmp_path, options)
    assert alone.records[-1].n_steps > len(alone.records), "an epoch has more than one step"
    assert_same(shared[model], alone)


@pytest.mark.parametrize(("recipe", "accumulated"), [("voxfoundry", 1), ("voxfoundry", 3), ("upstream", 4)])
def test_processes_without_equal_batches_to_share_are_refused(recipe, accumulated):
    processes = DataParallel("cpu")
    processes.require_work(recipe, accumulated, section="adapt_gpt")  # one process takes any
    processes.n = 2
    with pytest.raises(ValueError, match=f"a multiple of 2, but they are {recipe} and {accumulated}; set"):
        processes.require_work(recipe, accumulated, section="adapt_gpt")
    processes.require_work("voxfoundry", 4, section="adapt_gpt")
