"""Two folders of results beside each other in the terminal: first what it comes to, then what it comes from."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from denseflow.compare.comparison import Comparison, Comparisons
from denseflow.compare.numbers import BETTER, WORSE, Number
from denseflow.compare.steps import Difference

_WIDTH = 140
"""Where the output is no terminal but a file or a pipe."""
_MOST = 30
"""Lines of one kind."""
_DIGEST = 12
"""Characters shown of a SHA-256."""
_STYLES = {BETTER: "green", WORSE: "bold red"}


def print_comparisons(found: Comparisons, console: Console | None = None) -> None:
    """Print all."""
    if console is None:
        console = Console()
        if not console.is_terminal:
            console = Console(width=_WIDTH)
    console.print(Text(f"A: {found.a}\nB: {found.b}"))
    for name, missing in (("A", found.only_a), ("B", found.only_b)):
        if missing:
            console.print(Text(f"Only in {name}: the experiments {', '.join(missing)}"))
    for one in found.experiments:
        _print(one, console)


def _print(one: Comparison, console: Console) -> None:
    console.rule(Text(one.experiment, style="bold"), align="left")
    for line in one.summary:
        console.print(Text(line, style="bold"))
    console.print(_numbers(one.numbers))
    for name, missing in (("A", one.only_a), ("B", one.only_b)):
        _list(console, f"Only in {name}", missing)
    steps = one.steps
    console.print(Text("\nCode", style="bold").append(_commits(one.commits), style="not bold"))
    console.print(Text("\nMachines", style="bold").append(_machines(one.machines), style="not bold"))
    _differences(console, "Rules (SHA-256)", one.rules and [_short(difference) for difference in one.rules])
    _differences(console, "Configuration", one.configuration)
    _differences(console, "Options of the steps", steps.options)
    _differences(console, "Versions", steps.versions)
    _differences(console, "Data (SHA-256)", [_short(difference) for difference in steps.data])
    same = "no step" if not steps.same else f"{steps.same} of {steps.same + steps.different} steps"
    console.print(Text("\nResults", style="bold").append(f": {same} gave the same, to the bit", style="not bold"))
    for origin in steps.origins:
        why = (
            f"its {' and '.join(origin.reasons)} differ"
            if origin.reasons
            else ("nothing that is recorded of it differs: the code, or the machine's floating point")
        )
        console.print(Text(f"  They begin to differ with {origin.step}: {why}"))
    for name, missing in (("A", steps.only_a), ("B", steps.only_b)):
        _list(console, f"Steps only in {name}", missing)


def _numbers(numbers: Sequence[Number]) -> Table:
    table = Table()
    for name in ("dataset", "system", "measure"):
        table.add_column(name, overflow="fold")
    for name in ("A", "B", "B less A", "interval", "p (Holm)", "queries or pairs changed"):
        table.add_column(name, justify="right")
    table.add_column("verdict")
    for one in numbers:
        table.add_row(
            f"{one.dataset} {one.split}",
            one.system,
            one.measure,
            _mean(one.a, one.seeds_a),
            _mean(one.b, one.seeds_b),
            f"{one.difference:+.4f}" if one.changed else "0",
            f"[{one.low:+.4f}, {one.high:+.4f}]".replace("[", r"\[") if one.changed and one.low == one.low else "",
            f"{one.p_holm:.3g}" if one.changed and one.p_holm == one.p_holm else "",
            f"{one.changed} of {one.queries}" if one.queries > 1 else "",
            Text(one.verdict, style=_STYLES.get(one.verdict, "")),
        )
    return table


def _mean(mean: float, seeds: Sequence[float]) -> str:
    return f"{mean:.4f}" if len(seeds) < 2 else f"{mean:.4f} ({min(seeds):.4f} to {max(seeds):.4f})"


def _commits(commits: tuple[str | None, str | None]) -> str:
    if commits == (None, None):
        return ": no commit is recorded in either; the crate has one where the workflow runs in a Git repository"
    if commits[0] == commits[1]:
        return f": the same commit, {commits[0]}"
    a, b = (commit or "not recorded" for commit in commits)
    return f": commit {a} in A, {b} in B"


def _machines(machines: tuple[Sequence[str], Sequence[str]]) -> str:
    if not all(machines):
        return ": not told in both"
    if machines[0] == machines[1]:
        return f": the same kind in both, {'; '.join(machines[0])}"
    return f"\n  A: {'; '.join(machines[0])}\n  B: {'; '.join(machines[1])}"


def _differences(console: Console, title: str, found: Sequence[Difference] | None) -> None:
    if not found:
        said = ": the same" if found is not None else ": not recorded in both; a finished report has it in its crate"
        console.print(Text(f"\n{title}", style="bold").append(said, style="not bold"))
        return
    table = Table(title=f"\n{title}", title_justify="left", title_style="bold")
    for name in ("where", "key", "A", "B"):
        table.add_column(name, overflow="fold")
    for one in found[:_MOST]:
        table.add_row(*map(Text, one))
    console.print(table)
    if len(found) > _MOST:
        console.print(Text(f"  … and {len(found) - _MOST} more; --json has all"))


def _list(console: Console, title: str, found: Iterable[str]) -> None:
    lines = list(found)
    if lines:
        console.print(Text(f"\n{title}", style="bold"))
        for line in lines[:_MOST]:
            console.print(Text(f"  {line}"))
        if len(lines) > _MOST:
            console.print(Text(f"  … and {len(lines) - _MOST} more; --json has all"))


def _short(one: Difference) -> Difference:
    return one._replace(a=one.a[:_DIGEST], b=one.b[:_DIGEST])
