import json
from pathlib import Path

import numpy as np
import pytest
from vector_files import write_vectors

from denseflow.errors import DenseflowError
from denseflow.manifest import read_manifest
from denseflow.run_file import read_run
from denseflow.search import nearest
from denseflow.search.flat import search
from denseflow.search.reservoir import Piece, Reservoir, best_of


def ranked(
    folder: Path,
    queries: np.ndarray,
    corpus: np.ndarray,
    ids: list[str] | None = None,
    shard: int | None = None,
    normalize: bool = False,
    **options,
):
    options = {"depth": 10, "similarity": "dot", "threads": 1, **options}
    contract = {"normalize": normalize}
    run = folder / "test.top10.trec"
    search(
        write_vectors(folder / "vectors", "queries.test", queries.astype(np.float32)),
        write_vectors(folder / "vectors", "corpus", corpus.astype(np.float32), ids, shard=shard, contract=contract),
        run,
        **options,
    )
    return run.read_text()


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def by_brute_force(queries: np.ndarray, corpus: np.ndarray, depth: int, cosine: bool) -> list[list[str]]:
    queries, corpus = queries.astype(np.float64), corpus.astype(np.float64)
    if cosine:
        queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
        corpus = corpus / np.linalg.norm(corpus, axis=1, keepdims=True)
    return [[f"c{row}" for row in order[:depth]] for order in np.argsort(-(queries @ corpus.T), axis=1)]


@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_the_ranking_is_that_of_brute_force_in_double_precision(tmp_path, similarity):
    queries, corpus = normal(30, 16), normal(500, 16, seed=1) * np.linspace(0.5, 2, 500, dtype=np.float32)[:, None]
    ranked(tmp_path, queries, corpus, depth=20, similarity=similarity)
    run = read_run(tmp_path / "test.top10.trec")
    assert [list(ranking) for ranking in run.values()] == by_brute_force(queries, corpus, 20, similarity == "cosine")


def test_dot_and_cosine_rank_vectors_of_different_lengths_differently(tmp_path):
    queries, corpus = np.array([[1.0, 0.0]]), np.array([[0.5, 0.0], [3.0, 3.0]])
    dot = read_run_of(ranked(tmp_path / "dot", queries, corpus))
    cosine = read_run_of(ranked(tmp_path / "cosine", queries, corpus, similarity="cosine"))
    assert (dot, cosine) == (["c1", "c0"], ["c0", "c1"])


def read_run_of(text: str) -> list[str]:
    return [line.split()[2] for line in text.splitlines()]


def test_the_run_does_not_depend_on_blocks_shards_threads_or_the_number_of_queries(tmp_path):
    queries = normal(40, 24)
    corpus = np.repeat(normal(100, 24, seed=1), 5, axis=0)  # each vector five times: ties everywhere, at the cut too
    whole = ranked(tmp_path / "whole", queries, corpus, depth=12)
    for rows in (1, 7, 64):
        assert ranked(tmp_path / str(rows), queries, corpus, depth=12, block_rows=rows) == whole
    for shard in (1, 9, 100):
        assert ranked(tmp_path / f"shards{shard}", queries, corpus, depth=12, shard=shard, block_rows=33) == whole
    assert ranked(tmp_path / "threads", queries, corpus, depth=12, threads=3, shard=40) == whole
    one_by_one = [ranked(tmp_path / f"{row}", queries[[row]], corpus, depth=12) for row in range(3)]
    for row, text in enumerate(one_by_one):
        assert text.replace("q0 ", f"q{row} ") in whole


def test_ties_are_ordered_by_document_id_descending_also_at_the_cut(tmp_path):
    corpus = np.ones((500, 8))
    ids = [f"d{row:03}" for row in np.random.default_rng(0).permutation(500)]
    text = ranked(tmp_path, np.ones((2, 8)), corpus, ids, depth=5, block_rows=100)
    assert read_run_of(text) == ["d499", "d498", "d497", "d496", "d495"] * 2


def test_too_many_ties_at_the_cut_are_reported_rather_than_searched_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(nearest, "_MOST_TIES", 100)
    text = ranked(tmp_path, np.ones((2, 8)), np.ones((500, 8)), depth=5)
    assert len(text.splitlines()) == 10
    (warning,) = read_manifest(tmp_path / "test.top10.manifest.json")["warnings"]
    assert warning.startswith("2 queries have more than 100 documents of equal score")


def test_of_too_many_ties_the_same_are_taken_whatever_the_blocks_and_the_threads(tmp_path, monkeypatch):
    monkeypatch.setattr(nearest, "_MOST_TIES", 80)
    monkeypatch.setattr(nearest, "_MARGIN", 4)
    draw = np.random.default_rng(0)
    corpus = draw.integers(0, 2, size=(3000, 6))  # their inner products are small integers, exact in float32 as well
    ids = [f"d{row:04}" for row in draw.permutation(3000)]
    queries = draw.integers(0, 3, size=(40, 6))
    runs = {
        ranked(tmp_path / f"{threads}.{rows}", queries, corpus, ids, depth=20, threads=threads, block_rows=rows)
        for threads in (1, 3)
        for rows in (3000, 700, 64, 11)
    }
    (text,) = runs
    expected = []
    for query in queries:
        scores = corpus @ query
        best = np.argsort(-scores, kind="stable")[:100]
        expected += sorted(((scores[row], ids[row]) for row in best), reverse=True)[:20]
    assert read_run_of(text) == [name for _, name in expected]


def test_a_reservoir_keeps_the_lowest_rows_of_equal_scores_however_old_the_thresholds_are():
    draw = np.random.default_rng(0)
    scores = draw.integers(0, 4, size=(5, 40_000)).astype(np.float32)
    for lag in (0, 3, 200):
        reservoir = Reservoir(5, 300)
        thresholds = [reservoir.threshold.copy()]
        for start in range(0, 40_000, 400):
            piece = best_of(scores[:, start : start + 400], thresholds[max(0, len(thresholds) - 1 - lag)], 300)
            reservoir.add(piece.moved(start))
            thresholds.append(reservoir.threshold.copy())
        expected = [np.sort(np.argsort(-of, kind="stable")[:300]) for of in scores]
        assert [rows.tolist() for rows in reservoir.rows()] == [rows.tolist() for rows in expected]
        assert reservoir.lowest().tolist() == [3.0] * 5


def test_the_best_of_a_gpus_block_may_come_in_any_order():
    piece = Piece.of(np.array([[3.0, 5.0, 3.0]], np.float32), np.array([[9, 4, 2]]))
    reservoir = Reservoir(1, 2)
    reservoir.add(piece)
    assert reservoir.rows()[0].tolist() == [2, 4]


def test_scores_of_the_run_fall_strictly_as_32_bit_floats(tmp_path):
    text = ranked(tmp_path, np.ones((1, 8)), np.ones((30, 8)), depth=20)
    scores = np.array([line.split()[4] for line in text.splitlines()], dtype=np.float32)
    assert (np.diff(scores) < 0).all()


def test_a_depth_beyond_the_corpus_gives_the_whole_corpus(tmp_path):
    assert len(ranked(tmp_path, normal(2, 4), normal(3, 4), depth=1000).splitlines()) == 6


def test_depth_is_the_number_of_documents_a_query(tmp_path):
    assert len(ranked(tmp_path, normal(2, 4), normal(50, 4), depth=7).splitlines()) == 14


def test_no_queries_give_an_empty_run(tmp_path):
    assert ranked(tmp_path, np.empty((0, 4)), normal(3, 4)) == ""


def test_the_manifest_has_counts_options_and_inputs_and_not_the_threads(tmp_path):
    ranked(tmp_path, normal(2, 4), normal(3, 4))
    facts = json.loads((tmp_path / "test.top10.manifest.json").read_text())
    assert (facts["queries"], facts["documents"], facts["dimensions"]) == (2, 3, 4)
    assert facts["options"] == {"depth": 10, "similarity": "dot"}
    assert set(facts["inputs"]) == {"queries", "corpus"}
    assert list(facts["files"]) == ["test.top10.trec"]


def test_a_vector_of_zeros_has_cosine_0_and_is_reported(tmp_path):
    text = ranked(tmp_path, np.ones((1, 2)), np.array([[-1.0, 0], [0, 0], [1, 0]]), similarity="cosine")
    assert read_run_of(text) == ["c2", "c1", "c0"]
    assert read_manifest(tmp_path / "test.top10.manifest.json")["warnings"] == [
        "0 queries and 1 documents have a vector of zeros only"
    ]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_are_refused_with_file_and_id(tmp_path, value):
    corpus = normal(10, 4)
    corpus[7, 2] = value
    with pytest.raises(DenseflowError, match=r"corpus, row 7: the vector of 'c7' holds NaN or infinity"):
        ranked(tmp_path, normal(1, 4), corpus, block_rows=3)
    with pytest.raises(DenseflowError, match=r"queries\.test, row 7: the vector of 'q7'"):
        ranked(tmp_path, corpus, normal(1, 4))
    assert not (tmp_path / "test.top10.trec").exists()


def test_inner_products_beyond_float32_are_refused(tmp_path):
    with pytest.raises(DenseflowError, match="beyond float32"):
        ranked(tmp_path, np.full((1, 4), 1e30), np.full((3, 4), 1e30))


def test_different_dimensions_are_refused(tmp_path):
    with pytest.raises(DenseflowError, match=r"queries\.test: 4 dimensions, but .*corpus has 5"):
        ranked(tmp_path, normal(1, 4), normal(3, 5))


def test_vectors_that_are_no_float32_matrix_are_refused(tmp_path):
    queries = write_vectors(tmp_path, "queries.test", normal(2, 4))
    corpus = write_vectors(tmp_path, "corpus", np.ones((3, 4)))
    with pytest.raises(DenseflowError, match="float64 of shape"):
        search(queries, corpus, tmp_path / "test.top1.trec", depth=1, similarity="dot", threads=1)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["a", "b"], "2 ids for 3 vectors"),
        (["a", "b", "a"], "line 3: id 'a' was used in line 1 already"),
        (["a", "b c", "d"], "line 2: id 'b c', expected one without spaces"),
    ],
)
def test_ids_that_do_not_fit_are_refused(tmp_path, ids, message):
    with pytest.raises(DenseflowError, match=message):
        ranked(tmp_path, normal(1, 4), normal(3, 4), ids)


def test_altered_vectors_are_refused(tmp_path):
    queries = write_vectors(tmp_path, "queries.test", normal(2, 4))
    corpus = write_vectors(tmp_path, "corpus", normal(3, 4))
    np.save(tmp_path / "corpus.npy", normal(3, 4, seed=5))
    with pytest.raises(DenseflowError, match=r"corpus\.npy: sha256 .* differs"):
        search(queries, corpus, tmp_path / "test.top1.trec", depth=1, similarity="dot", threads=1)


@pytest.mark.parametrize("options", [{"depth": 0}, {"similarity": "euclid"}])
def test_options_out_of_range_are_refused(tmp_path, options):
    with pytest.raises(DenseflowError, match=r"expected (a depth from 1 on|one of)"):
        ranked(tmp_path, normal(1, 4), normal(3, 4), **options)


def test_without_a_similarity_the_encoders_contract_decides(tmp_path):
    queries = write_vectors(tmp_path, "queries.test", normal(3, 4))
    corpus = normal(30, 4, seed=1)
    runs = []
    for similarity in ("dot", "cosine"):
        manifest = write_vectors(tmp_path / similarity, "corpus", corpus, similarity=similarity)
        search(queries, manifest, tmp_path / "contract.trec", depth=5, threads=1)
        search(queries, manifest, tmp_path / "given.trec", depth=5, threads=1, similarity=similarity)
        assert (tmp_path / "contract.trec").read_text() == (tmp_path / "given.trec").read_text()
        runs.append((tmp_path / "given.trec").read_text())
    assert runs[0] != runs[1]


@pytest.mark.parametrize("key", ["model", "dataset"])
def test_vectors_of_different_models_or_datasets_are_refused(tmp_path, key):
    same = {"model": "m", "dataset": "d"}
    queries = write_vectors(tmp_path, "queries.test", normal(3, 4), inputs=same)
    corpus = write_vectors(tmp_path, "corpus", normal(3, 4), inputs={**same, key: "other"})
    with pytest.raises(DenseflowError, match=f"names another {key} than that of"):
        search(queries, corpus, tmp_path / "run.trec", depth=1, threads=1, similarity="dot")


def test_an_empty_corpus_is_refused(tmp_path):
    with pytest.raises(DenseflowError, match="no vectors; the corpus is empty"):
        ranked(tmp_path, normal(1, 4), np.empty((0, 4)))


def test_groups_of_queries_and_a_sifted_reservoir_give_the_same_run(tmp_path, monkeypatch):
    queries, corpus = normal(50, 8), normal(3000, 8, seed=1)
    whole = ranked(tmp_path / "whole", queries, corpus, depth=5)
    monkeypatch.setattr(nearest, "_CELLS", 700)
    monkeypatch.setattr(nearest, "_MARGIN", 2)
    assert ranked(tmp_path / "groups", queries, corpus, depth=5, block_rows=50, shard=130) == whole


@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize("scale", [1e-15, 1e18])
def test_vectors_whose_squares_float32_cannot_hold_are_ranked_right(tmp_path, similarity, scale):
    queries, corpus = normal(20, 16), normal(300, 16, seed=1) * np.linspace(0.5, 2, 300, dtype=np.float32)[:, None]
    ranked(tmp_path, queries, corpus * np.float32(scale), depth=9, similarity=similarity)
    run = read_run(tmp_path / "test.top10.trec")
    assert [list(ranking) for ranking in run.values()] == by_brute_force(queries, corpus, 9, similarity == "cosine")


def test_float16_vectors_are_ranked_as_the_numbers_they_hold(tmp_path):
    queries, corpus = normal(5, 16).astype(np.float16), normal(200, 16, seed=1).astype(np.float16)
    manifests = [write_vectors(tmp_path, name, x) for name, x in (("queries.test", queries), ("corpus", corpus))]
    search(*manifests, tmp_path / "run.trec", depth=200, similarity="dot", threads=1)
    run = read_run(tmp_path / "run.trec")
    assert [list(ranking) for ranking in run.values()] == by_brute_force(queries, corpus, 200, cosine=False)


def test_cut_vectors_are_scaled_to_length_1_again_where_the_contract_normalises(tmp_path):
    corpus = np.array([[0.1, 0, 0.9], [0.3, 0.3, 0.1]])
    for normalize, first in ((True, "c0"), (False, "c1")):
        text = ranked(tmp_path, np.array([[1.0, 0, 0]]), corpus, dimensions=2, normalize=normalize)
        assert read_run_of(text)[0] == first
    assert read_manifest(tmp_path / "test.top10.manifest.json")["dimensions"] == 2


def test_more_dimensions_than_there_are_are_refused(tmp_path):
    with pytest.raises(DenseflowError, match="9 dimensions are asked for, but the vectors have 4; lower"):
        ranked(tmp_path, normal(1, 4), normal(3, 4), dimensions=9)


def test_how_quick_it_was_stands_beside_the_run_and_in_no_manifest(tmp_path):
    ranked(tmp_path, normal(3, 4), normal(30, 4))
    speed = json.loads((tmp_path / "test.top10.speed.json").read_text())
    assert speed["queries"] == 3
    assert speed["queries_per_second"] > 0
    assert "seconds" not in (tmp_path / "test.top10.manifest.json").read_text()
