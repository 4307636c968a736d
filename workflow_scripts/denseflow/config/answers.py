"""Measures that look for answers, on splits that have none: refused before a job starts, as far as that is known."""

from collections.abc import Mapping
from pathlib import Path

from denseflow.collection import read_answers
from denseflow.config.dataset import Dataset
from denseflow.config.experiment import Experiment
from denseflow.config.sources.beir import BeirSource
from denseflow.config.sources.columns import answered
from denseflow.config.sources.flag_embedding import FlagEmbeddingSource
from denseflow.config.sources.hugging_face import HuggingFaceSource
from denseflow.config.sources.ir_datasets import IrDatasetsSource
from denseflow.config.sources.lines import LinesSource
from denseflow.config.sources.package_docs import PackageDocsSource
from denseflow.config.sources.smart import SmartSource
from denseflow.config.sources.tables import TablesSource
from denseflow.errors import DenseflowError
from denseflow.evaluate.names import looks_for_answers


def check_answers(experiment: Experiment, datasets: Mapping[str, Dataset], file: Path) -> None:
    """Refuse a measure such as Answer@20 where a dataset's queries have no answers.

    What is not on this machine yet is checked when it is scored.

    Raises:
        DenseflowError: With ``file``, the experiment's, the key and the measure.
    """
    needing = [measure for measure in experiment.measures if looks_for_answers(measure)]
    if not needing:
        return
    for on in experiment.evaluate_on:
        if not may_have_answers(datasets[on.dataset], on.split):
            raise DenseflowError(
                f"{file}: key 'measures': {needing[0]!r} looks for answers, but the queries of {on.dataset} have none; "
                "leave the measure out (Success@k looks for the gold passage instead), or give each query of the "
                "collection's queries.jsonl a list `answers` (tables, lines, Hugging Face datasets: name the column)"
            )


def may_have_answers(dataset: Dataset, split: str) -> bool:
    """Whether a split's queries have answers; True also where that is not known yet."""
    source = dataset.source
    if isinstance(source, PackageDocsSource | SmartSource | FlagEmbeddingSource):
        return False
    if isinstance(source, TablesSource | HuggingFaceSource | LinesSource):
        return answered(source, split)
    if isinstance(source, IrDatasetsSource):
        from denseflow.dataset.ir_datasets import has_answers

        return has_answers(source.splits[split])
    if isinstance(source, BeirSource) and source.path is not None:
        files = [Path(source.path) / name for name in ("queries.jsonl", "queries.jsonl.gz")]
        return all(bool(read_answers(file)) for file in files if file.is_file())
    return True
