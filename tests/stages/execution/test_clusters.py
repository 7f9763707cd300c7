"""The same work on a Dask cluster of two processes, and on Ray: the results are those of this machine's processes."""

from __future__ import annotations

import importlib.util
import os
from functools import partial
from pathlib import Path

import pytest
from cluster_work import double, fail, read_clip, use_model, worker_of
from imports import ROOT

from stages.execution.parallel import WORKERS, worker_processes
from stages.execution.tasks import WorkError


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """The address of a cluster of two processes that starts outside of the project's folder."""
    distributed = pytest.importorskip("distributed", reason="needs pip install 'voxfoundry[dask]'")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]))
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, memory_limit=None
        ) as cluster:
            yield cluster.scheduler_address


@pytest.fixture
def dask(scheduler, tmp_path, monkeypatch):
    """Use the cluster for the project in tmp_path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(WORKERS, "dask")
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", scheduler)
    pytest.importorskip("dask").config.refresh()


@pytest.mark.usefixtures("dask")
def test_results_come_in_order_from_both_workers_in_the_project_folder(tmp_path):
    with worker_processes(n_jobs=1) as workers:
        assert list(workers(double, range(40))) == [2 * n for n in range(40)]
        found = set(workers(worker_of, range(40)))
    assert len({pid for pid, _, _ in found} - {os.getpid()}) == 2
    assert {(folder, threads) for _, folder, threads in found} == {(str(tmp_path), "1")}


@pytest.mark.usefixtures("dask")
def test_a_worker_loads_its_model_once():
    with worker_processes(n_jobs=1) as workers:
        counts = [count for block in range(2) for _, count in workers(use_model, range(10))]
    assert len(counts) == 20
    assert counts.count(1) <= 2


@pytest.mark.usefixtures("dask")
def test_an_error_names_the_clip(tmp_path):
    (tmp_path / "1-0000.flac").write_text("one")
    with worker_processes(n_jobs=1) as workers:
        with pytest.raises(WorkError, match=r"1-0001\.flac"):
            list(workers(read_clip, [Path("1-0000.flac"), Path("1-0001.flac")]))
        with pytest.raises(RuntimeError, match=r"(?s)1-0000\.flac: a worker failed:.*cluster_work.*KeyError"):
            list(workers(partial(fail), [Path("1-0000.flac")]))


@pytest.mark.usefixtures("dask")
def test_a_worker_that_does_not_see_the_project_says_so(monkeypatch):
    with worker_processes(n_jobs=1) as workers:
        next(Path(".cache/workers").iterdir()).unlink()  # as on a machine without the shared folder
        with pytest.raises(WorkError, match=r"does not see the project's folder .* on a shared file system"):
            list(workers(double, [1]))


@pytest.mark.usefixtures("dask")
def test_a_worker_with_other_code_is_refused(monkeypatch):
    monkeypatch.setattr("stages.execution.clusters.code_of_packages", lambda: "0" * 64)
    with worker_processes(n_jobs=1) as workers, pytest.raises(WorkError, match="runs other code than this machine"):
        list(workers(double, [1]))


def test_a_cluster_that_does_not_answer_is_named(monkeypatch, tmp_path):
    pytest.importorskip("distributed", reason="needs pip install 'voxfoundry[dask]'")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(WORKERS, "dask")
    monkeypatch.setattr("stages.execution.clusters.CONNECT_SECONDS", 0.5)
    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", "tcp://127.0.0.1:9")
    pytest.importorskip("dask").config.refresh()
    with pytest.raises(ValueError, match=r"no scheduler answers at tcp://127\.0\.0\.1:9"), worker_processes(2):
        pass


@pytest.mark.parametrize("package", ["distributed", "ray"])
def test_a_missing_package_is_named_with_its_installation(monkeypatch, tmp_path, package):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, package, None)
    monkeypatch.setenv(WORKERS, "ray" if package == "ray" else "dask")
    if package == "distributed":
        pytest.importorskip("dask", reason="needs pip install 'voxfoundry[dask]'")
    with pytest.raises(ValueError, match="is not installed; run pip install"), worker_processes(2):
        pass


def test_an_unknown_place_is_refused(monkeypatch):
    monkeypatch.setenv(WORKERS, "slurm")
    with pytest.raises(ValueError, match=r"VOX_WORKERS=slurm: .* local, dask, ray"), worker_processes(2):
        pass


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs pip install ray")
def test_ray_gives_the_results_in_order(monkeypatch, tmp_path):
    import ray

    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    )
    head = ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(WORKERS, "ray")
    monkeypatch.setenv("RAY_ADDRESS", head.address_info["gcs_address"])
    with worker_processes(n_jobs=1) as workers:
        assert list(workers(double, range(20))) == [2 * n for n in range(20)]
        assert {folder for _, folder, _ in workers(worker_of, range(4))} == {str(tmp_path)}
