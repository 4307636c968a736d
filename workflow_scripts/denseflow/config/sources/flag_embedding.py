"""`type: flag_embedding`."""

from typing import Literal

from pydantic import model_validator

from denseflow.config.data_file import DataFile
from denseflow.config.section import Section, SplitName, option, required
from denseflow.config.sources.question_limit import check_max_questions


class FlagEmbeddingSource(Section):
    """Training data as FlagEmbedding and PaddleNLP take it: a line of JSON a query, with texts as `pos` and `neg`.

    All texts are the documents, equal ones once. Negatives of the type `given` are drawn from a query's `neg`.
    """

    type: Literal["flag_embedding"] = required("`flag_embedding`")
    splits: dict[SplitName, DataFile] = required("The .jsonl file of each split", min_length=1)
    seed: int = option(0, "Decides which of too many questions are drawn", ge=0)
    max_questions: dict[SplitName, int] | None = option(None, "At most so many questions of a split, drawn with `seed`")

    @model_validator(mode="after")
    def _possible_splits(self) -> "FlagEmbeddingSource":
        check_max_questions(self.max_questions, self.splits)
        return self

    def split_names(self) -> list[str]:
        return list(self.splits)
