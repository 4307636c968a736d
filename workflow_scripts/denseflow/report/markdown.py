"""table.md and gains.md, for people."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from denseflow.report import words
from denseflow.report.rows import WORSE, Row

if TYPE_CHECKING:  # it reads scores with pandas, which a table of text has no need of
    from denseflow.report.gains import Gain, Passage

_SPECIAL = re.compile(r"([\\`*_{}\[\]|#~$])")


def escape(text: str) -> str:
    """Text that Markdown shows as it stands, on one line, also inside a table."""
    line = " ".join(text.split())
    return _SPECIAL.sub(r"\\\1", line).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def table_page(title: str, rows: Sequence[Row], options: dict[str, Any], warnings: Sequence[str]) -> str:
    """The text of table.md."""
    parts = [f"# {escape(title)}\n"]
    verdicts = [_emphasised(verdict, sentence) for verdict, sentence in words.sentences(rows)]
    if verdicts:
        parts.append("".join(f"- {line}\n" for line in verdicts))
    for place, of_place in words.by_place(rows).items():
        parts.append(f"## {escape(words.heading(place, of_place))}\n")
        parts.append(means_table(of_place))
        if any(row.compared for row in of_place):
            parts.append(f"What changed from {escape(words.before_name(rows))}:\n")
            parts.append(differences_table(of_place))
    parts.append("## How to read it\n")
    parts.append("".join(f"- {escape(line)}\n" for line in words.caption(rows, options, warnings)))
    return "\n".join(parts)


def gains_page(title: str, gains: "Sequence[Gain]") -> str:
    """The text of gains.md."""
    parts = [f"# {escape(title)}: the queries that gained and lost most\n", f"{words.GAINS_CAPTION}\n"]
    for heading, group in gain_groups(gains).items():
        parts.append(f"## {escape(heading)}\n")
        lines = [
            (
                f"{escape(gain.text)} ({escape(gain.query_id)})",
                words.score(gain.before),
                words.score(gain.after),
                words.signed(gain.difference),
                f"{gain.relevant_before} → {gain.relevant_after}",
                _passages(gain.top_before),
                _passages(gain.top_after),
            )
            for gain in group
        ]
        header = ("query", "before", "after", "difference", "relevant in the first 10", "first, before", "first, after")
        parts.append(markdown_table(header, "lrrrrll", lines))
    if not gains:
        parts.append("No query changed, or no trained system was compared.\n")
    return "\n".join(parts)


def gain_groups(gains: "Sequence[Gain]") -> "dict[str, list[Gain]]":
    """The gains of each system, split and direction, under a heading."""
    groups: dict[str, list[Gain]] = {}
    for gain in gains:
        heading = f"{gain.system} on {gain.dataset} {gain.split}: {gain.direction} most on {gain.measure}"
        groups.setdefault(heading, []).append(gain)
    return groups


def _emphasised(verdict: str, sentence: str) -> str:
    if verdict != WORSE:
        return escape(sentence)
    return escape(sentence).replace(WORSE, f"**{WORSE}**", 1)


def means_table(rows: Sequence[Row]) -> str:
    """The means of one dataset's split: a row a system, a column a measure."""
    measures, systems = words.grid(rows)
    lines = [
        [escape(system), *(_mean(of[measure]) if measure in of else "" for measure in measures)]
        for system, of in systems.items()
    ]
    return markdown_table(["system", *map(escape, measures)], "l" + "r" * len(measures), lines)


def _mean(row: Row) -> str:
    return f"{words.mean(row)} {words.interval(row.low, row.high)}".rstrip()


def differences_table(rows: Sequence[Row]) -> str:
    """What each compared system has over the one before."""
    header = (
        *("system", "measure", "difference", "p (Holm)", "t p (Holm)", "effect", "detectable"),
        *("wins / ties / losses", "verdict"),
    )
    lines = [
        (
            escape(row.system),
            escape(row.measure),
            f"{words.signed(row.difference)} {words.interval(row.diff_low, row.diff_high, words.signed)}".rstrip(),
            escape(words.p_value(row.p_holm).removeprefix("= ")),
            escape(words.p_value(row.t_p_holm).removeprefix("= ")),
            words.effect(row.effect),
            words.score(row.detectable),
            f"{row.wins} / {row.ties} / {row.losses}",
            f"**{row.verdict}**" if row.verdict == WORSE else row.verdict,
        )
        for row in rows
        if row.compared
    ]
    return markdown_table(header, "llrrrrrrl", lines)


def short_differences_table(rows: Sequence[Row]) -> str:
    """The same without what is counted query by query."""
    lines = [
        (
            escape(row.system),
            escape(row.measure),
            f"{words.signed(row.difference)} {words.interval(row.diff_low, row.diff_high, words.signed)}".rstrip(),
            escape(words.p_value(row.p_holm).removeprefix("= ")),
            f"**{row.verdict}**" if row.verdict == WORSE else row.verdict,
        )
        for row in rows
        if row.compared
    ]
    return markdown_table(("system", "measure", "difference", "p (Holm)", "verdict"), "llrrl", lines)


def _passages(passages: "Sequence[Passage]") -> str:
    return "<br>".join(f"{'✓ ' if passage.relevant else ''}{escape(passage.title)}" for passage in passages)


def markdown_table(header: Sequence[str], alignment: str, lines: Sequence[Sequence[str]]) -> str:
    """A table of cells that are Markdown already; ``alignment`` has an l or an r a column."""
    rule = ["---:" if side == "r" else ":---" for side in alignment]
    return "".join(f"| {' | '.join(line)} |\n" for line in [header, rule, *lines])
