"""config/datasets/NAME.yaml: where a collection comes from."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from denseflow.config.data_file import data_files
from denseflow.config.section import Name, Section, option, required
from denseflow.config.sources.beir import BeirSource
from denseflow.config.sources.dpr import DprSource
from denseflow.config.sources.flag_embedding import FlagEmbeddingSource
from denseflow.config.sources.hugging_face import HuggingFaceSource
from denseflow.config.sources.ir_datasets import IrDatasetsSource
from denseflow.config.sources.lines import LinesSource
from denseflow.config.sources.package_docs import PackageDocsSource
from denseflow.config.sources.sentences import SentencesSource
from denseflow.config.sources.smart import SmartSource
from denseflow.config.sources.squad import SquadSource
from denseflow.config.sources.tables import TablesSource

Source = Annotated[
    IrDatasetsSource
    | BeirSource
    | PackageDocsSource
    | SquadSource
    | DprSource
    | FlagEmbeddingSource
    | SmartSource
    | TablesSource
    | LinesSource
    | HuggingFaceSource
    | SentencesSource,
    Field(discriminator="type"),
]


class DatasetRun(Section):
    """Where and with how much the stages run that read a whole collection. Changing these reruns nothing."""

    encode_jobs: int = option(
        1, "Jobs that share the encoding of the passages, each with a GPU where there is one", ge=1
    )
    search_gpus: int = option(0, "GPUs on which FAISS searches the passages; 0: the CPU", ge=0)
    mem_mb: int | None = option(None, "Memory of the dataset, BM25, negatives and search stages' jobs, in MB", ge=1)
    runtime: int | None = option(None, "Time limit of these stages' jobs, in minutes", ge=1)


class Dataset(Section):
    """A collection: where it comes from, its splits and its language."""

    description: str = option("", "A line for people")
    source: Source = required("Where the collection comes from, by `type`")
    mirror: Source | None = option(
        None,
        "The same collection elsewhere, with keys as `source`; read instead where all its files are on this machine",
    )
    language: Name = option("en", "The documents' language as an ISO 639-1 code; chooses BM25's analyser")
    documents: int | None = option(
        None, "About how many documents it has, for the plan of a run that is not made yet", ge=1
    )
    run: DatasetRun = option(DatasetRun(), "Where and with how much it is worked on; changing this reruns nothing")

    @model_validator(mode="after")
    def _same_splits(self) -> "Dataset":
        if self.mirror is not None and set(self.mirror.split_names()) != set(self.source.split_names()):
            raise ValueError(
                f"`mirror` has the splits {sorted(self.mirror.split_names())}, but `source` has "
                f"{sorted(self.source.split_names())}; the same collection has the same ones"
            )
        return self

    def at_hand(self) -> "Dataset":
        """This dataset as it is read on this machine: from its mirror, where that is there."""
        places = [] if self.mirror is None else _places(self.mirror)
        if not places or not all(path.exists() for path in places):
            return self
        return self.model_copy(update={"source": self.mirror, "mirror": None})


def _places(source: Source) -> list[Path]:
    """Where a source's files are, as far as they are on a machine at all."""
    places = [Path(file.path) for _, file in data_files(source, "mirror") if file.path is not None]
    if isinstance(source, BeirSource | HuggingFaceSource) and source.path is not None:
        places.append(Path(source.path))
    return places
