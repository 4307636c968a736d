"""The search of sparse vectors: exact, the same whatever blocks and threads, ties in trec_eval's order."""

import json
from pathlib import Path

import numpy as np
import pytest

from denseflow.errors import DenseflowError
from denseflow.files import sha256_text
from denseflow.manifest import write_manifest
from denseflow.negatives.vector_scores import open_scores
from denseflow.run_file import read_run
from denseflow.search.sparse import SparseSearch, rank_sparse, search_sparse
from denseflow.search.sparse_vectors import InMemory, SparseVectors, read_sparse_vectors
from denseflow.search.vectors import read_vectors
from denseflow.sparse_vectors import from_dense, to_entries

TERMS = 50


def drawn(rows: int, seed: int, share: float = 0.2) -> np.ndarray:
    """Sparse weights with many ties: quarters from 0 to 2."""
    generator = np.random.default_rng(seed)
    weights = generator.integers(1, 9, (rows, TERMS)) / 4
    return np.where(generator.random((rows, TERMS)) < share, weights, 0).astype(np.float32)


def write(folder: Path, stem: str, vectors: np.ndarray, ids: list[str], *, shard: int) -> Path:
    """Vectors as the encode stage writes them."""
    (folder / stem).mkdir(parents=True)
    shards = []
    for number, start in enumerate(range(0, len(vectors), shard)):
        name = f"{stem}/{number:05d}.npy"
        some = vectors[start : start + shard]
        np.save(folder / name, to_entries(from_dense(some)))
        shards.append({"file": name, "rows": len(some)})
    (folder / f"{stem}.ids").write_text("".join(f"{name}\n" for name in ids))
    name = f"{stem}.manifest.json"
    write_manifest(
        folder,
        "encode",
        [*(one["file"] for one in shards), f"{stem}.ids"],
        name=name,
        shards=shards,
        dimensions=TERMS,
        nonzeros=int((vectors != 0).sum()),
        inputs={"model": sha256_text("model"), "dataset": sha256_text("dataset")},
    )
    return folder / name


def expected_order(query: np.ndarray, corpus: np.ndarray, ids: list[str], depth: int) -> list[str]:
    scores = corpus.astype(np.float64) @ query.astype(np.float64)
    order = sorted(range(len(ids)), key=lambda row: (scores[row], ids[row]), reverse=True)
    return [ids[row] for row in order if scores[row] > 0][:depth]


@pytest.fixture(scope="module")
def data():
    corpus, queries = drawn(300, seed=1), drawn(20, seed=2, share=0.06)
    queries[3] = 0
    generator = np.random.default_rng(3)
    ids = [f"d{number}" for number in generator.permutation(len(corpus))]
    return queries, corpus, ids


@pytest.mark.parametrize(("block_rows", "threads"), [(1, 1), (64, 2), (2**16, 1)])
@pytest.mark.parametrize("depth", [1, 7, 1000])
def test_the_ranking_is_that_of_all_inner_products(data, tmp_path, block_rows, threads, depth):
    queries, corpus, ids = data
    names = [f"q{number}" for number in range(len(queries))]
    one = write(tmp_path, "queries.test", queries, names, shard=20)
    two = write(tmp_path, "corpus", corpus, ids, shard=32)
    run = tmp_path / "out/test.top.trec"
    run.parent.mkdir()
    facts = search_sparse(one, two, run, depth=depth, threads=threads, block_rows=block_rows)
    found = read_run(run)
    for name, query in zip(names, queries, strict=True):
        assert list(found.get(name, {})) == expected_order(query, corpus, ids, depth)
    assert "q3" not in found
    assert f"queries without a term: {(queries.sum(1) == 0).sum()};" in facts["warnings"][0]


def test_the_manifest_says_what_a_search_costs(data, tmp_path):
    queries, corpus, ids = data
    one = write(tmp_path, "queries.test", queries, [f"q{n}" for n in range(len(queries))], shard=20)
    two = write(tmp_path, "corpus", corpus, ids, shard=32)
    facts = search_sparse(one, two, tmp_path / "test.top10.trec", depth=10, threads=1)
    assert facts["passage_terms"] == pytest.approx((corpus != 0).sum(1).mean(), abs=1e-3)
    assert facts["query_terms"] == pytest.approx((queries != 0).sum(1).mean(), abs=1e-3)
    pairs = (queries != 0).astype(float) @ (corpus != 0).astype(float).T
    assert facts["flops"] == pytest.approx(pairs.mean(), abs=1e-5)
    assert facts["index_bytes"] == 12 * (corpus != 0).sum()
    assert json.loads((tmp_path / "test.top10.speed.json").read_text())["queries"] == len(queries)


def test_a_pair_scores_as_in_the_search_however_deep_it_lies(data, tmp_path):
    queries, corpus, ids = data
    one = write(tmp_path, "queries.test", queries, [f"q{n}" for n in range(len(queries))], shard=20)
    two = write(tmp_path, "corpus", corpus * np.float32(1 / 3), ids, shard=32)
    scores = open_scores(one, two)
    search = SparseSearch(read_sparse_vectors(two), threads=1)
    for query, found in search.rankings(read_sparse_vectors(one), 1000):
        names = read_sparse_vectors(two).names(found.rows)
        np.testing.assert_array_equal(scores(query, names), found.scores)
    shared = corpus.astype(bool) @ queries[0].astype(bool)
    assert scores("q0", [ids[int(np.argmin(shared))]]) == [0.0]


def test_rows_are_taken_in_any_order_without_reading_whole_shards_again(data, tmp_path, monkeypatch):
    _, corpus, ids = data
    vectors = read_sparse_vectors(write(tmp_path, "corpus", corpus, ids, shard=32))
    wanted = np.random.default_rng(4).integers(0, len(ids), 200)
    np.testing.assert_array_equal(vectors.take(wanted).toarray(), corpus[wanted])
    monkeypatch.setattr(SparseVectors, "_read", None)
    np.testing.assert_array_equal(vectors.take(wanted[::-1]).toarray(), corpus[wanted[::-1]])
    assert vectors.take(wanted[:0]).shape == (0, TERMS)
    whole = InMemory(tmp_path, from_dense(corpus), ids)
    np.testing.assert_array_equal(whole.take(wanted).toarray(), corpus[wanted])


def test_vectors_in_memory_are_ranked_as_those_of_files(data):
    queries, corpus, ids = data
    names = [f"q{number}" for number in range(len(queries))]
    run = rank_sparse(
        InMemory(Path("queries"), from_dense(queries), names),
        InMemory(Path("corpus"), from_dense(corpus), ids),
        depth=10,
        threads=1,
    )
    assert list(run["q0"]) == expected_order(queries[0], corpus, ids, 10)


def test_an_altered_shard_is_refused(data, tmp_path):
    queries, corpus, ids = data
    one = write(tmp_path, "queries.test", queries, [f"q{n}" for n in range(len(queries))], shard=20)
    two = write(tmp_path, "corpus", corpus, ids, shard=32)
    np.save(tmp_path / "corpus/00003.npy", to_entries(from_dense(corpus[:32])))
    with pytest.raises(DenseflowError, match=r"00003\.npy: sha256 .* differs"):
        search_sparse(one, two, tmp_path / "test.trec", depth=10, threads=1)


def test_a_weight_that_is_not_finite_is_refused_by_its_id(data, tmp_path):
    queries, corpus, ids = data
    broken = corpus.copy()
    broken[40, 0] = np.nan
    one = write(tmp_path, "queries.test", queries, [f"q{n}" for n in range(len(queries))], shard=20)
    two = write(tmp_path, "corpus", broken, ids, shard=32)
    with pytest.raises(DenseflowError, match=rf"row 40: the vector of '{ids[40]}' holds NaN"):
        search_sparse(one, two, tmp_path / "test.trec", depth=10, threads=1)


def test_a_step_that_reads_dense_vectors_says_that_these_are_sparse(data, tmp_path):
    queries, _, _ = data
    one = write(tmp_path, "queries.test", queries, [f"q{n}" for n in range(len(queries))], shard=20)
    with pytest.raises(DenseflowError, match="a sparse encoder's vectors, which this step cannot read"):
        read_vectors(one)
