"""Search at a million vectors: exact search against numpy and FAISS used by hand, and what indexes find, take and cost.

python benchmarks/search.py [--passages N] [--hnsw-passages N] [--queries N] [--json FILE]

The vectors are made by a seeded generator: clusters of very different sizes, within and between which the dimensions
matter unequally, as in real embeddings; a query lies near a passage. Each measurement is a process of its own, which
tells its memory. By hand means: all vectors in one float32 array in memory before the clock starts (`seconds`; with the
loading: `seconds_with_loading`). The search stage reads its shards from disk and checks their SHA-256 within
`seconds`, and writes the run within `seconds_with_loading`. Ratios, theirs to ours, are taken round by round.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow_scripts"))

import numpy as np
from threadpoolctl import threadpool_limits

from denseflow.manifest import write_manifest
from denseflow.run_file import read_run
from denseflow.search.approximate import search_index
from denseflow.search.flat import search
from denseflow.search.index import build_index
from denseflow.search.vectors import read_vectors

SHARD = 4096
BY_HAND = ("numpy", "faiss")
INDEXES: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "ivf": ({"type": "ivf"}, [{"nprobe": 8}, {"nprobe": 32}, {"nprobe": 128}]),
    "ivf_pq": (
        {"type": "ivf_pq", "m": 48, "bits": 8},
        [{"nprobe": 32}, {"nprobe": 32, "rescore": 200}, {"nprobe": 128, "rescore": 1000}],
    ),
    "sq": ({"type": "sq", "kind": "8bit"}, [{}]),
    "hnsw": ({"type": "hnsw", "m": 32, "ef_construction": 200}, [{"ef_search": 128}, {"ef_search": 256}]),
}


def make_vectors(folder: Path, passages: int, queries: int, dimensions: int) -> None:
    """Write queries and passages as the encode stage does."""
    clusters = max(16, passages // 250)
    scale = (np.arange(1, dimensions + 1) ** -0.4).astype(np.float32)
    centres = np.random.default_rng(0).standard_normal((clusters, dimensions), dtype=np.float32) * scale
    weights = 1 / np.arange(1, clusters + 1) ** 0.7

    def rows(count: int, seed: int) -> np.ndarray:
        generator = np.random.default_rng([1, seed])
        of = generator.choice(clusters, count, p=weights / weights.sum())
        noise = generator.standard_normal((count, dimensions), dtype=np.float32) * scale
        return _unit(centres[of] + 0.8 * noise)

    def write(name: str, parts: list[np.ndarray], files: list[str]) -> None:
        for file, part in zip(files, parts, strict=True):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            np.save(folder / file, part)
        finish(name, files, [len(part) for part in parts])

    def finish(name: str, files: list[str], counts: list[int]) -> None:
        (folder / f"{name}.ids").write_text("".join(f"{name[0]}{row}\n" for row in range(sum(counts))))
        shards = [{"file": file, "rows": count} for file, count in zip(files, counts, strict=True)]
        facts = {"shards": shards, "dimensions": dimensions, "similarity": "dot", "contract": {"normalize": True}}
        write_manifest(folder, "encode", [*files, f"{name}.ids"], name=f"{name}.manifest.json", **facts)

    files, counts = [], []
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    for start in range(0, passages, SHARD):
        files.append(f"corpus/{start // SHARD:05}.npy")
        counts.append(min(SHARD, passages - start))
        np.save(folder / files[-1], rows(counts[-1], start))
    finish("corpus", files, counts)
    generator = np.random.default_rng(2)
    near = read_vectors(folder / "corpus.manifest.json").take(np.sort(generator.choice(passages, queries)))
    noise = generator.standard_normal(near.shape, dtype=np.float32) * scale
    write("queries.test", [_unit(near + 0.6 * noise / np.linalg.norm(scale))], ["queries.test.npy"])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def by_hand(name: str, folder: Path, depth: int, threads: int) -> dict[str, Any]:
    """Load everything, then search, with numpy's or FAISS's BLAS."""
    started = time.perf_counter()
    queries = read_vectors(folder / "queries.test.manifest.json").whole()
    facts = json.loads((folder / "corpus.manifest.json").read_text())
    shards = [np.load(folder / shard["file"], mmap_mode="r") for shard in facts["shards"]]
    find = {"numpy": _numpy, "faiss": _faiss}[name](shards, queries, depth, threads)
    loaded = time.perf_counter()
    rows = find()
    searched = time.perf_counter()
    np.save(folder / f"{name}.found.npy", rows)
    return {"seconds": searched - loaded, "seconds_with_loading": searched - started}


def _numpy(shards: list[np.ndarray], queries: np.ndarray, depth: int, threads: int) -> Callable[[], np.ndarray]:
    corpus = np.empty((sum(map(len, shards)), queries.shape[1]), np.float32)
    np.concatenate(shards, out=corpus)

    def find() -> np.ndarray:
        best = np.empty((len(queries), 0), np.float32)
        rows = np.empty((len(queries), 0), np.int64)
        with threadpool_limits(threads, user_api="blas"):
            for start in range(0, len(corpus), 2**16):
                scores = queries @ corpus[start : start + 2**16].T
                kept = np.argpartition(scores, -min(depth, scores.shape[1]), axis=1)[:, -depth:]
                best = np.hstack([best, np.take_along_axis(scores, kept, 1)])
                rows = np.hstack([rows, kept + start])
                kept = np.argpartition(best, -min(depth, best.shape[1]), axis=1)[:, -depth:]
                best, rows = np.take_along_axis(best, kept, 1), np.take_along_axis(rows, kept, 1)
        return np.take_along_axis(rows, np.argsort(-best, axis=1), 1)

    return find


def _faiss(shards: list[np.ndarray], queries: np.ndarray, depth: int, threads: int) -> Callable[[], np.ndarray]:
    import faiss

    faiss.omp_set_num_threads(threads)
    index = faiss.IndexFlatIP(queries.shape[1])
    for shard in shards:
        index.add(np.ascontiguousarray(shard))
    return lambda: index.search(queries, depth)[1]


def ours(folder: Path, depth: int, threads: int) -> dict[str, Any]:
    """The search stage, from files to the run."""
    run = folder / f"test.top{depth}.trec"
    started = time.perf_counter()
    search(folder / "queries.test.manifest.json", folder / "corpus.manifest.json", run, depth=depth, threads=threads)
    whole = time.perf_counter() - started
    speed = json.loads(run.with_suffix(".speed.json").read_text())
    return {"seconds": speed["seconds"], "seconds_with_loading": whole}


def one_index(kind: str, folder: Path, depth: int, threads: int) -> dict[str, Any]:
    """Build an index and search it with some options."""
    built, options = INDEXES[kind]
    queries, corpus = folder / "queries.test.manifest.json", folder / "corpus.manifest.json"
    exact = folder / f"test.top{depth}.manifest.json"
    started = time.perf_counter()
    build_index(corpus, folder / kind, built, threads)
    build = time.perf_counter() - started
    searches = []
    for some in options:
        run = folder / kind / f"test.top{depth}.trec"
        facts = search_index(
            *(queries, corpus, folder / kind / "manifest.json", exact, run),
            depth=depth,
            options=some,
            threads=threads,
        )
        speed = json.loads(run.with_suffix(".speed.json").read_text())
        searches.append({**some, "recall": facts["recall"], "queries_per_second": speed["queries_per_second"]})
    return {
        "passages": facts["documents"],
        "built_with": built,
        "build_seconds": round(build, 2),
        "bytes": facts["index_bytes"],
        "exact_queries_per_second": speed["exact_queries_per_second"],
        "searches": searches,
    }


def measured(name: str, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """What one measurement tells, made in a process of its own."""
    command = [sys.executable, __file__, "--only", name, "--work", str(folder)]
    command += ["--depth", str(arguments.depth), "--threads", str(arguments.threads)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def only(name: str, folder: Path, depth: int, threads: int) -> dict[str, Any]:
    """One measurement, in this process, with its memory."""
    if name in BY_HAND:
        facts = by_hand(name, folder, depth, threads)
    elif name == "ours":
        facts = ours(folder, depth, threads)
    else:
        facts = one_index(name, folder, depth, threads)
    return {**facts, "memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}


def compare_exact(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Exact search, three ways in turn."""
    names = ["ours", *BY_HAND]
    rounds: list[dict[str, dict[str, Any]]] = []
    for number in range(arguments.rounds):
        order = names if number % 2 == 0 else names[::-1]
        rounds.append({name: measured(name, folder, arguments) for name in order})
        print(f"round {number + 1}:", {name: round(rounds[-1][name]["seconds"], 2) for name in names}, flush=True)
    found: dict[str, Any] = {"rounds": rounds}
    run = read_run(folder / f"test.top{arguments.depth}.trec")
    ids = [[int(name[1:]) for name in ranking] for ranking in run.values()]
    for name in BY_HAND:
        theirs = np.load(folder / f"{name}.found.npy").tolist()
        found[name] = {
            "same_documents": statistics.mean(len(set(a) & set(b)) / len(a) for a, b in zip(ids, theirs, strict=True)),
            **{
                f"ratio_{key}": _ratio([of[name][key] / of["ours"][key] for of in rounds])
                for key in ("seconds", "seconds_with_loading", "memory_mib")
            },
        }
    return found


def _ratio(values: list[float]) -> dict[str, float]:
    return {name: round(of(values), 3) for name, of in (("median", statistics.median), ("min", min), ("max", max))}


def main() -> None:
    """Make the vectors, measure, and print or write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--hnsw-passages", type=int, default=100_000, help="one thread builds the graph: ~1 ms each")
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--depth", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--indexes", nargs="*", default=list(INDEXES), choices=list(INDEXES))
    parser.add_argument("--work", type=Path, help="where the vectors go; a temporary folder if left out")
    parser.add_argument("--json", type=Path, help="the file to write")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(only(arguments.only, arguments.work, arguments.depth, arguments.threads)))
        return
    with tempfile.TemporaryDirectory(dir=arguments.work) as temporary:
        large, small = Path(temporary) / "large", Path(temporary) / "small"
        make_vectors(large, arguments.passages, arguments.queries, arguments.dimensions)
        told = {name: getattr(arguments, name) for name in ("passages", "queries", "dimensions", "depth", "threads")}
        facts: dict[str, Any] = {**told, "exact": compare_exact(large, arguments), "indexes": {}}
        for kind in arguments.indexes:
            folder = large
            if kind == "hnsw" and arguments.hnsw_passages < arguments.passages:
                folder = small
                make_vectors(small, arguments.hnsw_passages, arguments.queries, arguments.dimensions)
                measured("ours", small, arguments)
            facts["indexes"][kind] = measured(kind, folder, arguments)
            print(kind, json.dumps(facts["indexes"][kind]), flush=True)
    text = json.dumps(facts, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
