"""The audit as a short text for the log: what to look at before a training is started."""

from collections.abc import Iterator
from typing import Any

_EXAMPLES = 3


def audit_text(audit: dict[str, Any]) -> str:
    """A few lines of what audit.json holds."""
    return "\n".join(_lines(audit))


def source_name(place: int, options: dict[str, Any]) -> str:
    """A source's name in the audit: its place in the negatives file, its type and, if dense, its model."""
    return " ".join(str(part) for part in (place, options["type"], options.get("model")) if part is not None)


def _lines(audit: dict[str, Any]) -> Iterator[str]:
    queries, positives = audit["queries"], audit["positives"]
    yield (
        f"training file: {queries['written']} of {queries['in_split']} queries, {positives['written']} positives"
        f"{_counts('; queries left out: ', queries['skipped'])}{_counts('; positives: ', positives['dropped'])}"
    )
    sources = audit["sources"]
    names = [source_name(place, source["source"]) for place, source in enumerate(sources)]
    if sources:
        width = max(len(name) for name in ("source", *names))
        yield f"{'source':{width}} {'asked':>9} {'found':>9} {'too few':>8}  {'ranks':>15}  left out"
        for name, source in zip(names, sources, strict=True):
            ranks = source.get("ranks", {})
            shown = f"{ranks['min']}/{ranks['median']}/{ranks['max']}" if ranks else "-"
            yield (
                f"{name:{width}} {source['asked']:>9} {source['found']:>9} {source['queries_with_fewer']:>8}  "
                f"{shown:>15}  {_counts('', source['dropped']) or '-'}"
            )
    for name, source in zip(names, sources, strict=True):
        count = source.get("queries_without_positive_score", 0)
        if count and source["source"].keys() & {"margin", "share"}:
            yield f"{name}: no positive is in the run of {count} queries, which margin and share leave as they are"
    for pair in audit.get("overlap", []):
        first, second = pair["candidates"]
        if any(name.endswith(" random") for name in pair["sources"]):
            continue
        yield (
            f"candidates shared by {pair['sources'][0]} and {pair['sources'][1]}: {pair['shared']}"
            f" ({_percent(pair['shared'], first)} and {_percent(pair['shared'], second)} of theirs)"
        )
    if sources:
        written = audit["negatives"]
        yield (
            f"negatives: {written['written']}, of {written['different_ids']} passages with "
            f"{written['different_texts']} different texts"
        )
    for kind, suspected in audit.get("suspected_false_negatives", {}).items():
        if suspected["negatives"]:
            yield f"likely false negatives, {kind}: {suspected['negatives']} of {suspected['queries']} queries, such as"
            for row in suspected["examples"][:_EXAMPLES]:
                yield f"  {row['query_id']} {row['query'][:50]!r}: {row['docid']} {row['passage'][:60]!r}"


def _counts(before: str, counts: dict[str, int]) -> str:
    return before + ", ".join(f"{count} {name}" for name, count in counts.items()) if counts else ""


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "none"
