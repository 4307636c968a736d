"""config/datasets/NAME.yaml: where a collection comes from."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from denseflow.config.data_file import Sha256
from denseflow.config.section import Name, Section, SplitName, Text, option, required


class IrDatasetsSource(Section):
    """Any collection of the ir_datasets catalogue."""

    type: Literal["ir_datasets"] = required("`ir_datasets`")
    splits: dict[SplitName, Text] = required(
        "The id of each split, such as `test: beir/nfcorpus/test`; all must share one set of documents", min_length=1
    )

    def split_names(self) -> list[str]:
        return list(self.splits)


class BeirSource(Section):
    """A folder, archive or download in BEIR's layout: corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv, gzipped or not."""

    type: Literal["beir"] = required("`beir`")
    path: Text | None = option(None, "The folder, .zip or .tar.gz, relative to the working directory")
    url: Text | None = option(None, "Where to download an archive from, instead of `path`")
    sha256: Sha256 | None = option(None, "The download's SHA-256, required with `url`")
    splits: list[SplitName] = required("The splits to take, such as `[train, dev, test]`", min_length=1)

    @model_validator(mode="after")
    def _path_or_download(self) -> "BeirSource":
        if (self.path is None) == (self.url is None):
            raise ValueError("give either `path` or `url`, not both and not neither")
        if (self.url is None) != (self.sha256 is None):
            raise ValueError("`url` and `sha256` go together: a download is checked against its sum")
        return self

    def split_names(self) -> list[str]:
        return list(self.splits)


class PackageDocsSource(Section):
    """The API documentation of installed Python packages; the queries are their numpydoc "See Also" descriptions."""

    type: Literal["package_docs"] = required("`package_docs`")
    packages: dict[Text, Text] = required(
        "The packages and their versions, such as `numpy: 2.4.6`; another version installed is an error", min_length=1
    )
    seed: int = option(0, "Decides which queries go into which split", ge=0)
    dev_share: float = option(0.15, "The share of the queries that goes to dev", gt=0, lt=1)
    test_share: float = option(0.35, "The share of the queries that goes to test", gt=0, lt=1)
    drop_verbatim: bool = option(True, "Leave out queries that stand word for word in their target")

    @model_validator(mode="after")
    def _something_left_to_train(self) -> "PackageDocsSource":
        if self.dev_share + self.test_share >= 1:
            raise ValueError("`dev_share` and `test_share` together must be below 1, or nothing is left for train")
        return self

    def split_names(self) -> list[str]:
        return ["train", "dev", "test"]


Source = Annotated[IrDatasetsSource | BeirSource | PackageDocsSource, Field(discriminator="type")]


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
    language: Name = option("en", "The documents' language as an ISO 639-1 code; chooses BM25's analyser")
    documents: int | None = option(
        None, "About how many documents it has, for the plan of a run that is not made yet", ge=1
    )
    run: DatasetRun = option(DatasetRun(), "Where and with how much it is worked on; changing this reruns nothing")
