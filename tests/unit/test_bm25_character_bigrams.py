"""BM25 over character bigrams, and where the option is read."""

import pytest
from docs_page import PROJECT, lay_out
from test_bm25_index_search import bm25, rank

from denseflow.bm25.analyzers import cut
from denseflow.bm25.character_bigrams import character_bigrams
from denseflow.bm25.index import build_index
from denseflow.collection import read_qrels
from denseflow.config.registry import Registry
from denseflow.dataset.export import export
from denseflow.errors import DenseflowError
from denseflow.evaluate.measures import evaluate
from denseflow.workflow.graph import Graph


@pytest.mark.parametrize(
    ("text", "bigrams"),
    [
        ("京都に2泊", "京都 都に に2 2泊"),
        ("東京、大阪。", "東京 大阪"),
        ("The B-52s", "th he b 52 2s"),
        ("ﾄﾞｲﾂ \uff21\uff22\uff23 ①", "ドイ イツ ab bc 1"),
        ("훈민정음 1446년", "훈민 민정 정음 14 44 46 6년"),
        ("a_b", "a b"),
        (" …！ ", ""),
    ],
)
def test_runs_of_letters_and_digits_are_cut_into_overlapping_pairs(text, bigrams):
    assert character_bigrams(text) == bigrams


def test_other_analyzers_are_given_the_text_as_it_is():
    assert [cut("京都に行く", name) for name in ("ja", "whitespace")] == ["京都に行く"] * 2


def test_passages_and_queries_are_cut_alike_and_a_part_of_a_word_finds_it(tmp_path):
    documents = [("tokyo", "", "東京都は日本の首都です。"), ("seoul", "", "서울특별시"), ("latin", "Tokyo", "X")]
    queries = [("kyoto", "京都"), ("seoul", "특별"), ("case", "\uff34okyo"), ("one", "x"), ("none", "。")]
    found = bm25(tmp_path, documents, queries, analyzer="character_bigrams")
    assert found == {"kyoto": ["tokyo"], "seoul": ["seoul"], "case": ["latin"], "one": ["latin"]}


FILES = {
    "experiments/bigrams.yaml": """
evaluate_on: [{dataset: nfcorpus}]
systems:
  before: {model: minilm-l6-48}
  bm25: {bm25: {}}
  bigrams: {bm25: {analyzer: character_bigrams}}
  after: {model: bigrams-trained}
""",
    "models/bigrams-trained.yaml": "trained: {base: minilm-l6-48, data: {dataset: nfcorpus, negatives: bigrams}}",
    "negatives/bigrams.yaml": "sources: [{type: bm25, count: 4, analyzer: character_bigrams}]",
}


def test_a_system_and_a_source_of_negatives_each_choose_their_analyzer(tmp_path):
    graph = Graph(Registry({"experiments": ["bigrams"]}, lay_out(tmp_path / "config", FILES)), PROJECT)
    runs = {ranked.system: ranked.run.parent.name for ranked in graph.ranked_systems("bigrams")}
    assert runs["bm25"] == "en_0.9_0.4"
    assert runs["bigrams"] == "character_bigrams_0.9_0.4"
    mined = graph.mining("nfcorpus", "train", "bigrams")
    assert [run.parent.name for run in mined.runs().values()] == ["character_bigrams_0.9_0.4"]


def test_an_unknown_analyzer_of_negatives_is_refused_with_its_key(tmp_path):
    files = {
        name: text.replace("4, analyzer: character_bigrams", "4, analyzer: bigram") for name, text in FILES.items()
    }
    with pytest.raises(DenseflowError, match=r"negatives/bigrams.yaml: key 'sources\[0\].analyzer': .*'bigram'"):
        Registry({"experiments": ["bigrams"]}, lay_out(tmp_path / "config", files))


def test_the_questions_of_cmrc_2018_score_near_what_another_bm25_over_bigrams_gives(shared, tmp_path):
    file = {"path": str(shared / "data/cmrc2018/cmrc2018_trial.json.gz")}
    source = {"type": "squad", "files": {"trial": file}, "splits": {"test": [{"file": "trial"}]}, "titles": False}
    dataset = tmp_path / "dataset"
    export({**source, "seed": 0}, dataset)
    build_index(dataset / "corpus.jsonl", dataset / "manifest.json", tmp_path / "index", analyzer="character_bigrams")
    scores = evaluate(
        read_qrels(dataset / "qrels.test.tsv"),
        rank(dataset, tmp_path / "index", tmp_path / "run.trec", depth=10),
        ["nDCG@10"],
    )
    assert sum(score.value for score in scores) / len(scores) == pytest.approx(0.9847, abs=0.002)
