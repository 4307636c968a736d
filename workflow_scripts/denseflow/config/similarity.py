"""Sets of sentences in config/experiments/NAME.yaml, on which an experiment's models are scored beside retrieval."""

from abc import abstractmethod
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from denseflow.config.data_file import Sha256
from denseflow.config.section import Section, Text, option, required
from denseflow.errors import DenseflowError
from denseflow.table_rows import kind_of

Column = Text | Annotated[int, Field(ge=1)]
"""A column's name, or its number from 1 where there is no header; a key of JSON, ``labels.score`` for a nested one."""


class SentencePairs(Section):
    """What all sets have: a file with a pair of sentences and a value in each row."""

    path: Text | None = option(
        None, "The file (.csv, .tsv, .json or .jsonl, gzipped or not), relative to the working directory"
    )
    url: Text | None = option(
        None, "Where to download it from where there is nothing at `path`; it ends in the kind of file"
    )
    sha256: Sha256 | None = option(
        None, "Its SHA-256, or that of what is packed in a .gz file; required with `url`, checked always"
    )
    first: Column = option(
        "sentence1", "The column of one sentence: its name, or its number from 1 where the file has no header"
    )
    second: Column = option("sentence2", "The column of the other one")
    side: Literal["query", "passage"] = option(
        "query", "Which side of the contract encodes both: its prefix and its length", neutral="query"
    )
    join_words: bool = option(
        False, "Whether spaces are taken out, where words were set apart that the language joins (JSNLI)", neutral=False
    )

    @model_validator(mode="after")
    def _path_or_download(self) -> Self:
        if self.path is None and self.url is None:
            raise ValueError("give either `path` or `url`, or both")
        if self.url is not None and self.sha256 is None:
            raise ValueError("`url` and `sha256` go together: a download is checked against its sum")
        try:
            kind_of(self.path or self.url or "")
        except DenseflowError as error:
            raise ValueError(str(error)) from None
        columns = [self.first, self.second, self.value_column]
        if len({type(column) for column in columns}) > 1:
            raise ValueError(
                f"the columns {columns} are names and numbers; give names, or numbers in a file without header"
            )
        return self

    @property
    @abstractmethod
    def value_column(self) -> str | int:
        """The column of a row's value."""


class Sts(SentencePairs):
    """Semantic textual similarity: Pearson's and Spearman's correlation of the cosine with people's scores."""

    type: Literal["sts"] = required("`sts`")
    score: Column = option("score", "The column of people's scores")

    @property
    def value_column(self) -> str | int:
        return self.score


class Paraphrases(SentencePairs):
    """Paraphrase mining: average precision and best F1 of finding the pairs that mean the same among all sentences."""

    type: Literal["paraphrases"] = required("`paraphrases`")
    label: Column = option("label", "The column that says whether a pair means the same")
    at_least: float | None = option(
        None, "Where the column holds scores: the lowest one of pairs that mean the same, instead of `same`"
    )
    same: list[Text] = option(
        ["1"], "The values of it that say so, such as `[entailment]`; the other rows only add sentences", min_length=1
    )
    top_k: int = option(100, "Neighbours of a sentence that are looked at", ge=1)
    max_pairs: int = option(500_000, "Candidate pairs that are looked at, best first", ge=1)

    @property
    def value_column(self) -> str | int:
        return self.label


SimilaritySet = Annotated[Sts | Paraphrases, Field(discriminator="type")]
