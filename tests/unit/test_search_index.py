"""Approximate indexes: built reproducibly, searched, and measured against exact search."""

import json
from pathlib import Path

import numpy as np
import pytest
from vector_files import write_vectors

from denseflow.errors import DenseflowError
from denseflow.manifest import read_manifest
from denseflow.run_file import read_run
from denseflow.search import approximate
from denseflow.search import index as index_module
from denseflow.search.approximate import search_index
from denseflow.search.clusters import spherical_kmeans
from denseflow.search.flat import search
from denseflow.search.index import build_index

DIMENSIONS, PASSAGES, DEPTH = 32, 3000, 20
BUILT = {
    "flat": {"type": "flat"},
    "hnsw": {"type": "hnsw", "m": 16, "ef_construction": 60},
    "ivf": {"type": "ivf", "nlist": 40},
    "ivf_pq": {"type": "ivf_pq", "nlist": 16, "m": 16, "bits": 6},
    "sq": {"type": "sq", "kind": "8bit"},
}
SEARCHED: dict[str, dict] = {
    "flat": {},
    "hnsw": {"ef_search": 64},
    "ivf": {"nprobe": 12},
    "ivf_pq": {"nprobe": 12, "rescore": 60},
    "sq": {},
}
RECALL = {"flat": 1.0, "hnsw": 0.95, "ivf": 0.95, "ivf_pq": 0.8, "sq": 0.97}


def clustered(rows: int, seed: int) -> np.ndarray:
    """Vectors around forty centres, of different lengths."""
    centres = np.random.default_rng(0).normal(size=(40, DIMENSIONS))
    generator = np.random.default_rng(seed)
    vectors = centres[generator.integers(0, 40, rows)] + 0.6 * generator.normal(size=(rows, DIMENSIONS))
    return (vectors * generator.uniform(0.5, 1.5, size=(rows, 1))).astype(np.float32)


@pytest.fixture(scope="module")
def encoded(tmp_path_factory):
    """Manifests of queries and passages, and of exact runs, by similarity."""
    found = {}
    for similarity in ("dot", "cosine"):
        folder = tmp_path_factory.mktemp(similarity)
        queries = write_vectors(folder, "queries.test", clustered(70, 1), similarity=similarity)
        corpus = write_vectors(folder, "corpus", clustered(PASSAGES, 2), shard=1000, similarity=similarity)
        search(queries, corpus, folder / "test.top20.trec", depth=DEPTH, threads=1)
        found[similarity] = (queries, corpus, folder / "test.top20.manifest.json")
    return found


def searched(encoded, folder: Path, kind: str, *, similarity: str = "dot", threads: int = 1, built=None, **options):
    """Build where nothing is built yet, search, and return the run and the manifest."""
    queries, corpus, exact = encoded[similarity]
    if not (folder / "index" / "manifest.json").exists():
        build_index(corpus, folder / "index", {**BUILT[kind], **(built or {})}, threads)
    run = folder / "test.top20.trec"
    options = {**SEARCHED[kind], **options}
    facts = search_index(
        *(queries, corpus, folder / "index" / "manifest.json", exact, run),
        depth=DEPTH,
        options=options,
        threads=threads,
    )
    return read_run(run), facts


@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize("kind", BUILT)
def test_an_index_finds_most_of_what_exact_search_finds(encoded, tmp_path, kind, similarity):
    run, facts = searched(encoded, tmp_path, kind, similarity=similarity)
    exact = read_run(encoded[similarity][2].with_name("test.top20.trec"))
    shares = [len(set(list(run[query])[:10]) & set(list(exact[query])[:10])) / 10 for query in exact]
    assert facts["recall"]["10"] == pytest.approx(np.mean(shares), abs=1e-6)
    assert facts["recall"].keys() == {"10", "20"}
    assert facts["recall"]["10"] >= RECALL[kind]
    assert facts["index_bytes"] == (tmp_path / "index" / "index.faiss").stat().st_size
    assert all(len(ranking) == DEPTH for ranking in run.values())


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_indexes_of_whole_vectors_give_the_scores_of_exact_search(encoded, tmp_path, kind):
    for similarity in ("dot", "cosine"):
        run, _ = searched(encoded, tmp_path / similarity, kind, similarity=similarity)
        exact = read_run(encoded[similarity][2].with_name("test.top20.trec"))
        common = [(query, document) for query in exact for document in exact[query] if document in run[query]]
        assert len(common) > 1000
        assert [run[query][document] for query, document in common] == pytest.approx(
            [exact[query][document] for query, document in common], rel=1e-5
        )


@pytest.mark.parametrize("kind", BUILT)
def test_index_and_run_have_the_same_bits_whatever_the_threads(encoded, tmp_path, kind, monkeypatch):
    monkeypatch.setattr(index_module, "ROWS", 700)
    built = []
    for threads in (1, 3):
        searched(encoded, tmp_path / str(threads), kind, threads=threads)
        files = ("index/index.faiss", "index/manifest.json", "test.top20.trec", "test.top20.manifest.json")
        built.append([(tmp_path / str(threads) / file).read_bytes() for file in files])
    assert built[0] == built[1]


@pytest.mark.parametrize("kind", BUILT)
def test_ties_are_ordered_by_document_id_descending(tmp_path, kind):
    array = np.repeat(clustered(150, 3), 4, axis=0)  # each vector four times
    queries = write_vectors(tmp_path, "queries.test", clustered(9, 4), similarity="dot")
    corpus = write_vectors(tmp_path, "corpus", array, similarity="dot")
    search(queries, corpus, tmp_path / "exact.trec", depth=10, threads=1)
    build_index(corpus, tmp_path / "index", {**BUILT[kind], "nlist": 4} if "ivf" in kind else BUILT[kind], 1)
    options = {**SEARCHED[kind], "nprobe": 4} if "ivf" in kind else SEARCHED[kind]
    search_index(
        *(queries, corpus, tmp_path / "index" / "manifest.json", tmp_path / "exact.manifest.json"),
        tmp_path / "run.trec",
        depth=10,
        options=options,
        threads=1,
    )
    for ranking in read_run(tmp_path / "run.trec").values():
        documents = list(ranking)
        vectors = [int(document[1:]) // 4 for document in documents]
        for vector in dict.fromkeys(vectors[:-2]):
            same = [document for document, of in zip(documents, vectors, strict=True) if of == vector]
            assert same == sorted(same, reverse=True)
            assert len(same) == 4 or vector == vectors[-1]
            if vector == vectors[-1]:
                assert same == sorted((f"c{4 * vector + copy}" for copy in range(4)), reverse=True)[: len(same)]


def test_rescored_candidates_have_exact_scores_and_the_others_follow_in_the_indexs_order(encoded, tmp_path):
    plain, _ = searched(encoded, tmp_path, "ivf_pq", rescore=None)
    run, _ = searched(encoded, tmp_path, "ivf_pq", rescore=5)
    whole, facts = searched(encoded, tmp_path, "ivf_pq", rescore=80)
    exact = read_run(encoded["dot"][2].with_name("test.top20.trec"))
    assert facts["options"]["rescore"] == 80
    assert any(list(run[query]) != list(plain[query]) for query in plain)
    for query in plain:
        assert set(list(run[query])[:5]) == set(list(plain[query])[:5])
        assert list(run[query])[5:] == list(plain[query])[5:]
        scores = list(run[query].values())
        assert scores == sorted(scores, reverse=True)
        for document in exact[query].keys() & whole[query].keys():
            assert whole[query][document] == pytest.approx(exact[query][document], rel=1e-6)


def test_options_of_the_search_change_the_run_and_not_the_index(encoded, tmp_path):
    before, few = searched(encoded, tmp_path, "ivf", nprobe=1)
    built = (tmp_path / "index" / "index.faiss").stat().st_mtime_ns
    after, many = searched(encoded, tmp_path, "ivf", nprobe=40)
    assert (tmp_path / "index" / "index.faiss").stat().st_mtime_ns == built
    assert few["recall"]["20"] < many["recall"]["20"] == 1.0
    assert before != after


def test_lists_that_hold_too_little_are_told_of(encoded, tmp_path):
    run, facts = searched(encoded, tmp_path, "ivf", nprobe=1, built={"nlist": 600})
    short = sum(len(ranking) < DEPTH for ranking in run.values())
    assert short
    assert facts["warnings"] == [
        f"{short} queries have fewer than 20 documents, because the lists that were read hold no more; raise the "
        "system's `index.nprobe`"
    ]


def test_cut_vectors_are_indexed_and_compared_with_an_exact_search_of_as_many_dimensions(encoded, tmp_path):
    queries, corpus, _ = encoded["cosine"]
    search(queries, corpus, tmp_path / "exact.trec", depth=DEPTH, threads=1, dimensions=16)
    build_index(corpus, tmp_path / "index", {**BUILT["ivf"], "dimensions": 16}, 1)
    manifests = (queries, corpus, tmp_path / "index" / "manifest.json", tmp_path / "exact.manifest.json")
    facts = search_index(*manifests, tmp_path / "run.trec", depth=DEPTH, options={"nprobe": 40}, threads=1)
    assert facts["dimensions"] == 16
    assert facts["recall"] == {"10": 1.0, "20": 1.0}


def test_how_quick_it_was_stands_in_no_manifest(encoded, tmp_path):
    searched(encoded, tmp_path, "sq")
    speed = json.loads((tmp_path / "test.top20.speed.json").read_text())
    assert speed["queries_per_second"] > 0
    assert speed["exact_queries_per_second"] > 0
    text = (tmp_path / "test.top20.manifest.json").read_text() + (tmp_path / "index" / "manifest.json").read_text()
    assert "second" not in text


def test_lists_are_trained_on_a_bounded_sample(encoded, tmp_path, monkeypatch):
    monkeypatch.setattr(index_module, "_SAMPLE_PER_LIST", 30)
    _, _ = searched(encoded, tmp_path, "ivf")
    assert read_manifest(tmp_path / "index" / "manifest.json")["trained_on"] == 30 * 40


def test_without_nlist_there_are_four_times_the_root_of_the_passages(encoded, tmp_path):
    searched(encoded, tmp_path, "ivf", built={"nlist": None})
    assert read_manifest(tmp_path / "index" / "manifest.json")["nlist"] == round(4 * PASSAGES**0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"type": "ivf", "nlist": 101}, "`nlist: 101` lists for 100 passages; lower"),
        (
            {"type": "ivf_pq", "nlist": 4, "m": 5, "bits": 4},
            r"32 dimensions cannot be cut into `m: 5` .*4, 8, 16, 32\]",
        ),
        ({"type": "ivf_pq", "nlist": 4, "m": 4, "bits": 8}, "100 passages are too few to train 256 codes of `bits: 8`"),
        ({"type": "sq", "kind": "8bit", "dimensions": 33}, "33 dimensions are asked for, but the vectors have 32"),
    ],
)
def test_what_cannot_be_built_is_refused_before_training(tmp_path, options, message):
    corpus = write_vectors(tmp_path, "corpus", clustered(100, 1), similarity="dot")
    with pytest.raises(DenseflowError, match=message):
        build_index(corpus, tmp_path / "index", options, 1)
    assert not (tmp_path / "index").exists()


def test_what_no_gpu_can_do_is_searched_on_the_cpu_with_a_word(encoded, tmp_path, caplog):
    run, _ = searched(encoded, tmp_path, "ivf_pq")
    queries, corpus, exact = encoded["dot"]
    options = {"depth": DEPTH, "options": SEARCHED["ivf_pq"], "threads": 1, "gpus": 1}
    again = tmp_path / "again.top20.trec"
    search_index(queries, corpus, tmp_path / "index" / "manifest.json", exact, again, **options)
    assert "codes of `m: 16` and `bits: 6` cannot be read by a GPU; searching on the CPU" in caplog.text
    assert read_run(again) == run


def test_an_index_of_other_vectors_and_an_altered_one_are_refused(encoded, tmp_path):
    searched(encoded, tmp_path, "sq")
    other = write_vectors(tmp_path / "other", "corpus", clustered(PASSAGES, 5), similarity="dot")
    queries, corpus, exact = encoded["dot"]
    manifest, run = tmp_path / "index" / "manifest.json", tmp_path / "run.trec"
    with pytest.raises(DenseflowError, match="the index is of other vectors than"):
        search_index(queries, other, manifest, exact, run, depth=5, options={}, threads=1)
    file = tmp_path / "index" / "index.faiss"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(DenseflowError, match=r"index\.faiss: sha256"):
        search_index(queries, corpus, manifest, exact, run, depth=5, options={}, threads=1)


def test_nan_is_refused_when_an_index_is_built(tmp_path):
    array = clustered(100, 1)
    array[33, 3] = np.nan
    corpus = write_vectors(tmp_path, "corpus", array, similarity="dot")
    with pytest.raises(DenseflowError, match="row 33: the vector of 'c33' holds NaN or infinity"):
        build_index(corpus, tmp_path / "index", BUILT["hnsw"], 1)


def test_centroids_lie_where_the_vectors_gather():
    directions = np.eye(5, dtype=np.float32)
    generator = np.random.default_rng(0)
    sample = directions[generator.integers(0, 5, 400)] + 0.05 * generator.normal(size=(400, 5)).astype(np.float32)
    centroids = spherical_kmeans(sample.astype(np.float32), 5, 2)
    assert np.linalg.norm(centroids, axis=1) == pytest.approx(np.ones(5), abs=1e-5)
    assert sorted((directions @ centroids.T).argmax(axis=1)) == list(range(5))


def test_every_query_is_searched_whatever_the_pieces(encoded, tmp_path, monkeypatch):
    whole, _ = searched(encoded, tmp_path, "sq")
    monkeypatch.setattr(approximate, "_GROUP", 30)
    monkeypatch.setattr(approximate, "_PIECE", 7)
    assert searched(encoded, tmp_path, "sq", threads=2)[0] == whole
