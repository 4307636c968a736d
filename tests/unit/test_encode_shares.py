"""Shards of an encoding: shared by several jobs, kept, and made one ahead of another."""

import json
import logging
import threading
from pathlib import Path

import numpy as np
import pytest

from denseflow.device import Facts, choose_device
from denseflow.encode import corpus_shards, shares
from denseflow.encode.ahead import one_ahead
from denseflow.encode.corpus_shards import remove_leftovers
from denseflow.encode.encode import encode_corpus, encode_share
from denseflow.errors import DenseflowError
from denseflow.files import sha256, write_jsonl
from denseflow.manifest import write_manifest
from denseflow.search.vectors import read_vectors
from denseflow.train.pretrained import prepare
from denseflow.workflow.fingerprint import reached_modules

HOW = {"granted_gpus": 0, "threads": 1, "shard_size": 3}
SHARDS = 5
SCRIPTS = Path(corpus_shards.__file__).parents[2]


@pytest.fixture(scope="module")
def inputs(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The manifests of the tiny model and of a collection of 14 passages, five shards of three."""
    folder = tmp_path_factory.mktemp("inputs")
    prepare({"path": str(tiny_model)}, {}, folder / "model", folder / "revisions.json")
    data = folder / "data"
    data.mkdir()
    documents = ({"_id": f"d{n}", "title": "", "text": "milk and fish " * (n % 4) + f"study {n}"} for n in range(14))
    write_jsonl(data / "corpus.jsonl", documents)
    write_manifest(data, "dataset", ["corpus.jsonl"])
    return folder / "model" / "manifest.json", data / "manifest.json"


@pytest.fixture(scope="module")
def whole(inputs, tmp_path_factory) -> Path:
    """The folder of an encoding by one job."""
    folder = tmp_path_factory.mktemp("whole")
    encode_corpus(*inputs, folder, **HOW)
    return folder


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): sha256(path) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("shares", [2, SHARDS + 2])
def test_any_number_of_jobs_gives_the_bytes_of_one(inputs, whole, tmp_path, monkeypatch, shares):
    for share in reversed(range(shares)):
        encode_share(*inputs, tmp_path, share=share, shares=shares, **HOW)
    monkeypatch.setattr("denseflow.encode.encode.encode_rows", None)  # all is there: nothing is encoded
    encode_corpus(*inputs, tmp_path, **HOW)
    assert files(tmp_path) == files(whole)


def test_a_share_is_a_range_of_shards_and_no_job_touches_another_s(inputs, tmp_path):
    encode_share(*inputs, tmp_path, share=1, shares=2, **HOW)
    assert sorted(path.name for path in tmp_path.glob("corpus/*.npy")) == ["00002.npy", "00003.npy", "00004.npy"]
    (tmp_path / "corpus" / ".00002.npy.begun").touch()  # by the other job, which is writing it
    encode_share(*inputs, tmp_path, share=0, shares=2, **HOW)
    assert (tmp_path / "corpus" / ".00002.npy.begun").exists()
    assert len(list(tmp_path.glob("corpus/0*.npy"))) == SHARDS


def test_what_the_jobs_left_out_is_encoded_by_the_last_one(inputs, whole, tmp_path):
    encode_share(*inputs, tmp_path, share=0, shares=2, **HOW)
    encode_corpus(*inputs, tmp_path, **HOW)
    assert files(tmp_path) == files(whole)


def shared_by_two(inputs, folder: Path) -> list[Path]:
    """Both jobs' shards, and what the jobs wrote when they had finished."""
    markers = [folder / "work" / f"{share}-of-2.done" for share in range(2)]
    for share, marker in enumerate(markers):
        encode_share(*inputs, folder, share=share, shares=2, **HOW)
        marker.parent.mkdir(exist_ok=True)
        marker.touch()
    return markers


@pytest.mark.parametrize("how", ["deleted", "altered"])
def test_a_shard_that_the_jobs_lost_is_not_made_without_a_gpu_and_its_job_runs_again(
    inputs, tmp_path, monkeypatch, caplog, how
):
    markers = shared_by_two(inputs, tmp_path)
    monkeypatch.setattr("denseflow.encode.encode.encode_rows", None)
    monkeypatch.setattr(shares, "PAUSES", (0, 0))
    shard = tmp_path / "corpus" / "00003.npy"
    if how == "deleted":
        shard.unlink()
    else:
        shard.write_bytes(shard.read_bytes()[:-1] + b"?")
    with (
        caplog.at_level(logging.INFO),
        pytest.raises(DenseflowError, match=r"00003.npy: .*1 of 5 shards.*run the") as e,
    ):
        encode_corpus(*inputs, tmp_path, markers=markers, **HOW)
    assert "1 of 5 shards left" in caplog.text
    assert str(markers[0].parent) in str(e.value)
    assert [marker.exists() for marker in markers] == [True, False]
    assert not (tmp_path / "corpus.manifest.json").exists()


def test_a_shard_that_is_seen_late_is_waited_for(inputs, whole, tmp_path, monkeypatch):
    markers = shared_by_two(inputs, tmp_path)
    shard, away = tmp_path / "corpus" / "00001.npy", tmp_path / "away"
    shard.rename(away)
    pauses = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            away.rename(shard)

    monkeypatch.setattr(shares.time, "sleep", sleep)
    manifest = encode_corpus(*inputs, tmp_path, markers=markers, **HOW)
    assert pauses == list(shares.PAUSES[:2])
    assert manifest == json.loads((whole / "corpus.manifest.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("found", [True, False])
def test_a_shard_is_hashed_once(inputs, tmp_path, monkeypatch, found):
    if found:
        encode_share(*inputs, tmp_path, share=0, shares=1, **HOW)
    hashed = []

    def counting(path: Path) -> str:
        hashed.append(path.name)
        return sha256(path)

    for module in ("denseflow.encode.corpus_shards", "denseflow.encode.shards", "denseflow.manifest"):
        monkeypatch.setattr(f"{module}.sha256", counting)
    manifest = encode_corpus(*inputs, tmp_path, **HOW)
    names = [f"{place:05d}.npy" for place in range(SHARDS)]
    assert sorted(name for name in hashed if name.endswith(".npy")) == names
    assert {file: facts["sha256"] for file, facts in manifest["files"].items()} == {
        file: sha256(tmp_path / file) for file in [*(f"corpus/{name}" for name in names), "corpus.ids"]
    }


def test_what_nfs_keeps_of_a_removed_file_and_what_cannot_be_removed_fail_nothing(inputs, whole, tmp_path, caplog):
    folder = tmp_path / "corpus"
    (folder / "00007.npy").mkdir(parents=True)  # unlink refuses it, as NFS does a file that is open
    for name in (".nfs000000000001", ".00002.npy.begun", "00006.npy"):
        (folder / name).touch()
    manifest = encode_corpus(*inputs, tmp_path, **HOW)
    assert manifest == json.loads((whole / "corpus.manifest.json").read_text(encoding="utf-8"))
    others = {path.name for path in folder.iterdir()} - {path.name for path in (whole / "corpus").iterdir()}
    assert others == {".nfs000000000001", "00007.npy"}
    assert "00007.npy: left over, and cannot be removed" in caplog.text
    remove_leftovers([tmp_path / "gone"])


def test_how_quick_queries_are_told_to_be_encodes_no_passages_again():
    reached = reached_modules(SCRIPTS / "encode_corpus.py") | reached_modules(SCRIPTS / "encode_shard.py")
    assert not [module for module in reached if module.startswith("denseflow.search")]


def test_a_finished_share_does_not_even_load_the_model(inputs, whole, monkeypatch):
    monkeypatch.setattr("denseflow.encode.job.load_encoder", None)
    encode_share(*inputs, whole, share=0, shares=1, **HOW)


def test_shards_of_other_code_or_options_are_not_used(inputs, tmp_path):
    encode_share(*inputs, tmp_path, share=0, shares=1, **HOW)
    for changed in ({"code": "other"}, {"options": {"storage": "float16"}}):
        before = {path: path.stat().st_ino for path in tmp_path.glob("corpus/*.npy")}
        encode_share(*inputs, tmp_path, share=0, shares=1, **{**HOW, **changed})
        assert all(path.stat().st_ino != inode for path, inode in before.items())


def test_the_manifest_names_every_device_that_a_shard_was_made_on(inputs, tmp_path):
    encode_share(*inputs, tmp_path, share=0, shares=1, **HOW)
    record = tmp_path / "corpus" / "00001.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "device": "cuda"}), encoding="utf-8")
    assert encode_corpus(*inputs, tmp_path, **HOW)["device"] == "cpu, cuda"


def test_the_search_reads_what_is_written(inputs, whole):
    vectors = read_vectors(whole / "corpus.manifest.json")
    assert (len(vectors), vectors.dimensions, list(vectors.ids)) == (14, 32, [f"d{n}" for n in range(14)])
    assert (vectors.take(np.array([4]))[0] == np.load(whole / "corpus" / "00001.npy")[1]).all()


def test_jobs_that_encode_on_one_machine_take_different_gpus(tmp_path):
    facts = Facts(hardware=["/dev/nvidia0", "/dev/nvidia1"], devices=["GPU-a", "GPU-b"], torch_cuda="12.8")
    seen = []
    for _ in range(2):  # locks are of open files, so that one process can stand for two jobs
        environment: dict[str, str] = {}
        assert choose_device(1, facts=facts, environment=environment, leases=tmp_path) == "cuda"
        seen.append(environment["CUDA_VISIBLE_DEVICES"])
    assert seen == ["0", "1"]


# One ahead


def test_the_next_item_is_made_while_one_is_worked_on_and_none_further():
    made, moments = [], [threading.Event() for _ in range(4)]

    def making():
        for number in range(4):
            made.append(number)
            moments[number].set()
            yield number

    for number in one_ahead(making()):
        if number < 3:
            assert moments[number + 1].wait(5)
        assert made == list(range(min(number + 2, 4)))


def test_an_error_while_the_next_item_is_made_comes_in_its_place():
    def failing():
        yield 1
        raise ValueError("no second")

    items = one_ahead(failing())
    assert next(items) == 1
    with pytest.raises(ValueError, match="no second"):
        next(items)
