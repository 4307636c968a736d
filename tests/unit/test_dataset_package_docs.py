"""The documentation of installed packages as a collection, on NumPy and on a package made for the test."""

import json
import os
import sys
from importlib.metadata import version
from itertools import combinations

import pytest

from denseflow.collection import read_corpus, read_qrels, read_queries
from denseflow.dataset.export import export
from denseflow.dataset.package_queries import Query, assign_splits, collect_queries, normalised
from denseflow.dataset.see_also import references, resolve, without_see_also
from denseflow.errors import DenseflowError

SPLITS = ("train", "dev", "test")

MODULE = '''
"""A package made for a test."""
import random
from json import dumps
try:
    import pytest
except ImportError:
    pytest = None
__all__ = ["Basket", "pick", "a", "Colour", "drawn", "dumps", "undocumented", "Pair"]
if pytest is not None:
    __all__.append("only_with_pytest")
    def only_with_pytest():
        """There because pytest is installed beside it."""
class Basket:
    """A basket of fruit.

    Parameters
    ----------
    size : int

    See Also
    --------
    pick : take fruit from a tree
    Basket.add : put a fruit
        into it.

    Notes
    -----
    Empty at first.
    """
    def add(self, fruit=object()):
        """Put one in.

        See Also
        --------
        empty : Throw all away.
        Basket : A basket of fruit.
        garden.sub.dig, missing : work with a spade
        """
    def empty(self):
        """Remove everything."""
    def _private(self):
        """Not public."""
def pick():
    """Pick."""
a = pick
class Colour(__import__("enum").Enum):
    RED = 1
class Pair(__import__("typing").NamedTuple):
    left: int
def undocumented(): pass
def hidden():
    """Not in __all__."""
def drawn(): pass
drawn.__doc__ = f"""Draw {pick!r}.

    >>> draw(
    ...     1)
    {random.random()}

    After {set("abcdefgh")}.
    """
'''


@pytest.fixture
def garden(tmp_path, monkeypatch):
    """An installed distribution `garden-tools` with the package `garden`."""
    site = tmp_path / "site"
    files = {
        "garden/__init__.py": MODULE,
        "garden/sub.py": 'def dig():\n    """Dig."""\n',
        "garden/_private.py": 'def hide():\n    """Hide."""\n',
        "garden/tests/__init__.py": 'def test_dig():\n    """Test."""\n',
        "garden/broken.py": "import not_installed_anywhere\n",
        "garden/script.py": "import sys\nsys.exit(3)\n",
        "garden_tools-1.2.dist-info/METADATA": "Metadata-Version: 2.1\nName: garden-tools\nVersion: 1.2\n",
        "garden_tools-1.2.dist-info/top_level.txt": "garden\n",
    }
    for name, text in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    monkeypatch.syspath_prepend(str(site))
    return site


def run(packages, out, **options):
    source = {"type": "package_docs", "packages": packages, "seed": 0, "dev_share": 0.1, "test_share": 0.3}
    return export({**source, "drop_verbatim": True, **options}, out)


def test_public_functions_classes_and_methods_are_documents_once_each_under_their_shortest_path(garden, tmp_path):
    manifest = run({"garden-tools": "1.2"}, tmp_path / "out", test_share=0.4, dev_share=0.4, drop_verbatim=False)
    documents = {document.id: document for document in read_corpus(tmp_path / "out" / "corpus.jsonl")}
    assert documents.keys() == {
        *("garden.Basket", "garden.Basket.add", "garden.Basket.empty", "garden.drawn", "garden.pick", "garden.sub.dig"),
    }
    assert documents["garden.Basket"].title == "garden.Basket"
    assert documents["garden.Basket"].text == (
        "A basket of fruit.\n\nParameters\n----------\nsize : int\n\nNotes\n-----\nEmpty at first."
    )
    assert documents["garden.drawn"].text.split("{")[0] == "Draw <function pick>.\n\n>>> draw(\n...     1)\n\nAfter "
    assert manifest["facts"]["modules_skipped"] == {
        "garden.broken": "ModuleNotFoundError",
        "garden.script": "SystemExit",
    }
    assert "2 modules cannot be imported" in manifest["warnings"][0]


def test_two_runs_give_the_same_files_even_where_a_docstring_shows_a_set(garden, tmp_path):
    shares = {"dev_share": 0.3, "test_share": 0.3}
    manifests = [run({"garden-tools": "1.2"}, tmp_path / name, **shares) for name in ("one", "two")]
    assert manifests[0] == manifests[1]


def test_queries_are_the_descriptions_and_those_word_for_word_in_the_target_may_be_left_out(garden, tmp_path):
    found = {}
    for drop in (True, False):
        shares = {"dev_share": 0.3, "test_share": 0.3} if drop else {"dev_share": 0.2, "test_share": 0.2}
        manifest = run({"garden-tools": "1.2"}, tmp_path / str(drop), drop_verbatim=drop, **shares)
        queries, qrels = {}, {}
        for split in SPLITS:
            queries |= read_queries(tmp_path / str(drop) / f"queries.{split}.jsonl")
            qrels |= read_qrels(tmp_path / str(drop) / f"qrels.{split}.tsv")
        found[drop] = {text: sorted(qrels[query_id]) for query_id, text in queries.items()}
        dropped = manifest["facts"]["dropped"]
        assert dropped.get("queries that stand word for word in a relevant document", 0) == (1 if drop else 0)
    assert found[False] == {
        "take fruit from a tree": ["garden.pick"],
        "put a fruit into it.": ["garden.Basket.add"],
        "Throw all away.": ["garden.Basket.empty"],
        "A basket of fruit.": ["garden.Basket"],
        "work with a spade": ["garden.sub.dig"],
    }
    assert found[True] == {text: ids for text, ids in found[False].items() if text != "A basket of fruit."}


def test_another_version_than_the_pinned_one_is_an_error_that_says_how_to_mend_it(garden, tmp_path):
    packages = {"garden-tools": "1.3", "absent-package": "1.0", "numpy": version("numpy")}
    with pytest.raises(DenseflowError) as caught:
        run(packages, tmp_path / "out")
    message = str(caught.value)
    assert "garden-tools: found 1.2, expected 1.3; absent-package: found none, expected 1.0" in message
    assert "pip install garden-tools==1.3 absent-package==1.0" in message
    assert list((tmp_path / "out").iterdir()) == []


def test_a_package_that_cannot_be_imported_is_an_error(garden, tmp_path):
    (garden / "garden" / "__init__.py").write_text("import not_installed_anywhere\n")
    with pytest.raises(DenseflowError, match=r"garden cannot be imported.*python -c 'import garden'"):
        run({"garden-tools": "1.2"}, tmp_path / "out")


@pytest.fixture(scope="module")
def numpy_docs(tmp_path_factory):
    out = tmp_path_factory.mktemp("numpy")
    run({"numpy": version("numpy")}, out)
    return out


def test_numpys_documentation_is_a_collection_whose_splits_share_no_query_text_and_no_target(numpy_docs):
    manifest = json.loads((numpy_docs / "manifest.json").read_text())
    assert manifest["counts"]["documents"] > 1000
    total = sum(counts["queries"] for counts in manifest["counts"]["splits"].values())
    assert total > 250
    assert manifest["counts"]["splits"]["test"]["queries"] == pytest.approx(0.3 * total, abs=1)
    assert manifest["counts"]["splits"]["dev"]["queries"] == pytest.approx(0.1 * total, abs=1)
    assert manifest["warnings"] == []
    for one, other in combinations(SPLITS, 2):
        texts = [
            set(map(normalised, read_queries(numpy_docs / f"queries.{name}.jsonl").values())) for name in (one, other)
        ]
        targets = [set().union(*read_qrels(numpy_docs / f"qrels.{name}.tsv").values()) for name in (one, other)]
        assert not texts[0] & texts[1]
        assert not targets[0] & targets[1]


def test_no_query_stands_word_for_word_in_its_target_and_no_see_also_is_left(numpy_docs):
    documents = {document.id: document.text for document in read_corpus(numpy_docs / "corpus.jsonl")}
    for split in SPLITS:
        queries = read_queries(numpy_docs / f"queries.{split}.jsonl")
        for query_id, levels in read_qrels(numpy_docs / f"qrels.{split}.tsv").items():
            for document_id in levels:
                assert normalised(queries[query_id]) not in normalised(documents[document_id])
    assert not [name for name, text in documents.items() if "See Also\n----" in text]


def test_the_environment_changes_nothing_in_the_files(numpy_docs, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    monkeypatch.setenv("LANG", "de_DE")
    monkeypatch.chdir(tmp_path)
    run({"numpy": version("numpy")}, tmp_path / "again")
    assert (tmp_path / "again" / "manifest.json").read_bytes() == (numpy_docs / "manifest.json").read_bytes()
    text = (numpy_docs / "corpus.jsonl").read_text()
    assert " at 0x" not in text
    assert sys.prefix + os.sep not in text
    assert "on this platform (" not in text


def test_another_seed_gives_another_share_of_the_same_queries(numpy_docs, tmp_path):
    run({"numpy": version("numpy")}, tmp_path / "out", seed=1)
    ids = [
        {split: set(read_queries(folder / f"queries.{split}.jsonl")) for split in SPLITS}
        for folder in (numpy_docs, tmp_path / "out")
    ]
    assert ids[0]["test"] != ids[1]["test"]
    assert set().union(*ids[0].values()) == set().union(*ids[1].values())


def test_queries_that_share_a_target_through_others_stay_in_one_split():
    chain = {f"q{n}": Query(f"q{n}", {f"d{n}", f"d{n + 1}"}) for n in range(5)}
    lone = {f"r{n}": Query(f"r{n}", {f"e{n}"}) for n in range(15)}
    for seed in range(5):
        splits = assign_splits(chain | lone, seed=seed, dev_share=0.2, test_share=0.3)
        assert {len(set(chain) & set(keys)) for keys in splits.values()} == {0, 5}
        assert {name: len(keys) for name, keys in splits.items()} == {"train": 10, "dev": 4, "test": 6}


def test_a_description_of_many_functions_is_no_query():
    objects = [
        {"paths": [f"p.f{n}"], "docstring": f"F{n}.\n\nSee Also\n--------\nq.g{n} : same thing"} for n in range(6)
    ]
    objects += [{"paths": [f"q.g{n}"], "docstring": "G."} for n in range(6)]
    queries, dropped = collect_queries(objects[:5] + objects[6:], {}, drop_verbatim=False)
    assert queries["same thing"].relevant == {f"q.g{n}" for n in range(5)}
    queries, dropped = collect_queries(objects, {}, drop_verbatim=False)
    assert queries == {}
    assert dropped == {"queries with more than 5 relevant documents": 1}


@pytest.mark.parametrize(
    ("name", "paths", "expected"),
    [
        ("np.sub.sort", ["np.sub.Cls.sort"], "np.sub.sort"),
        ("sort", ["np.sub.Cls.argsort"], "np.sub.Cls.sort"),
        ("sort", ["np.sub.argsort"], "np.sub.sort"),
        ("sort", ["np.argsort"], "np.sort"),
        ("sub.sort", ["np.argsort"], "np.sub.sort"),
        ("~np.sort", ["other.f"], "np.sort"),
        ("sort", ["other.f", "np.sub.f"], "np.sub.sort"),
        ("sort", ["other.f"], None),
    ],
)
def test_a_name_is_looked_for_as_it_is_and_then_from_the_nearest_parent_on(name, paths, expected):
    assert resolve(name, paths, dict.fromkeys(["np.sort", "np.sub.sort", "np.sub.Cls.sort"])) == expected


def test_see_also_ends_at_the_next_section_and_is_taken_out_whole():
    docstring = (
        "Sum.\n\nSee Also\n--------\na, b : both\n    of them\n:func:`c`\n    the third\nd\n\nNotes\n-----\nNote.\n\n"
        "Examples\n--------\n>>> 1\n"
    )
    assert [(entry.names, entry.description) for entry in references(docstring)] == [
        (("a", "b"), "both of them"),
        (("c",), "the third"),
    ]
    assert without_see_also(docstring) == "Sum.\n\nNotes\n-----\nNote.\n\nExamples\n--------\n>>> 1"
