"""`type: dpr`."""

from typing import Literal

from pydantic import model_validator

from denseflow.config.data_file import DataFile
from denseflow.config.section import Section, SplitName, option, required
from denseflow.config.sources.question_limit import check_max_questions


class HeldOut(Section):
    """Questions of a split that make one of their own, and are no longer in the other."""

    of: SplitName = required("One of `splits`")
    share: float = required("The share of its questions, drawn with `seed`", gt=0, lt=1)


class DprSource(Section):
    """DPR's JSON (Karpukhin et al., 2020): questions, each with its answers and with positive and negative passages.

    Negatives of the type `given` are drawn from the passages that a question has as negatives.
    """

    type: Literal["dpr"] = required("`dpr`")
    splits: dict[SplitName, DataFile] = required("The file of each split, .json or .jsonl", min_length=1)
    held_out: dict[SplitName, HeldOut] = option(
        {}, "Further splits, each of questions that are taken out of one of `splits`"
    )
    passages: DataFile | None = option(
        None,
        "The documents, as a table of id, text and title such as psgs_w100.tsv.gz; without it, all passages that the "
        "questions have, from all splits",
    )
    ids: Literal["given", "text"] = option(
        "given",
        "Where a passage's id comes from: `passage_id`, `psg_id` or `id`, and its title and text where it has none of "
        "them; or from these always",
    )
    positives: Literal["all", "first"] = option(
        "all", "Which of a question's positive passages are relevant; the first is the one that DPR trains with"
    )
    titles: bool = option(True, "Whether documents have their title")
    seed: int = option(0, "Decides which of too many questions are drawn", ge=0)
    max_questions: dict[SplitName, int] | None = option(None, "At most so many questions of a split, drawn with `seed`")

    @model_validator(mode="after")
    def _options_fit_together(self) -> "DprSource":
        if self.passages is not None and self.ids == "text":
            raise ValueError("`ids` is 'text', but with `passages` a passage is known by its id there; leave `ids` out")
        taken = [held.of for held in self.held_out.values()]
        for split, held in self.held_out.items():
            if split in self.splits or held.of not in self.splits or taken.count(held.of) > 1:
                raise ValueError(
                    f"`held_out.{split}` is of {held.of!r}; expected a new split of one of `splits` "
                    f"({', '.join(self.splits)}), from each of which one may be taken"
                )
        check_max_questions(self.max_questions, self.split_names())
        return self

    def split_names(self) -> list[str]:
        return [*self.splits, *self.held_out]
