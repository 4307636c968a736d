"""The forms of the table for papers and programs, which all say the same."""

import json
import re
import shutil
import subprocess

import pandas as pd
import pytest

from denseflow.report.exports import as_csv, as_latex, as_records, as_tsv, table_frame
from denseflow.report.page_data import report_json, table_json
from denseflow.report.rows import ALL, BEFORE, BETTER, COLUMNS, NAN, NO_NEAR_TWIN, WORSE, Row, read_rows
from denseflow.report.scores import Scores

OPTIONS = {"before": "before", "confidence": 0.95, "bootstrap_resamples": 100, "permutations": 100, "power": 0.8}


def row(system: str, measure: str, mean: float, subset: str = ALL, **more) -> Row:
    return Row("nf_corpus", "test", subset, system, measure, mean, mean - 0.05, mean + 0.05, NAN, 1, queries=9, **more)


def compared(difference: float, verdict: str) -> dict:
    names = ("diff_low", "diff_high", "p", "p_holm", "t_p", "t_p_holm", "effect", "detectable")
    return {
        "difference": difference,
        **dict.fromkeys(names, 1 / 3),
        "wins": 5,
        "ties": 3,
        "losses": 1,
        "verdict": verdict,
    }


ROWS = [
    row("before", "nDCG@10", 0.3, verdict=BEFORE),
    row("my_system.v1", "nDCG@10", 0.4, **compared(0.1, BETTER)),
    row("before", "P(rel=2)@5", 0.2, verdict=BEFORE),
    row("my_system.v1", "P(rel=2)@5", 0.1, **compared(-0.1, WORSE)),
    row("before", "nDCG@10", 0.25, NO_NEAR_TWIN, verdict=BEFORE),
]


def test_tsv_csv_and_json_hold_the_same_numbers_in_the_same_columns(tmp_path):
    frame = table_frame(ROWS)
    (tmp_path / "table.tsv").write_text(as_tsv(frame))
    (tmp_path / "table.csv").write_text(as_csv(frame))
    tsv, csv = (pd.read_csv(tmp_path / f"table.{kind}", sep=sep) for kind, sep in (("tsv", "\t"), ("csv", ",")))
    json_rows = pd.DataFrame(json.loads(table_json("demo", ROWS, OPTIONS, []))["rows"])
    assert tuple(tsv.columns) == COLUMNS
    pd.testing.assert_frame_equal(tsv, csv)
    pd.testing.assert_frame_equal(tsv, json_rows[list(COLUMNS)].astype(tsv.dtypes))


def test_reading_the_tsv_gives_the_rows_to_ten_digits(tmp_path):
    (tmp_path / "table.tsv").write_text(as_tsv(table_frame(ROWS)))
    before, after, *_ = read_rows(tmp_path / "table.tsv")
    assert (before.compared, before.wins, after.wins, after.p) == (False, None, 5, 0.3333333333)


def test_numbers_that_are_undefined_are_empty_cells_and_null():
    frame = table_frame(ROWS)
    assert "\t\t" in as_tsv(frame).splitlines()[1]
    assert as_records(frame)[0]["wins"] is None
    assert as_records(frame)[0]["difference"] is None


def test_latex_has_a_table_a_place_with_the_best_in_bold_and_what_is_significant_marked():
    text = as_latex("demo", ROWS, OPTIONS)
    assert text.startswith("% demo")
    assert r"\usepackage{booktabs}" in text.splitlines()[0]
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 2
    assert text.count(r"\toprule") == text.count(r"\midrule") == text.count(r"\bottomrule") == 2
    assert r"my\_system.v1 & \textbf{0.4000}\textsuperscript{*} & [0.3500, 0.4500] & 0.1000\textsuperscript" in text
    assert r"\caption{nf\_corpus, test: 9 queries. *: better than before" in text
    assert r"95\% interval" in text


def test_latex_has_its_braces_closed_and_the_same_cells_in_each_line():
    text = re.sub(r"^%.*", "", as_latex("demo", ROWS, OPTIONS), flags=re.MULTILINE)
    plain = re.sub(r"\\[\\{}%_&$#]", "", text)
    assert plain.count("{") == plain.count("}")
    assert re.search(r"[_%#]", re.sub(r"\\label\{[^}]*\}", "", plain)) is None
    for table in re.findall(r"\\midrule\n(.*?)\\bottomrule", text, re.DOTALL):
        columns = {line.count(" & ") for line in table.strip().splitlines()}
        assert len(columns) == 1
        assert columns <= {2, 4}


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")
def test_latex_compiles(tmp_path):
    (tmp_path / "table.tex").write_text(as_latex("demo", ROWS, OPTIONS))
    paper = r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{table.tex}\end{document}"
    (tmp_path / "paper.tex").write_text(paper)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "paper.pdf").stat().st_size > 1000


def test_report_json_has_each_query_s_value_by_measure_system_and_seed(tmp_path):
    lines = ["dataset\tsplit\tsystem\tvariant\tmeasure\tquery_id\tvalue"]
    for system, variant, values in (("before", "pretrained", (0.5, 0.0)), ("after", "seed0", (1.0, 1 / 3))):
        for query, value in zip(("q2", "q1"), values, strict=True):
            lines.append(f"docs\ttest\t{system}\t{variant}\tRR\t{query}\t{value!r}")
    (tmp_path / "scores.tsv").write_text("\n".join(lines) + "\n")
    twins = {("docs", "test"): {"q1"}}
    content = json.loads(report_json("demo", ROWS, OPTIONS, ["a warning"], Scores(tmp_path / "scores.tsv"), twins))
    assert content["places"] == [
        {
            "dataset": "docs",
            "split": "test",
            "queries": ["q2", "q1"],
            "near_twins": ["q1"],
            "values": {"RR": {"before": {"pretrained": [0.5, 0.0]}, "after": {"seed0": [1.0, 0.3333333333]}}},
        }
    ]
    assert content["rows"] == json.loads(table_json("demo", ROWS, OPTIONS, []))["rows"]
    assert content["notes"][-1] == "Note: a warning."
    assert content["sentences"][0]["verdict"] == BETTER
