"""The numbers in docs/data.md are those of the code."""

import re
from pathlib import Path

from denseflow.negatives.false_negatives import NEAR_DUPLICATE
from denseflow.report.data import cautions, passages, splits, tokens
from denseflow.report.near_twins import SHARED_WORDS

PAGE = " ".join((Path(__file__).resolve().parents[2] / "docs" / "data.md").read_text(encoding="utf-8").split())


def test_the_page_has_the_limits_from_which_on_something_is_said():
    for sentence in (
        f"{cautions.MOST_TWINS:.0%} or more: nearly the same words",
        f"with other passages | more than {cautions.MOST_SHARED_ARTICLES:.0%}",
        f"of passages, more than {cautions.MOST_OTHER_LANGUAGE:.0%}",
        f"more than {cautions.MOST_TOKENS_LOST:.0%} of their tokens",
        f"more than {cautions.MOST_QUERIES_CUT:.0%} of a split's",
        f"more than {cautions.MOST_NEAR_DUPLICATES:.0%}, equal ones aside",
        f"fewer than {cautions.FEW_QUERIES} are judged",
        f"fewer than {cautions.SPARSE:g} on average",
    ):
        assert sentence in PAGE
    assert cautions.MOST_KNOWN == 0.5


def test_the_page_says_how_much_is_looked_at():
    assert passages.NEAR_LOOKED_AT == splits.NEAR_LOOKED_AT
    for sentence in (
        f"{passages.NEAR_LOOKED_AT:,} passages, and queries of a split",
        f"{tokens.LOOKED_AT:,} of a kind are tokenised",
        f"of {passages.LANGUAGE_LOOKED_AT:,} the language is told",
        f"at most {splits.MOST_PAIRS // 10**6} million pairs",
        f"at least {NEAR_DUPLICATE:g} for passages",
        f"and {SHARED_WORDS:g} for queries",
    ):
        assert sentence in PAGE


def test_the_page_s_experiment_exists():
    (name,) = re.findall(r"experiments=\[(.*?)\]", PAGE)
    assert (Path(__file__).resolve().parents[2] / "config" / "experiments" / f"{name}.yaml").is_file()
