"""Several jobs share an encoding: that reruns nothing, and what is missing is encoded alone."""

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
