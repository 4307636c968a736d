"""A large collection through the whole workflow: how long each step takes, and how much memory and disk.

    python benchmarks/large.py CORPORA WORK [--passages 1000000] [--cores 2] [--out benchmarks/results/large.json]

Makes the synthetic collection of large_collection.py and a random encoder of one layer and 64 dimensions in the folder
WORK, and has Snakemake run dataset, BM25, negatives, encoding, exact and approximate search, evaluation and report
there, on the CPU. What is in WORK already is used again, so that for figures it must be new.

Memory is the sum over all processes at work at one time, sampled every quarter of a second: `peak_mb` is what is
resident, with the files that are mapped (vectors, Lucene's index) as far as they are in memory; `own_mb` is without
these, which the system drops when memory is short.
"""

import argparse
import csv
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import psutil
import yaml
from large_collection import write_collection

PROJECT = Path(__file__).resolve().parents[1]
SPLITS = {"train": 2000, "dev": 500, "test": 1000}
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WIDTH, TOKENS, VOCABULARY = 64, 48, 20_000
SCRIPT = re.compile(r"/scripts/(\S+)\.py")
"""Snakemake runs a copy of a rule's script, such as .snakemake/scripts/tmp1a2b3c.search.py, one for each job."""
PAUSE = 0.25
"""Seconds between two looks at the processes."""
INDEXES = "results/experiments/large/indexes.tsv"
TARGETS = ("results/experiments/large/table.tsv", INDEXES, "results/negatives/synthetic.train/bm25/manifest.json")


def main() -> None:
    """Make what is needed, run, and write what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--out", type=Path, help="a JSON file; standard output if left out")
    options = parser.parse_args()
    collection = options.work / "collection"
    if not collection.is_dir():
        write_collection(options.corpora, collection, options.passages, SPLITS, seed=0)
    if not (options.work / "encoder").is_dir():
        make_encoder(options.work / "encoder", collection / "corpus.jsonl")
    write_configuration(options.work / "config", options.passages)
    measured = {"passages": options.passages, "cores": options.cores, **run(options.work, options.cores)}
    text = json.dumps(measured, indent=2) + "\n"
    if options.out is None:
        print(text, end="")
    else:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text, encoding="utf-8")


def write_configuration(folder: Path, passages: int) -> None:
    """Two experiments: the systems to compare, and one that has a model to train, for whom negatives are mined."""
    on = [{"dataset": "synthetic", "split": "test"}]
    approximate = {"type": "ivf_pq", "m": WIDTH // 4, "nprobe": 32, "rescore": 200}
    files: dict[str, dict[str, Any]] = {
        "config": {"experiments": ["large", "mined"]},
        "datasets/synthetic": {
            "source": {"type": "beir", "path": "collection", "splits": list(SPLITS)},
            "documents": passages,
        },
        "negatives/bm25": {"sources": [{"type": "bm25", "count": 8}, {"type": "random", "count": 2}], "min_level": 2},
        "models/random": {
            "pretrained": {"path": "encoder"},
            "contract": {
                **{"pooling": "mean", "normalize": True},
                **{"query_max_length": TOKENS, "passage_max_length": TOKENS},
            },
        },
        "models/trained": {
            "trained": {
                "base": "random",
                "data": {"dataset": "synthetic", "negatives": "bm25"},
                "recipe": {"max_steps": 1},
            }
        },
        "experiments/large": {
            "evaluate_on": on,
            "systems": {
                "bm25": {"bm25": {}},
                "exact": {"model": "random"},
                "ivf_pq": {"model": "random", "index": approximate},
            },
            "before": "exact",
            "depth": 100,
        },
        "experiments/mined": {
            "evaluate_on": on,
            "systems": {"before": {"model": "random"}, "after": {"model": "trained"}},
        },
    }
    for name, value in files.items():
        path = folder / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(value, sort_keys=False), encoding="utf-8")


def make_encoder(folder: Path, corpus: Path) -> None:
    """Write a random BERT of one layer, whose words are the most frequent ones of the collection's beginning."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    counts: Counter[str] = Counter()
    with corpus.open(encoding="utf-8") as file:
        for line in islice(file, 20_000):
            counts.update(json.loads(line)["text"].lower().split())
    characters = sorted({character for word in counts for character in word})
    pieces = [*SPECIAL, *characters, *(f"##{character}" for character in characters)]
    words = [word for word, _ in counts.most_common(VOCABULARY) if word.isalpha() and len(word) > 1]
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys([*pieces, *words])) + "\n", encoding="utf-8")
    tokenizer = BertTokenizerFast(vocab=str(folder / "vocab.txt"), do_lower_case=True, model_max_length=TOKENS)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=2 * WIDTH,
        max_position_embeddings=TOKENS,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)


def run(work: Path, cores: int) -> dict[str, Any]:
    """Run Snakemake and watch its jobs."""
    command = [sys.executable, "-m", "snakemake", *TARGETS, "--snakefile", str(PROJECT / "Snakefile")]
    command += ["--directory", str(work), "--cores", str(cores), "--resources", "gpu=0"]
    steps: dict[str, dict[str, float]] = {}
    total = {"peak_mb": 0.0, "own_mb": 0.0}
    start = time.monotonic()
    with psutil.Popen(command, cwd=work) as snakemake:
        while snakemake.poll() is None:
            now = time.monotonic() - start
            sums = dict.fromkeys(total, 0.0)
            for name, resident, own in _memory(snakemake):
                sums["peak_mb"] += resident
                sums["own_mb"] += own
                if name is not None:
                    step = steps.setdefault(name, {"start": now, "seconds": 0.0, "peak_mb": 0.0, "own_mb": 0.0})
                    step["seconds"] = now - step["start"]
                    step["peak_mb"] = max(step["peak_mb"], resident)
                    step["own_mb"] = max(step["own_mb"], own)
            total = {key: max(value, sums[key]) for key, value in total.items()}
            time.sleep(PAUSE)
    if snakemake.returncode != 0:
        sys.exit(f"{Path(__file__).name}: Snakemake ended with {snakemake.returncode}; see above")
    seconds = time.monotonic() - start
    return {
        "seconds": round(seconds, 1),
        **{key: round(value) for key, value in total.items()},
        "steps": [
            {"script": name.partition(".")[2], **{key: round(value, 1) for key, value in step.items()}}
            for name, step in steps.items()
        ],
        "disk_mb": {
            folder.name: round(sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6, 1)
            for folder in sorted((work / "results").iterdir())
            if folder.is_dir()
        },
        "means": _rows(work / "results/evaluate/large/means.tsv"),
        "indexes": _rows(work / INDEXES),
    }


def _rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def _memory(snakemake: psutil.Process) -> Iterator[tuple[str | None, float, float]]:
    """(script, resident MB, own MB) of Snakemake itself and of each of its jobs with all their processes."""
    yield None, *_of([snakemake])
    for child in _alive(snakemake.children):
        family = [child, *_alive(lambda child=child: child.children(recursive=True))]
        words = " ".join(word for process in family for word in _alive(process.cmdline))
        yield next(iter(SCRIPT.findall(words)), None), *_of(family)


def _of(processes: list[psutil.Process]) -> tuple[float, float]:
    found = [memory for process in processes for memory in _alive(lambda process=process: [process.memory_info()])]
    return sum(memory.rss for memory in found) / 1e6, sum(memory.rss - memory.shared for memory in found) / 1e6


def _alive(ask: Any) -> list[Any]:
    """What ``ask`` gives; nothing if the process ended meanwhile."""
    try:
        return list(ask())
    except psutil.Error:
        return []


if __name__ == "__main__":
    main()
