"""The card of a trained model says what it is, from results alone, and its code runs."""

import json
import re
from types import SimpleNamespace

import pytest
import yaml
from tiny_training import make_collection, make_training_file, run

from denseflow.encoder import load_encoder
from denseflow.errors import DenseflowError
from denseflow.files import write_json, write_text
from denseflow.manifest import write_manifest
from denseflow.report import card_parts
from denseflow.report.card_parts import MOST_LOOKS, learning_curve
from denseflow.report.card_usage import usage
from denseflow.report.exports import as_tsv, table_frame
from denseflow.report.model_card import CardInputs, write_model_card
from denseflow.report.rows import ALL, BEFORE, BETTER, Row

OPTIONS = {
    "model": "tuned", "seed": 0, "experiment": "tiny", "kind": "encoder", "base": "tiny", "before": "before",
    "systems": ["after"], "language": "en", "description": "A model for the test",
    "data": {"dataset": "docs", "split": "dev", "negatives": "mined"},
}  # fmt: skip
CONTRACT = {"query_prefix": "q: ", "title_separator": " | ", "query_max_length": 16, "passage_max_length": 32}
ROWS = [
    Row("docs", "dev", ALL, "before", "nDCG@10", 0.3, 0.2, 0.4, float("nan"), 1, queries=10, verdict=BEFORE),
    Row("docs", "dev", ALL, "after", "nDCG@10", 0.5, 0.4, 0.6, 0.01, 2, 0.49, 0.51, 0.2, 0.1, 0.3, 0.001, 0.002, 0.001,
        0.002, 0.9, 0.15, 8, 1, 1, 10, BETTER),
    Row("docs", "dev", ALL, "another", "nDCG@10", 0.1, 0.0, 0.2, float("nan"), 1, queries=10),
]  # fmt: skip
MEANS = (
    "dataset\tsplit\tsystem\tvariant\tmeasure\tmean\tqueries\n"
    "docs\tdev\tbefore\tpretrained\tnDCG@10\t0.300000\t10\n"
    "docs\tdev\tafter\tseed0\tnDCG@10\t0.510000\t10\n"
    "docs\tdev\tafter\tseed1\tnDCG@10\t0.490000\t10\n"
)
AUDIT = {
    "queries": {"in_split": 10, "written": 10, "skipped": {}},
    "positives": {"written": 20, "dropped": {}},
    "sources": [],
}


@pytest.fixture(scope="module")
def inputs(base, tmp_path_factory):
    """The manifests of a tiny training with scores on dev, and of a small experiment about it."""
    folder = tmp_path_factory.mktemp("card")
    write_json(folder / "mined" / "audit.json", AUDIT)
    training_file = make_training_file(folder / "mined" / "train.jsonl")
    write_manifest(folder / "mined", "negatives", ["train.jsonl", "audit.json"])
    collection = make_collection(folder / "docs")
    counts = {"documents": 40, "splits": {"dev": {"queries": 10}}}
    write_manifest(
        folder / "docs", "dataset", ["corpus.jsonl"], counts=counts, options={"source": {"type": "package_docs"}},
        warnings=["it is tiny"],
    )  # fmt: skip
    out = run(
        base, training_file, folder, max_steps=4, contract=CONTRACT, evaluation=collection,
        evaluate={"split": "dev", "measure": "nDCG@10", "every_steps": 2, "keep_best": True},
    )  # fmt: skip
    options = {"before": "before", "confidence": 0.95, "bootstrap_resamples": 100, "permutations": 100, "power": 0.8}
    write_text(folder / "report" / "table.tsv", as_tsv(table_frame(ROWS)))
    write_manifest(folder / "report", "report", ["table.tsv"], options=options)
    write_text(folder / "evaluate" / "means.tsv", MEANS)
    write_manifest(folder / "evaluate", "evaluate", ["means.tsv"])
    return CardInputs(
        model=out / "manifest.json",
        base=base,
        report=folder / "report/manifest.json",
        evaluation=folder / "evaluate/manifest.json",
        dataset=folder / "docs/manifest.json",
        negatives=folder / "mined/manifest.json",
    )


@pytest.fixture(scope="module")
def card(inputs):
    path = inputs.model.with_name("model-card.tiny.md")
    write_model_card(inputs, OPTIONS, path)
    return path


def snippet(text):
    return re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]


def test_the_code_in_the_card_runs_beside_it_and_gives_our_vectors(card, monkeypatch):
    monkeypatch.chdir(card.parent)
    names: dict = {}
    exec(snippet(card.read_text()), names)
    assert names["scores"].shape == (1, 2)
    model = load_encoder(card.parent / "model")
    ours = model.encode(["q: which vitamins are in milk?", "Milk | Milk has vitamin B12."])
    assert abs(names["queries"][0] - ours[0]).max() < 1e-6
    assert abs(names["passages"][0] - ours[1]).max() < 1e-6


def test_the_metadata_is_hugging_faces(card):
    _, metadata, _ = card.read_text().split("---\n", 2)
    found = yaml.safe_load(metadata)
    assert found["library_name"] == "sentence-transformers"
    assert found["pipeline_tag"] == "sentence-similarity"
    assert (found["base_model"], found["datasets"], found["language"]) == ("tiny", ["docs"], "en")
    (result,) = found["model-index"][0]["results"]
    assert result["metrics"] == [{"type": "nDCG@10", "value": 0.51, "name": "nDCG@10"}]
    assert result["dataset"] == {"name": "docs dev", "type": "docs", "split": "dev"}


def test_it_says_all_that_a_reader_needs(card, inputs):
    text = card.read_text()
    for part in (
        "# tuned, seed 0", "A model for the test", "Fine-tuned from tiny", "on docs dev",
        "| after | 0.5000 ± 0.0100 [0.4000, 0.6000] |", "+0.2000 [+0.1000, +0.3000]",
        "This seed alone: nDCG@10 0.5100 (after, docs dev).",
        "training file: 10 of 10 queries, 20 positives",
        "temperature: 0.1", "query_prefix: 'q: '", "documents: 40",
        "| optimizer steps planned | 4 |", "| negatives a query | 3 to 3, median 3 |",
        "![loss, learning rate and other curves by step](curves.svg)",
        "Training warned: only 4 optimizer steps", "The collection: it is tiny", "torch ",
    ):  # fmt: skip
        assert part in text
    assert "another" not in text
    assert json.loads(inputs.model.read_text())["files"]["model/model.safetensors"]["sha256"] in text
    curve = text.split("## Its learning curve")[1].split("## Limits")[0]
    assert re.findall(r"^\| \**(\d+)\** \|", curve, re.MULTILINE) == ["0", "2", "4"]
    assert curve.count("| **") == 1


def test_the_same_results_give_the_same_card(card, inputs, tmp_path):
    write_model_card(inputs, OPTIONS, tmp_path / "again.md")
    assert (tmp_path / "again.md").read_bytes() == card.read_bytes()


def test_a_model_that_the_experiment_does_not_compare_has_a_card_without_scores(inputs, tmp_path):
    write_model_card(inputs, {**OPTIONS, "systems": []}, tmp_path / "card.md")
    text = (tmp_path / "card.md").read_text()
    assert "Not compared itself in the experiment tiny" in text
    assert "model-index" not in text


def test_a_model_trained_on_a_file_and_never_scored_has_a_card(base, training_file, inputs, tmp_path):
    out = run(base, training_file, tmp_path, max_steps=1)
    own = CardInputs(out / "manifest.json", base, inputs.report, inputs.evaluation)
    write_model_card(own, {**OPTIONS, "data": {"file": "a_b.jsonl"}, "language": None}, tmp_path / "card.md")
    text = (tmp_path / "card.md").read_text()
    assert "Training data: the file a\\_b.jsonl." in text
    assert "It was not scored during training." in text
    assert "datasets:" not in text.split("---\n")[1]


def test_altered_results_make_no_card(inputs, tmp_path):
    table = inputs.report.with_name("table.tsv")
    content = table.read_bytes()
    table.write_bytes(content + b"\n")
    with pytest.raises(DenseflowError, match=r"table\.tsv: sha256"):
        write_model_card(inputs, OPTIONS, tmp_path / "card.md")
    table.write_bytes(content)


def test_of_many_scores_some_are_shown_with_the_first_the_best_and_the_last_one():
    curve = [(step, "nDCG@10", step / 1000) for step in range(101)]
    manifest = {"evaluation": {"best": {"step": 77}}, "recipe": {}}
    steps = [int(step) for step in re.findall(r"^\| \**(\d+)\** \|", learning_curve(curve, manifest), re.MULTILINE)]
    assert len(steps) <= MOST_LOOKS + 2
    assert {0, 77, 100} <= set(steps)


def test_the_code_for_a_cross_encoder_runs(tmp_path, monkeypatch):
    import torch
    from sentence_transformers import CrossEncoder
    from tiny import make_tiny_bert
    from transformers import AutoConfig, AutoTokenizer, BertForSequenceClassification

    plain = make_tiny_bert(tmp_path / "bert")
    config = AutoConfig.from_pretrained(plain, num_labels=1)
    BertForSequenceClassification(config).save_pretrained(tmp_path / "head")
    AutoTokenizer.from_pretrained(plain).save_pretrained(tmp_path / "head")
    CrossEncoder(str(tmp_path / "head"), device="cpu", activation_fn=torch.nn.Identity()).save(str(tmp_path / "model"))
    contract = {"query_prefix": "", "passage_prefix": "p: ", "title_separator": " ", "pair_max_length": 64}
    text = usage("cross_encoder", {"contract": contract, "recipe": {}}, {})
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(snippet(text), names)
    assert names["scores"].shape == (2,)
    assert "Pairs longer than 64 tokens are cut" in text


def test_own_code_and_shorter_vectors_are_mentioned():
    contract = {**CONTRACT, "normalize": True, "similarity": "cosine"}
    text = usage("encoder", {"contract": contract, "recipe": {"matryoshka": {"dimensions": [32, 8]}}},
                 {"trust_remote_code": True})  # fmt: skip
    assert 'SentenceTransformer("model", trust_remote_code=True)' in text
    assert "`truncate_dim=8`" in text


def test_the_cards_are_those_of_all_trained_models_of_an_experiment():
    from denseflow.workflow.cards import trained_models

    def model(base=None, teacher=None):
        data = SimpleNamespace(teacher=teacher, dataset=None)
        return SimpleNamespace(trained=None if base is None else SimpleNamespace(base=base, data=data))

    def system(model=None, rerank=None):
        return SimpleNamespace(model=model, rerank=rerank and SimpleNamespace(model=rerank))

    models = {
        "plain": model(), "first": model("plain"), "second": model("first", "judge"), "judge": model("plain"),
        "other": model("plain"),
    }  # fmt: skip
    systems = {"bm25": system(), "before": system("plain"), "after": system("second"), "more": system(rerank="judge")}
    graph = SimpleNamespace(
        registry=SimpleNamespace(models=models, experiments={"tiny": SimpleNamespace(systems=systems)})
    )
    assert trained_models(graph, "tiny") == ["second", "first", "judge"]


def test_of_passages_that_are_the_queries_the_collection_is_told_and_no_split():
    dataset = {"options": {"source": {"type": "lines"}}, "counts": {"documents": 7, "splits": {}}}
    options = {"data": {"dataset": "sentences", "negatives": "passages", "split": "passages"}}
    told = card_parts.data(options, {"dataset": dataset, "audit": None, "model": {}})
    assert "Training data: sentences passages." in told
    assert "documents: 7" in told
    assert "split:" not in told
