"""`type: smart`."""

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from denseflow.config.data_file import DataFile
from denseflow.config.section import Section, SplitName, option, required

Letter = Annotated[str, Field(pattern=r"^[A-Z]$")]


class SmartSource(Section):
    """A classic collection in the SMART project's forms: ADI, CACM, CISI, Cranfield, MED, NPL (Vaswani), TIME."""

    type: Literal["smart"] = required("`smart`")
    form: Literal["fields", "slashes", "stars"] = option(
        "fields",
        "`fields`: records of `.I NUMBER` and fields such as `.T`, judgements a pair a line; `slashes`: a number, text "
        "and `/`, judgements too (NPL); `stars`: `*TEXT` and `*FIND`, judgements a query a line (TIME)",
    )
    documents: DataFile = required("The file of documents")
    queries: DataFile = required("The file of queries")
    judgements: DataFile = required("The file of judgements; numbers are compared as such, 01 is 1")
    encoding: str = option("latin-1", "The files' encoding, such as `utf-8`")
    title: Letter | None = option("T", "With `fields`: the documents' field with the title")
    text: list[Letter] = option(["W"], "With `fields`: the documents' fields to join as the text", min_length=1)
    query_text: list[Letter] = option(["W"], "With `fields`: the queries' fields to join", min_length=1)
    title_in_text: bool = option(
        False, "The text repeats the title at its beginning (Cranfield); there it is left out, so that it is read once"
    )
    queries_by_position: bool = option(
        False, "The judgements count the queries from 1 on, whatever numbers these have (Cranfield)"
    )
    missing_positions: list[Annotated[int, Field(ge=1)]] = option(
        [], "With `stars`, whose judgements count the articles: positions that they count and the file lacks (TIME)"
    )
    level_column: int | None = option(
        None, "With `fields`: the judgements' column with a level, from 3 on; without it all are of level 1", ge=3
    )
    levels: dict[int, int] | None = option(
        None, "With `level_column`: the level that each code means, such as `{1: 4, 2: 3}`; other codes are left out"
    )
    splits: dict[SplitName, float] = option(
        {"test": 1.0}, "Each split's share of the judged queries, which are drawn; together 1", min_length=1
    )
    seed: int = option(0, "Decides which queries go into which split", ge=0)

    @model_validator(mode="after")
    def _options_go_with_the_form(self) -> Self:
        fields = {"title": "T", "text": ["W"], "query_text": ["W"], "title_in_text": False, "level_column": None}
        for key, default in fields.items():
            if self.form != "fields" and getattr(self, key) != default:
                raise ValueError(f"`{key}` goes with `form: fields`, but the form is {self.form!r}; leave it out")
        if self.missing_positions and self.form != "stars":
            raise ValueError(f"`missing_positions` goes with `form: stars`, but the form is {self.form!r}")
        if self.levels is not None and self.level_column is None:
            raise ValueError("`levels` needs `level_column`, which says where the codes are")
        if self.title_in_text and self.title is None:
            raise ValueError("`title_in_text` needs `title`, the field whose repetition is to be left out")
        return self

    @model_validator(mode="after")
    def _shares_of_a_whole(self) -> Self:
        if min(self.splits.values()) <= 0 or not math.isclose(sum(self.splits.values()), 1):
            raise ValueError(f"`splits` are {self.splits}: shares must be above 0 and sum to 1")
        return self

    def split_names(self) -> list[str]:
        return list(self.splits)
