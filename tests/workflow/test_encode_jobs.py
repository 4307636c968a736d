"""Several jobs share an encoding: that reruns nothing, and what is missing is encoded alone."""

from pathlib import Path

TARGET = "results/encode/docs/tiny/pretrained/corpus.manifest.json"


def test_a_missing_shard_alone_is_encoded_again_and_the_number_of_jobs_reruns_nothing(workflow):
    module = "workflow_scripts/denseflow/encode/corpus_shards.py"
    workflow.edit(module, "SHARD_SIZE = 4096", "SHARD_SIZE = 500")
    workflow.make(TARGET)
    folder = (workflow.folder / TARGET).parent
    shards = sorted((folder / "corpus").glob("*.npy"))
    assert len(shards) > 2
    before = {path: (path.read_bytes(), path.stat().st_ino) for path in shards}
    manifest = (workflow.folder / TARGET).read_bytes()

    workflow.edit("config/datasets/docs.yaml", "source:", "run: {encode_jobs: 3}\nsource:")
    assert workflow.planned(TARGET) == {}
    shards[1].unlink()
    text = workflow.make(TARGET, "--forcerun", "encode_corpus")
    assert text.count("rule encode_shard:") == 3
    assert {path: path.read_bytes() for path in shards} == {path: content for path, (content, _) in before.items()}
    assert [path for path in shards if path.stat().st_ino != before[path][1]] == [shards[1]]
    assert (workflow.folder / TARGET).read_bytes() == manifest
    assert not list((workflow.folder / "results" / "work").rglob("*.done"))
    assert workflow.planned(TARGET) == {}


def test_a_shard_that_was_lost_after_its_job_stops_the_manifest_and_the_next_run_repairs_it(workflow):
    workflow.edit("workflow_scripts/denseflow/encode/shares.py", "(1.0, 4.0, 15.0, 40.0)", "(0.1,)")
    workflow.edit("config/datasets/docs.yaml", "source:", "run: {encode_jobs: 2}\nsource:")
    folder, marks = (workflow.folder / TARGET).parent, Path("results", "work", "encode", "docs", "tiny", "pretrained")
    manifest = (workflow.folder / TARGET).read_bytes()
    (workflow.folder / TARGET).unlink()
    workflow.make(f"{marks}/0-of-2.done", f"{marks}/1-of-2.done", "--notemp")
    (folder / "corpus/00000.npy").unlink()
    failed = workflow.run(TARGET)
    assert failed.returncode != 0
    assert "corpus/00000.npy: missing or altered (1 of 1 shards are)" in failed.stdout + failed.stderr
    assert workflow.make(TARGET).count("rule encode_shard:") == 1
    assert (workflow.folder / TARGET).read_bytes() == manifest

    (folder / "corpus/00000.npy").write_bytes(b"damaged")
    workflow.make(TARGET)
    assert (workflow.folder / TARGET).read_bytes() == manifest
    assert workflow.planned(TARGET) == {}
