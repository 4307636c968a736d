import subprocess
import sys
from pathlib import Path

import pytest

from denseflow.errors import DenseflowError
from denseflow.evaluate.names import check_measure, parse_measure


@pytest.mark.parametrize(
    ("name", "spelling"),
    [
        ("nDCG@10", "nDCG@10"),
        ("NDCG@10", "nDCG@10"),
        ("Recall@100", "R@100"),
        ("MRR@10", "RR@10"),
        ("MAP", "AP"),
        ("RR", "RR"),
        ("Success@5", "Success@5"),
        ("P(rel=2)@5", "P(rel=2)@5"),
        ("IPrec@0.1", "IPrec@0.1"),
        ("Answer@20", "Answer@20"),
        ("Answer(match='dpr')@20", "Answer@20"),
        ("Answer(match='korquad')@20", "Answer(match='korquad')@20"),
    ],
)
def test_each_measure_has_one_spelling(name, spelling):
    assert str(parse_measure(name)) == spelling


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nDCG10", "'nDCG10': .* Did you mean nDCG@10?"),
        ("ndgc@10", "Did you mean nDCG@10?"),
        ("recall_100", "Did you mean Recall@100?"),
        ("R", "it lacks its cutoff, as in R@100"),
        ("foo@3", "for example nDCG@10, R@100, AP"),
        ("", "unknown measure ''"),
        ("nDCG@0", "cutoff 0, expected a whole number from 1 on"),
        ("nDCG@ten", "unknown measure"),
        ("AP(rel='x')", "invalid param rel='x'"),
        ("ERR@10", "none of those taken from trec_eval"),
        ("nDCG(dcg='exp-log2')@10", "none of those taken from trec_eval"),
        ("NumRet", "none of those taken from trec_eval"),
        ("IPrec@2.0", "recall 2.0, expected a share from 0.0 to 1.0"),
        ("Answer", "it lacks its cutoff"),
        ("Anwser@20", "Did you mean Answer@20?"),
        ("Answer(match='bert')@20", "invalid param match='bert'"),
        ("__import__('os').abort()", "unknown measure"),
    ],
)
def test_what_is_no_measure_is_refused_with_advice(name, message):
    with pytest.raises(DenseflowError, match=message):
        parse_measure(name)
    with pytest.raises(ValueError, match=message):
        check_measure(name)


def test_checking_names_imports_nothing_heavy():
    code = "import sys, denseflow.evaluate.names; print([m for m in ('numpy', 'pandas', 'torch') if m in sys.modules])"
    scripts = Path(__file__).parents[2] / "workflow_scripts"
    done = subprocess.run([sys.executable, "-c", code], cwd=scripts, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
