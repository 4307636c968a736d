"""A finished experiment on a few Korean passages, without any model: two settings of BM25 whose runs are made up."""

from pathlib import Path

import yaml

from denseflow.collection import QRELS_HEADER
from denseflow.files import sha256, write_jsonl
from denseflow.manifest import write_manifest
from denseflow.run_file import write_run

EXPERIMENT = "lesson"
PASSAGES = {
    "p1": ("임진왜란", "임진왜란은 1592년에 일본이 조선을 침략하여 일어난 전쟁이다."),
    "p2": ("세종", "세종은 조선의 제4대 국왕이다. 1446년에 훈민정음을 반포하였다."),
    "p3": ("한글", "한글은 한국어의 고유 문자이다. <b>창제자</b>는 세종대왕으로 알려져 있다."),
    "p4": ("서울", "서울은 대한민국의 수도이다."),
    "p5": ("", "제목이 없는 글.\x1b[31m"),
}
QUERIES = {"q1": ("훈민정음을 반포한 해는?", ["1446년"]), "q2": ("대한민국의 수도는 어디인가?", ["서울"])}
QRELS = {"q1": {"p2": 1}, "q2": {"p4": 1, "p1": 0}}
RUNS = {
    "before": {"q1": ["p1", "p3", "p4", "p2"], "q2": ["p4", "p1"]},
    "after": {"q1": ["p2", "p1", "p3", "p5"], "q2": ["p1", "p4"]},
}


def make_lesson(folder: Path) -> Path:
    """Write config/ and results/ of the experiment, and return the folder."""
    (folder / "source").mkdir(parents=True)
    systems = {"before": {"bm25": {}}, "after": {"bm25": {"k1": 1.2}}}
    files = {
        "config": {"experiments": ["quickstart"]},
        "datasets/korean": {"source": {"type": "beir", "path": "source", "splits": ["test"]}, "language": "ko"},
        f"experiments/{EXPERIMENT}": {
            **{"evaluate_on": [{"dataset": "korean", "split": "test"}], "systems": systems, "depth": 10},
        },
    }
    for name, value in files.items():
        path = folder / "config" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(value, sort_keys=False), encoding="utf-8")
    dataset = folder / "results/dataset/korean"
    dataset.mkdir(parents=True)
    write_jsonl(
        dataset / "corpus.jsonl",
        ({"_id": id_, "title": title, "text": text} for id_, (title, text) in PASSAGES.items()),
    )
    queries = ({"_id": id_, "text": text, "answers": answers} for id_, (text, answers) in QUERIES.items())
    write_jsonl(dataset / "queries.test.jsonl", queries)
    lines = [f"{query}\t{document}\t{level}" for query, levels in QRELS.items() for document, level in levels.items()]
    (dataset / "qrels.test.tsv").write_text("\n".join([QRELS_HEADER, *lines]) + "\n")
    write_manifest(dataset, "dataset", ["corpus.jsonl", "qrels.test.tsv", "queries.test.jsonl"])
    for system, k1 in (("before", 0.9), ("after", 1.2)):
        run = folder / f"results/bm25/korean/ko_{k1}_0.4/test.top10.trec"
        rankings = (
            (query, found, [float(10 - rank) for rank in range(len(found))]) for query, found in RUNS[system].items()
        )
        write_run(run, rankings, "bm25")
        write_manifest(
            run.parent,
            "bm25",
            [run.name],
            name="test.top10.manifest.json",
            options={"k1": k1},
            inputs={"dataset": sha256(dataset / "manifest.json")},
        )
    return folder
