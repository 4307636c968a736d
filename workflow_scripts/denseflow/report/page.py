"""table.html: one file that needs no network, for wide and narrow, light and dark screens."""

from collections.abc import Sequence
from typing import Any

import jinja2

from denseflow.report import words
from denseflow.report.gains import Gain
from denseflow.report.markdown import gain_groups
from denseflow.report.rows import Row

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1e; --paper: #fff; --soft: #667; --line: #d8d8de; --band: #f5f5f8;
  --good: #0a7a3d; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececf0; --paper: #17171a; --soft: #a0a0ad; --line: #3a3a42;
  --band: #212126; --good: #5fd08b; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: .5rem 0; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; min-width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .6rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { font-weight: 600; } tbody tr:nth-child(even) { background: var(--band); }
.number { text-align: right; white-space: nowrap; } .small { color: var(--soft); font-size: .85rem; }
.better { color: var(--good); font-weight: 600; } .WORSE { color: var(--bad); font-weight: 700; }
.words { list-style: none; padding: 0; font-size: 1.05rem; } .query { min-width: 12rem; } .top { min-width: 15rem; }
svg { width: 9rem; height: 1.1rem; display: block; } .axis { stroke: var(--soft); } .range { stroke: currentColor; }
.point { fill: currentColor; } details { margin: .5rem 0; } summary { cursor: pointer; font-weight: 600; }
ol { margin: 0; padding-left: 1.2rem; }
"""

_TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>{{ style }}</style>
</head>
<body>
<h1>{{ title }}</h1>
{% if sentences %}
<ul class="words">
{% for verdict, sentence in sentences %}<li class="{{ verdict if verdict in ("better", "WORSE") }}">{{ sentence }}</li>
{% endfor %}</ul>
{% endif %}
{% for place, rows in places.items() %}
<h2>{{ words.heading(place, rows) }}</h2>
{% set measures, systems = words.grid(rows) %}
<div class="scroll"><table>
<thead><tr><th scope="col">system</th>
{% for measure in measures %}<th scope="col" class="number">{{ measure }}</th>{% endfor %}</tr></thead>
<tbody>
{% for system, of in systems.items() %}<tr><th scope="row">{{ system }}</th>
{% for measure in measures %}{% set row = of.get(measure) %}<td class="number">{% if row %}
{{ words.mean(row) }}
<div class="small">{{ words.interval(row.low, row.high) }}</div>{% endif %}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
{% if rows | selectattr("compared") | list %}
<h3>What changed from {{ before }}</h3>
<div class="scroll"><table>
<thead><tr><th scope="col">system</th><th scope="col">measure</th><th scope="col" class="number">difference</th>
<th scope="col">interval around 0</th><th scope="col" class="number">p (Holm)</th>
<th scope="col" class="number">t p (Holm)</th><th scope="col" class="number">effect</th>
<th scope="col" class="number">detectable</th><th scope="col" class="number">wins / ties / losses</th>
<th scope="col">verdict</th></tr></thead>
<tbody>
{% for row in rows if row.compared %}<tr><th scope="row">{{ row.system }}</th><td>{{ row.measure }}</td>
<td class="number">{{ words.signed(row.difference) }}
<div class="small">{{ words.interval(row.diff_low, row.diff_high, words.signed) }}</div></td>
<td class="{{ row.verdict if row.verdict in ("better", "WORSE") }}">{{ bar(row) }}</td>
<td class="number">{{ words.p_value(row.p_holm).removeprefix("= ") }}</td>
<td class="number">{{ words.p_value(row.t_p_holm).removeprefix("= ") }}</td>
<td class="number">{{ words.effect(row.effect) }}</td>
<td class="number">{{ words.score(row.detectable) }}</td>
<td class="number">{{ row.wins }} / {{ row.ties }} / {{ row.losses }}</td>
<td class="{{ row.verdict if row.verdict in ("better", "WORSE") }}">{{ row.verdict }}</td></tr>
{% endfor %}</tbody></table></div>
{% endif %}
{% endfor %}
<h2>How to read it</h2>
<ul>{% for line in caption %}<li>{{ line }}</li>
{% endfor %}</ul>
{% if groups %}
<h2>The queries that gained and lost most</h2>
<p class="small">{{ words.GAINS_CAPTION }}</p>
{% for heading, gains in groups.items() %}
<details><summary>{{ heading }}</summary>
<div class="scroll"><table>
<thead><tr><th scope="col">query</th><th scope="col" class="number">before</th><th scope="col" class="number">after</th>
<th scope="col" class="number">difference</th><th scope="col" class="number">relevant in the first 10</th>
<th scope="col">first, before</th><th scope="col">first, after</th></tr></thead>
<tbody>
{% for gain in gains %}<tr><td class="query">{{ gain.text }}<div class="small">{{ gain.query_id }}</div></td>
<td class="number">{{ words.score(gain.before) }}</td><td class="number">{{ words.score(gain.after) }}</td>
<td class="number">{{ words.signed(gain.difference) }}</td>
<td class="number">{{ gain.relevant_before }} → {{ gain.relevant_after }}</td>
{% for top in (gain.top_before, gain.top_after) %}<td class="top"><ol>
{% for passage in top %}<li>{% if passage.relevant %}✓ {% endif %}{{ passage.title }}</li>
{% endfor %}</ol></td>{% endfor %}</tr>
{% endfor %}</tbody></table></div></details>
{% endfor %}
{% endif %}
</body>
</html>
"""


def table_html(
    title: str, rows: Sequence[Row], gains: Sequence[Gain], options: dict[str, Any], warnings: Sequence[str]
) -> str:
    """The text of table.html."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_TEMPLATE).render(
        title=title,
        style=jinja2.filters.do_mark_safe(_STYLE),
        words=words,
        sentences=words.sentences(rows),
        places=words.by_place(rows),
        before=words.before_name(rows),
        bar=_Bars(rows).draw,
        caption=words.caption(rows, options, warnings),
        groups=gain_groups(gains),
    )


class _Bars:
    """Differences with their intervals, all on one scale with 0 in the middle."""

    def __init__(self, rows: Sequence[Row]) -> None:
        ends = [abs(end) for row in rows if row.compared for end in (row.difference, row.diff_low, row.diff_high)]
        self.scale = 48 / max([end for end in ends if end == end and end > 0], default=1.0)

    def draw(self, row: Row) -> str:
        low, middle, high = (50 + self.scale * value for value in (row.diff_low, row.difference, row.diff_high))
        line = f'<line class="range" x1="{low:.1f}" x2="{high:.1f}" y1="6" y2="6"/>' if low == low else ""
        return jinja2.filters.do_mark_safe(
            '<svg viewBox="0 0 100 12" preserveAspectRatio="none" role="img" aria-label="difference and its interval">'
            f'<line class="axis" x1="50" x2="50" y1="0" y2="12"/>{line}'
            f'<rect class="point" x="{middle - 1:.1f}" y="3" width="2" height="6"/></svg>'
        )
