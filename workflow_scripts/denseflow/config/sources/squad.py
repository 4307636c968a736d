"""`type: squad`."""

from collections import Counter
from typing import Literal

from pydantic import model_validator

from denseflow.config.data_file import DataFile
from denseflow.config.section import Name, Section, SplitName, Text, option, required
from denseflow.config.sources.question_limit import check_max_questions


class SquadPart(Section):
    """Articles of a file, whose questions go to a split."""

    file: Name = required("One of `files`")
    articles: int | None = option(
        None, "How many of its articles, drawn with `seed`; without it, all that no other split takes", ge=1
    )
    not_in: list[SplitName] | None = option(
        None, "Splits whose articles, known by their titles, are left out: some data sets were cut by paragraph"
    )


class SquadSource(Section):
    """Questions on passages, in the JSON of SQuAD 1.1 or 2.0: KorQuAD, DRCD, CMRC 2018, JaQuAD, JSQuAD and others.

    The passages of all files are the documents, equal ones once; that of a question is its one relevant document.
    Questions without an answer are left out.
    """

    type: Literal["squad"] = required("`squad`")
    files: dict[Name, DataFile] = required(
        "Each file by a name of one's own; a .zip stands for all .json files in it", min_length=1
    )
    splits: dict[SplitName, list[SquadPart]] = required(
        "Whose questions each split has: whole files, or articles of them, so that no article is in two splits",
        min_length=1,
    )
    seed: int = option(0, "Decides which articles, and which of too many questions, are drawn", ge=0)
    titles: bool = option(True, "Whether documents have the title of their article")
    title_separator: Text | None = option(
        None,
        'What stands between title and text in each passage, such as JSQuAD\'s `" [SEP] "`; cut off with the title',
    )
    max_questions: dict[SplitName, int] | None = option(None, "At most so many questions of a split, drawn with `seed`")

    @model_validator(mode="after")
    def _parts_are_possible(self) -> "SquadSource":
        for split, parts in self.splits.items():
            if not parts:
                raise ValueError(f"`splits.{split}` is empty; name at least one file: `[{{file: NAME}}]`")
            for part in parts:
                if part.file not in self.files:
                    raise ValueError(f"`splits.{split}`: {part.file!r} is none of `files` {sorted(self.files)}")
                for other in part.not_in or ():
                    if other not in self.splits or other == split:
                        raise ValueError(f"`splits.{split}`: `not_in` names {other!r}, expected another of `splits`")
            twice = [file for file, count in Counter(part.file for part in parts).items() if count > 1]
            if twice:
                raise ValueError(f"`splits.{split}` names {twice[0]!r} twice; name each file once")
        whole = Counter(part.file for parts in self.splits.values() for part in parts if part.articles is None)
        for file, count in whole.items():
            if count > 1:
                raise ValueError(
                    f"{count} of `splits` would take all that is left of {file!r}; give all but one the number of "
                    "`articles`"
                )
        check_max_questions(self.max_questions, self.splits)
        return self

    def split_names(self) -> list[str]:
        return list(self.splits)
