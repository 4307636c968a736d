"""The page of a collection: what models cut, what is warned of, and that it needs nothing beside it."""

import json

import pytest
from test_data_facts import ENGLISH, lay_out
from tiny import make_tiny_model

from denseflow.collection import Document
from denseflow.contract import passage_text, read_contract
from denseflow.encoder import load_encoder, tokenize
from denseflow.report.data.cautions import cautions
from denseflow.report.data.facts import MANIFEST, write_facts
from denseflow.report.data.page import Page, write_data_page
from denseflow.report.data.tokens import Reader, cuts, together
from denseflow.train.encoders import join_encoders
from denseflow.train.pretrained import prepare

DOCUMENTS = [
    Document("d1", "blood", "the heart and the blood " * 9),
    Document("d2", "", "milk"),
    Document("d3", "", ""),
]
QUERIES = ["what is milk", "which vitamin does the blood of men have in health and in disease"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The manifest of a tiny model with a prefix and short lengths."""
    folder = tmp_path_factory.mktemp("model")
    make_tiny_model(folder / "tiny")
    contract = {"query_max_length": 8, "passage_max_length": 16, "passage_prefix": "passage: "}
    prepare({"path": str(folder / "tiny")}, contract, folder / "pretrained", folder / "revisions.json")
    return folder / "pretrained" / "manifest.json"


def test_tokens_are_counted_as_the_encoder_counts_them(model):
    encoder = load_encoder(model.parent / "model")
    contract = read_contract(encoder)
    passages, queries = cuts(Reader(["tiny"], model, {}), DOCUMENTS, {"test": QUERIES})
    for cut, kind, texts in (
        (passages, "passage", [passage_text(document, contract) for document in DOCUMENTS]),
        (queries, "query", QUERIES),
    ):
        kept = tokenize(encoder, texts, kind)["attention_mask"].sum(dim=1)
        assert cut.tokens - cut.lost == int(kept.sum())
        assert cut.cut == int((kept == cut.max_length).sum()) == 1
        assert cut.longest > cut.max_length


def test_a_trained_model_s_contract_changes_what_is_cut(model):
    changed = {"passage_max_length": 100, "passage_prefix": "", "add_eos": True}
    of_base, _ = cuts(Reader(["tiny"], model, {}), DOCUMENTS, {"test": QUERIES})
    passages, queries = cuts(Reader(["tuned"], model, changed), DOCUMENTS, {"test": QUERIES})
    assert (passages.cut, passages.lost) == (0, 0)
    # The prefix is two tokens, the eos token one more.
    assert passages.tokens == of_base.tokens - 2 * len(DOCUMENTS) + len(DOCUMENTS)
    assert queries.cut == 1


def test_separate_encoders_each_cut_with_their_own_tokenizer(tmp_path, model):
    encoders = [load_encoder(model.parent / "model") for _ in range(2)]
    join_encoders(*encoders, similarity=None)
    encoders[0].save(str(tmp_path / "model"), create_model_card=False)
    (tmp_path / "manifest.json").write_text(model.read_text())
    both = [cuts(Reader(["m"], one, {}), DOCUMENTS, {"test": QUERIES}) for one in (model, tmp_path / "manifest.json")]
    assert both[0] == both[1]
    (tmp_path / "model" / "query_0_Transformer" / "tokenizer.json").unlink()
    assert cuts(Reader(["m"], tmp_path / "manifest.json", {}), DOCUMENTS, {"test": QUERIES}) == []


def test_models_that_read_a_kind_of_text_alike_share_a_line(model):
    readers = [Reader(["a"], model, {}), Reader(["b"], model, {"passage_max_length": 32})]
    found = together([cut for reader in readers for cut in cuts(reader, DOCUMENTS, {"test": QUERIES})])
    assert [(cut.kind, cut.models) for cut in found] == [
        ("passages", ("a",)),
        ("test", ("a", "b")),
        ("passages", ("b",)),
    ]


@pytest.fixture
def page(tmp_path, model):
    documents = {f"d{n}": ("", f"{ENGLISH} number {n} {'<b>' * n}") for n in range(60)}
    train = {f"t{n}": (f"how many litres does the heart pump {n}", {f"d{n}": 1}) for n in range(60)}
    test = {f"q{n}": (f"how many litres does a heart pump {n}", {f"d{n}": 1}) for n in range(55)}
    folder = lay_out(tmp_path / "docs", documents, train=train, test=test)
    write_facts(folder / "manifest.json")
    reader = Reader(["tiny", "tuned"], model, {})
    return Page(folder / "manifest.json", folder / MANIFEST, "de", [reader], "About <hearts>")


def test_the_page_warns_in_words_and_the_serious_things_come_first(page, tmp_path):
    write_data_page(page, tmp_path / "out")
    content = json.loads((tmp_path / "out" / "docs.json").read_text(encoding="utf-8"))
    found = [one["found"] for one in content["cautions"]]
    assert found[0].startswith("55 of 55 queries of test (100%) have a near-twin in train")
    assert found[1].startswith("most passages look like 'en' (100% of 60 looked at)")
    assert any(line.startswith("with tiny, tuned, 100% of the passages are longer than 16 tokens") for line in found)
    assert any("100% of the relevant passages of test are relevant in train too" in line for line in found)
    serious = [one["serious"] for one in content["cautions"]]
    assert serious == sorted(serious, reverse=True)
    text = (tmp_path / "out" / "docs.md").read_text(encoding="utf-8")
    assert "## Mind this\n\n- 55 of 55 queries of test" in text
    assert "| test | train | 55 | 0 | 55 (100%) | 55 (100%) |" in text


def test_a_collection_without_queries_has_a_page(tmp_path, model):
    folder = lay_out(tmp_path / "sentences", {f"d{n}": ("", f"{ENGLISH} number {n}") for n in range(9)})
    write_facts(folder / "manifest.json")
    page = Page(folder / "manifest.json", folder / MANIFEST, "en", [Reader(["tiny"], model, {})], "")
    write_data_page(page, tmp_path / "out")
    shown = (tmp_path / "out" / "sentences.html").read_text(encoding="utf-8")
    assert "9 passages · no queries · language: en" in shown
    assert 'id="judgements"' not in shown
    assert "queries" not in (tmp_path / "out" / "sentences.md").read_text(encoding="utf-8").split("## How")[0]


def test_a_collection_against_which_nothing_speaks_has_no_caution():
    part = {"texts": 100, "languages": {"en": 95, "others": 5}}
    clean = {
        "passages": {
            **part,
            "empty": 0,
            "repeated": {"passages": 0, "texts": 0},
            "near_duplicates": {"passages": 1, "looked_at": 100},
        },
        "splits": {
            "test": {
                **part,
                **{"queries": 100, "judged": 100, "without_relevant": 0, "repeated": 0, "mean_relevant": 3.0},
                "unknown_documents": {"count": 0, "examples": []},
            }
        },
        "between": [],
    }
    assert cautions(clean, "en", []) == []
    assert len(cautions(clean, "fr", [])) == 2  # passages and queries
    shared = {"split": "test", "earlier": "train", "articles": 11, "of": 100}
    (caution,) = cautions(clean | {"shared_articles": [shared]}, "en", [])
    assert caution.found == "11 of 100 articles of test are in train too, with other passages"
    assert cautions(clean | {"shared_articles": [shared | {"articles": 10}]}, "en", []) == []
    assert cautions(clean, "a language nobody can tell", []) == []


def test_the_page_is_the_same_each_time_needs_no_network_and_shows_texts_as_texts(page, tmp_path):
    first = write_data_page(page, tmp_path / "out")
    assert write_data_page(page, tmp_path / "out") == first
    assert sorted(first["files"]) == ["docs.html", "docs.json", "docs.md"]
    html = (tmp_path / "out" / "docs.html").read_text(encoding="utf-8")
    body = html[html.index("<body>") : html.index("<script>")]
    assert "About &lt;hearts&gt;" in body
    assert "<b>" not in body
    assert "http" not in body
    assert body.count('data-chart="') == 2 + 6 + 3
    assert len(html) < 2_000_000
