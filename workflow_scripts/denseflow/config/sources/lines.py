"""`type: lines`."""

from typing import Literal, Self

from pydantic import model_validator

from denseflow.config.data_file import DataFile
from denseflow.config.section import Section, SplitName, option, required
from denseflow.config.sources.tables import JudgementTable, QueryTable


class LinesSource(Section):
    """Plain text, a passage a line, to train on, or with queries and judgements that name lines by their number."""

    type: Literal["lines"] = required("`lines`")
    files: list[DataFile] = required("Files in UTF-8; of several, a line's id is like 2-17, of one, 17", min_length=1)
    min_characters: int = option(1, "Lines with fewer characters, white space aside, are left out", ge=1)
    repeated: Literal["leave_out", "keep"] = option("leave_out", "What becomes of lines that came before")
    queries: list[QueryTable] = option([], "Files of queries, of all splits; those without a judgement are left out")
    judgements: dict[SplitName, JudgementTable] = option({}, "Each split's file of judgements")

    @model_validator(mode="after")
    def _queries_and_judgements(self) -> Self:
        if bool(self.queries) != bool(self.judgements):
            raise ValueError("`queries` and `judgements` go together; without both, it is a collection to train on")
        return self

    def split_names(self) -> list[str]:
        return list(self.judgements)
