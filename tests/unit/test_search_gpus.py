"""FAISS on GPUs, as far as a machine without one can tell."""

import logging

import faiss
import numpy as np
import pytest
from vector_files import write_vectors

from denseflow.errors import DenseflowError
from denseflow.leases import find_assigned
from denseflow.search import gpus
from denseflow.search.flat import search
from denseflow.search.gpus import FaissFacts, find_faiss_facts, lease_for_faiss, on_device, visible_gpus

UUIDS = ["GPU-a", "GPU-b", "GPU-c"]
THERE = FaissFacts(hardware=["/dev/nvidia0"], devices=["a", "b", "c"])


@pytest.fixture
def three_gpus(monkeypatch):
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 3, raising=False)


def test_without_a_grant_the_cpu_searches_and_nothing_is_asked():
    assert lease_for_faiss(0, facts=FaissFacts(hardware=["/dev/nvidia0"], reason="broken")) == 0
    assert on_device(0) == {}


def test_a_machine_without_a_gpu_says_so_and_searches_on_the_cpu(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        assert lease_for_faiss(1, facts=FaissFacts(), environment={}, leases=tmp_path) == 0
    assert "NO GPU: a GPU was granted" in caplog.text


def test_a_gpu_that_faiss_cannot_use_is_an_error_with_the_reason(tmp_path):
    facts = FaissFacts(hardware=["/dev/nvidia0"], reason="faiss-cpu 1.15.1 is a build without GPUs")
    with pytest.raises(DenseflowError, match=r"/dev/nvidia0\), but FAISS cannot use it: faiss-cpu .*make GPU=1"):
        lease_for_faiss(1, facts=facts, environment={}, leases=tmp_path)
    assigned = FaissFacts(assigned={"SLURM_JOB_GPUS": "0"}, reason="none")
    with pytest.raises(DenseflowError, match="SLURM_JOB_GPUS=0"):
        lease_for_faiss(1, facts=assigned, environment={}, leases=tmp_path)


def test_this_builds_facts_name_the_package_that_has_no_gpus(tmp_path):
    if hasattr(faiss, "StandardGpuResources"):
        pytest.skip("faiss-gpu is installed")
    facts = find_faiss_facts({"SLURM_STEP_GPUS": "1"}, tmp_path)
    assert (facts.devices, facts.hardware, facts.assigned) == ([], [], find_assigned({"SLURM_STEP_GPUS": "1"}))
    assert facts.reason.startswith("faiss-cpu ")


def test_a_leased_gpu_is_the_only_one_that_is_seen(tmp_path, three_gpus):
    environment: dict[str, str] = {}
    assert lease_for_faiss(2, facts=THERE, environment=environment, leases=tmp_path) == 2
    assert environment == {"CUDA_VISIBLE_DEVICES": "0,1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.lock", "b.lock"]


def test_a_gpu_that_was_leased_and_that_faiss_does_not_see_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0, raising=False)
    with pytest.raises(DenseflowError, match="it sees 0 of the 1 that are leased"):
        lease_for_faiss(1, facts=THERE, environment={}, leases=tmp_path)


@pytest.mark.parametrize(
    ("visible", "expected"),
    [(None, UUIDS), ("1", ["GPU-b"]), ("GPU-c, 0", ["GPU-c", "GPU-a"]), ("", []), ("-1", []), ("7", [])],
)
def test_gpus_are_those_that_the_process_may_see_in_its_order(visible, expected):
    assert visible_gpus(UUIDS, {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}) == expected


def test_nvidia_smi_says_which_gpus_there_are_by_the_names_that_torch_has_for_them(tmp_path, monkeypatch):
    command = tmp_path / "nvidia-smi"
    command.write_text("#!/bin/sh\nprintf 'GPU-a\\nGPU-b\\n'\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    assert find_faiss_facts({"CUDA_VISIBLE_DEVICES": "1"}).devices == ["b"]
    assert "hides every GPU" in find_faiss_facts({"CUDA_VISIBLE_DEVICES": "-1"}).reason
    command.write_text("#!/bin/sh\necho 'driver mismatch' >&2; exit 9\n")
    assert find_faiss_facts({}).reason == "nvidia-smi says: driver mismatch"


def test_what_compares_the_blocks_changes_nothing_in_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(gpus, "on_gpus", lambda index, count: index)  # FAISS's own sums, on the CPU
    generator = np.random.default_rng(0)
    array = np.repeat(generator.normal(size=(400, 24)).astype(np.float32), 3, axis=0)
    queries = write_vectors(tmp_path, "queries.test", generator.normal(size=(30, 24)).astype(np.float32))
    corpus = write_vectors(tmp_path, "corpus", array, shard=500)
    texts = []
    for device in ({}, on_device(1), {**on_device(2), "block_rows": 333}):
        run = tmp_path / "run.trec"
        search(queries, corpus, run, depth=50, threads=2, similarity="dot", **device)
        texts.append(run.read_text())
    assert texts[0] == texts[1] == texts[2]


def test_a_gpu_gets_blocks_beyond_a_shard_and_all_queries_at_once(tmp_path):
    seen = []

    def compare(queries, block, count):
        seen.append((len(queries), len(block)))
        return np.full((len(queries), count), 4, np.float32), np.tile(np.arange(count), (len(queries), 1))

    queries = write_vectors(tmp_path, "queries.test", np.ones((3000, 4), np.float32))
    corpus = write_vectors(tmp_path, "corpus", np.ones((90, 4), np.float32), shard=20)
    search(
        *(queries, corpus, tmp_path / "run.trec"),
        **{"depth": 90, "threads": 2, "similarity": "dot", **on_device(1), "block_search": compare},
    )
    assert seen == [(3000, 90)]


@pytest.mark.parametrize(
    ("options", "results", "reason"),
    [
        ({"type": "ivf", "nprobe": 64}, 1064, None),
        ({"type": "flat"}, 2049, "2049 candidates a query are asked for, and a GPU gives 2048"),
        ({"type": "ivf", "nprobe": 4096}, 100, "`index.nprobe` is 4096, and a GPU reads 2048 lists"),
        ({"type": "ivf_pq", "nprobe": 64, "m": 48, "bits": 8}, 1064, None),
        ({"type": "ivf_pq", "nprobe": 64, "m": 48, "bits": 10}, 100, "codes of `m: 48` and `bits: 10` cannot be read"),
        ({"type": "ivf_pq", "nprobe": 64, "m": 96, "bits": 8}, 100, "codes of `m: 96` and `bits: 8` cannot be read"),
    ],
)
def test_what_a_gpu_cannot_do_is_known_before_it_is_asked(options, results, reason):
    found = gpus.beyond_gpus(options, results)
    assert found is None if reason is None else found.startswith(reason)


@pytest.mark.cuda
def test_a_gpu_gives_the_run_of_the_cpu(tmp_path):
    if not lease_for_faiss(1):
        pytest.skip("needs a GPU and faiss-gpu")
    generator = np.random.default_rng(0)
    queries = write_vectors(tmp_path, "queries.test", generator.normal(size=(30, 24)).astype(np.float32))
    corpus = write_vectors(tmp_path, "corpus", generator.normal(size=(5000, 24)).astype(np.float32), shard=500)
    texts = []
    for device in (on_device(0), on_device(1)):
        search(queries, corpus, tmp_path / "run.trec", depth=50, threads=2, similarity="dot", **device)
        texts.append((tmp_path / "run.trec").read_text())
    assert texts[0] == texts[1]
