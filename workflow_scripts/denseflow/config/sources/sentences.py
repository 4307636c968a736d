"""`type: sentences`."""

from typing import Literal

from denseflow.config.section import Name, Section, Text, option, required


class SentencesSource(Section):
    """The sentences of another collection's passages, filtered and shuffled, for training without queries."""

    type: Literal["sentences"] = required("`sentences`")
    of: Name = required("The collection whose passages are cut, a name from config/datasets")
    ends: Text = option(
        "。｡！？!?",
        "The characters that end a sentence outside of brackets, one or several in a row, those of ASCII only before "
        "white space; a line break ends one always. For languages that end theirs with a full stop: `.!?`",
    )
    min_characters: int = option(10, "Leave out sentences of fewer characters", ge=1)
    drop_ascii: bool = option(True, "Leave out sentences of ASCII characters alone; of no use for English")
    wiki40b: bool = option(
        False, "Whether the passages have wiki40b's marks (_START_PARAGRAPH_ and others): then paragraphs alone are cut"
    )
    max_sentences: int | None = option(None, "Only so many of them, drawn with the seed", ge=1)
    seed: int = option(0, "Of the order, and of what is drawn", ge=0)

    def split_names(self) -> list[str]:
        return []
