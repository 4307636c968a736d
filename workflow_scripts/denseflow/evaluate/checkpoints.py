"""All models that a training kept along the way, scored one after the other."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from denseflow.device import choose_device, make_deterministic, set_threads
from denseflow.encoder import load_encoder
from denseflow.errors import DenseflowError
from denseflow.evaluate.retrieval import Retrieval
from denseflow.files import sha256, write_text
from denseflow.manifest import read_manifest, write_manifest
from denseflow.progress import progress

LOG = logging.getLogger("denseflow")

PACKAGES = ("faiss-cpu", "ir-measures", "numpy", "pytrec-eval-terrier", "sentence-transformers", "torch")


def score_checkpoints(
    model_manifest: Path,
    dataset_manifest: Path,
    table: Path,
    *,
    split: str,
    measures: Sequence[str],
    depth: int,
    passages: int | None = None,
    granted_gpus: int,
    threads: int,
) -> dict[str, Any]:
    """Write ``table``, a line a model: ``step``, ``model`` (its folder) and each measure; and its manifest, last.

    The models come by their steps, 500 before 1000, and the training's result after them. Each is read from its own
    folder, contract included, searches the passages of the collection, and is scored as by the stages encode, search
    and evaluate.

    Args:
        model_manifest: Of the train stage, whose recipe has keep_models.
        dataset_manifest: Of the dataset stage.
        table: The tab-separated file to write.
        split: Whose queries are searched.
        measures: Names as ir_measures writes them.
        depth: Documents a query.
        passages: How many are searched beside those that are judged; None: all.
        granted_gpus: 0 computes on the CPU.
        threads: CPU threads.

    Raises:
        DenseflowError: An input is missing or altered, no model was kept, or a vector is not finite.
    """
    facts = read_manifest(model_manifest)
    models = _models(facts, model_manifest)
    retrieval = Retrieval(dataset_manifest, split, depth=depth, passages=passages)
    device = choose_device(granted_gpus)
    set_threads(threads)
    make_deterministic()
    rows: list[list[str]] = []
    with progress("passages encoded", len(models) * len(retrieval.passages)) as advance:
        for step, folder in models:
            model = load_encoder(model_manifest.parent / folder, device=device)
            scores = retrieval.score(model, measures, threads=threads, advance=advance)
            said = ", ".join(f"{measure} {value:.4f}" for measure, value in scores.items())
            LOG.info("step %d, %s: %s", step, folder, said)
            rows.append([str(step), folder, *(f"{value:.6f}" for value in scores.values())])
    header = ["step", "model", *scores]
    write_text(table, "".join("\t".join(row) + "\n" for row in [header, *rows]))
    return write_manifest(
        table.parent,
        "evaluate",
        [table.name],
        packages=PACKAGES,
        name=f"{table.stem}.manifest.json",
        options={"split": split, "measures": list(scores), "depth": depth},
        queries=len(retrieval.qrels),
        passages=len(retrieval.passages),
        inputs={"model": sha256(model_manifest), "dataset": sha256(dataset_manifest)},
    )


def _models(facts: dict[str, Any], manifest: Path) -> list[tuple[int, str]]:
    """Steps and folders, in the steps' numeric order; the last one is the training's result."""
    kept = sorted(facts.get("kept_models", []))
    if not kept:
        raise DenseflowError(
            f"{manifest}: this training kept no models along the way; set `trained.recipe.keep_models` in the model's "
            "file, such as {every_epochs: 1}, with an interval that is shorter than the training"
        )
    result = (facts.get("evaluation") or {}).get("model_of_step", facts["counts"]["steps"])
    return [*((step, f"kept/step-{step}/model") for step in kept), (result, "model")]
