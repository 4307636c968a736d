"""Results of a small made-up experiment: all that its page shows, and texts that would break a careless one."""

import json
from pathlib import Path
from typing import Any

from denseflow.evaluate.measures import evaluate_experiment
from denseflow.files import sha256
from denseflow.manifest import write_manifest
from denseflow.report.near_twins_file import HEADER
from denseflow.report.page.write import Sources
from denseflow.report.table import write_report

QUERIES, DOCUMENTS, DEPTH = 40, 60, 20
NASTY = "</script><script>window.broken = true</script> <b>bold</b> & \"quoted\" 'text' \u2028 한국어 질문"
BENCHMARK = "s\th:m:s\tmax_rss\tmean_load\tcpu_time\n{}\t0\t{}\t0\t{}\n"
SEARCHES = """\
dataset\tsplit\tsystem\tvariant\tsearch\tdimensions\tbytes\tbytes_per_passage\trecall@10\tqueries_per_second\texact_queries_per_second
tiny\ttest\tbefore\tpretrained\texact\t8\t960\t16\t\t\t
tiny\ttest\tafter\tseed1\thnsw\t8\t1960\t32.5\t0.98765\t12345.6\t2345.6
"""
AUDIT = {
    "queries": {"in_split": 50, "written": 48, "skipped": {}},
    "positives": {"written": 60, "a_query": {"min": 1, "median": 1, "max": 4}, "dropped": {}},
    "negatives": {"written": 96, "different_ids": 50, "different_texts": 49},
    "sources": [
        {
            "source": {"type": "bm25", "count": 2},
            "asked": 100,
            "found": 96,
            "queries_with_fewer": 2,
            "queries_with_none": 1,
            "dropped": {"known relevant": 7},
            "ranks": {"min": 1, "median": 9, "max": 20},
            "histogram": {"1-10": 60, "11-20": 36},
        }
    ],
    "suspected_false_negatives": {
        "scores above the best positive": {
            "negatives": 1,
            "queries": 1,
            "examples": [
                {"query_id": "q0", "query": NASTY, "docid": "d7", "passage": NASTY, "source": "0 bm25", "score": 2.0}
            ],
        }
    },
}


class PageResults:
    """A folder of results: BM25, a model before and after training with two seeds, on one split."""

    def __init__(self, folder: Path) -> None:
        self.results = folder / "results"
        self.systems: list[dict[str, Any]] = []
        self.manifests: list[Path] = []
        self._dataset()
        index = self._index()
        base = self._step("train/base/pretrained", "train", {"weights": "w"})
        negatives = self._step(
            "negatives/tiny.train/mined", "negatives", {"audit.json": json.dumps(AUDIT)}, inputs=self._sums("dataset")
        )
        self.run("bm25", "bm25", "bm25/tiny/en_0.9_0.4", 2, {**self._of_corpus(), "counts": {"queries": QUERIES}})
        self.run("before", "pretrained", "search/tiny/base/pretrained", 4, self._encoded("base/pretrained", base))
        for seed in (0, 1):
            curves = "".join(
                f"{step}\t{step / 10}\t{name}\t{value}\n"
                for step in range(1, 401)
                for name, value in (("loss", 3 / step), ("learning_rate", 1e-4), ("dev/RR", step / 500))
            )
            facts = {"counts": {"steps": 400, "epochs": 40.0}, "seed": seed, "device": "cpu"}
            model = self._step(
                f"train/tuned/seed{seed}",
                "train",
                {"curves.tsv": f"step\tepoch\tname\tvalue\n{curves}", "weights": f"w{seed}"},
                inputs={"base": sha256(base), "training_file": sha256(negatives)},
                **facts,
            )
            vectors = self._encoded(f"tuned/seed{seed}", model)
            self.run("after", f"seed{seed}", f"search/tiny/tuned/seed{seed}", [1, 9, 1, 4], vectors)
        self.manifests.insert(0, index)
        self._benchmarks()
        self._report()

    @property
    def sources(self) -> Sources:
        """What the page is made from."""
        return Sources(
            report=self.results / "experiments/demo/manifest.json",
            systems=self.systems,
            datasets={"tiny": self.results / "dataset/tiny/manifest.json"},
            manifests=self.manifests,
            configuration=[self.results.parent / "demo.yaml"],
            results=self.results,
            base=self.results,
            description=f"Before and after {NASTY}",
        )

    def run(self, name: str, variant: str, folder: str, ranks: Any, facts: dict[str, Any]) -> None:
        """A system that puts each query's relevant document at one of these ranks, in turn."""
        run = self.results / folder / f"test.top{DEPTH}.trec"
        ranks = ranks if isinstance(ranks, list) else [ranks]
        lines = []
        for query in range(QUERIES):
            others = [f"d{(query + place) % DOCUMENTS}" for place in range(1, DEPTH)]
            rank = ranks[query % len(ranks)]
            for place, document in enumerate([*others[: rank - 1], f"d{query}", *others[rank - 1 :]], start=1):
                lines.append(f"q{query} Q0 {document} {place} {100 - place} t\n")
        stage = folder.partition("/")[0]
        manifest = self._step(folder, stage, {run.name: "".join(lines)}, name=f"test.top{DEPTH}.manifest.json", **facts)
        self.systems.append(
            {
                "name": name,
                "variant": variant,
                "dataset": "tiny",
                "split": "test",
                "run": str(run),
                "run_manifest": str(manifest),
                "qrels": str(self.results / "dataset/tiny/qrels.test.tsv"),
            }
        )

    def _step(
        self, folder: str, stage: str, files: dict[str, str], *, name: str = "manifest.json", **facts: Any
    ) -> Path:
        place = self.results / folder
        place.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            (place / file).write_text(text, encoding="utf-8")
        write_manifest(place, stage, list(files), name=name, packages=["numpy"], **facts)
        self.manifests.append(place / name)
        return place / name

    def _dataset(self) -> None:
        documents = [{"_id": f"d{i}", "title": f"Title {i}", "text": f"Text of {i}. " * 40} for i in range(DOCUMENTS)]
        documents[0] |= {"title": NASTY, "text": NASTY}
        queries = [{"_id": f"q{i}", "text": NASTY if i == 0 else f"query number {i}"} for i in range(QUERIES)]
        judged = "".join(f"q{i}\td{i}\t{1 + i % 2}\n" for i in range(QUERIES))
        files = {
            "corpus.jsonl": "".join(json.dumps(row) + "\n" for row in documents),
            "queries.test.jsonl": "".join(json.dumps(row) + "\n" for row in queries),
            "qrels.test.tsv": f"query-id\tcorpus-id\tscore\n{judged}",
        }
        self._step("dataset/tiny", "dataset", files)
        (self.results.parent / "demo.yaml").write_text(f"description: {NASTY}\n", encoding="utf-8")

    def _index(self) -> Path:
        manifest = self._step(
            "bm25/tiny/index-en", "bm25", {"segments": "0123456789"}, documents=DOCUMENTS, **self._of_corpus()
        )
        self.manifests.remove(manifest)
        return manifest

    def _of_corpus(self) -> dict[str, Any]:
        corpus = sha256(self.results / "dataset/tiny/corpus.jsonl")
        return {"inputs": {"corpus": corpus, **self._sums("dataset")}, "options": {"analyzer": "en"}}

    def _sums(self, stage: str) -> dict[str, str]:
        return {stage: sha256(self.results / stage / "tiny/manifest.json")}

    def _encoded(self, model: str, manifest: Path) -> dict[str, Any]:
        inputs = {"model": sha256(manifest), **self._sums("dataset")}
        corpus, queries = (
            self._step(
                f"encode/tiny/{model}", "encode", {f"{kind}.npy": model + kind}, name=name, inputs=inputs, **facts
            )
            for kind, name, facts in (
                ("corpus", "corpus.manifest.json", {"storage": "float16", "device": "cuda"}),
                ("queries.test", "queries.test.manifest.json", {"count": QUERIES}),
            )
        )
        return {
            "inputs": {"corpus": sha256(corpus), "queries": sha256(queries)},
            "documents": DOCUMENTS,
            "dimensions": 8,
            "queries": QUERIES,
        }

    def _benchmarks(self) -> None:
        for name, seconds in (
            ("dataset/tiny", 1),
            ("bm25/tiny.index-en", 2),
            (f"bm25/tiny.en_0.9_0.4.test.top{DEPTH}", 4),
            ("train/base.pretrained", 3),
            ("train/tuned.seed0", 100),
            ("train/tuned.seed1", 120),
            ("negatives/tiny.train.mined", 5),
            *((f"encode/tiny.{model}.{kind}", 10) for model in _MODELS for kind in ("corpus", "queries.test")),
            *((f"search/tiny.{model}.test.top{DEPTH}", 6) for model in _MODELS),
            ("report/demo", 7),
        ):
            file = self.results / "benchmarks" / f"{name}.tsv"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(BENCHMARK.format(seconds, 500, seconds))

    def _report(self) -> None:
        evaluate_experiment(self.systems, ["RR", "P@5"], self.results / "evaluate/demo")
        self.manifests.append(self.results / "evaluate/demo/manifest.json")
        folder = self.results / "experiments/demo"
        folder.mkdir(parents=True)
        twins = [f"tiny\ttest\tq{i}\ttrain\tt{i}\t0.9\t1" for i in range(8)]
        (folder / "near_twins.tsv").write_text("\n".join(["\t".join(HEADER), *twins, ""]))
        places = [{"dataset": "tiny", "split": "test"}]
        write_manifest(folder, "report", ["near_twins.tsv"], name="near_twins.manifest.json", places=places)
        write_report(
            self.results / "evaluate/demo/manifest.json",
            {"bootstrap_resamples": 100, "permutations": 200},
            folder,
            datasets={"tiny": self.results / "dataset/tiny/manifest.json"},
            systems=self.systems,
            near_twins=folder / "near_twins.manifest.json",
        )
        (folder / "similarity.tsv").write_bytes((folder / "table.tsv").read_bytes())
        (folder / "indexes.tsv").write_text(SEARCHES)


_MODELS = ("base.pretrained", "tuned.seed0", "tuned.seed1")
