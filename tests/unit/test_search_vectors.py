"""Vectors in shards, and their ids, read from where they stand."""

import numpy as np
import pytest
from vector_files import write_vectors

from denseflow.errors import DenseflowError
from denseflow.search import ids as ids_module
from denseflow.search.ids import Ids
from denseflow.search.vectors import read_vectors

ARRAY = np.arange(60, dtype=np.float32).reshape(15, 4)


@pytest.fixture(params=["float32", "float16"])
def vectors(request, tmp_path):
    return read_vectors(write_vectors(tmp_path, "corpus", ARRAY.astype(request.param), shard=4))


def test_blocks_of_any_size_give_all_rows_whatever_the_shards(vectors):
    for rows in (1, 3, 4, 5, 8, 15, 100):
        blocks = list(vectors.blocks(rows))
        assert [start for start, _ in blocks] == list(range(0, 15, rows))
        assert all(block.dtype == np.float32 for _, block in blocks)
        np.testing.assert_array_equal(np.concatenate([block for _, block in blocks]), ARRAY)


def test_spans_lie_in_one_shard_each_and_cover_all_rows(vectors):
    assert list(vectors.spans(3)) == [(0, 3), (3, 4), (4, 7), (7, 8), (8, 11), (11, 12), (12, 15)]
    assert list(vectors.spans(100)) == [(0, 4), (4, 8), (8, 12), (12, 15)]


def test_ranges_are_of_one_size_whatever_the_shards(vectors):
    assert [stop - start for start, stop in vectors.ranges(7)] == [7] * (len(vectors) // 7) + [len(vectors) % 7]


def test_rows_are_taken_in_the_order_asked_for(vectors):
    for rows in ([14, 0, 7, 7, 3], [0, 3, 4, 4, 14], []):
        np.testing.assert_array_equal(vectors.take(np.array(rows, dtype=np.int64)), ARRAY[np.array(rows, dtype=int)])


def test_cut_vectors_have_their_first_dimensions_and_not_more_than_there_are(vectors):
    cut = vectors.cut(2)
    np.testing.assert_array_equal(cut.whole(), ARRAY[:, :2])
    np.testing.assert_array_equal(cut.take(np.array([9, 2])), ARRAY[[9, 2], :2])
    with pytest.raises(DenseflowError, match="5 dimensions are asked for, but the vectors have 4"):
        vectors.cut(5)


def test_an_altered_shard_is_refused_when_it_is_read(tmp_path):
    vectors = read_vectors(write_vectors(tmp_path, "corpus", ARRAY, shard=4))
    np.save(tmp_path / "corpus" / "00002.npy", ARRAY[:4])
    vectors.between(0, 8)
    with pytest.raises(DenseflowError, match=r"00002\.npy: sha256 .* differs"):
        vectors.between(7, 9)


def test_ids_are_looked_up_by_row_slice_and_array(tmp_path):
    names = ["a", "bb", "ü1", "d" * 300, "e"]
    for text in ("\n".join(names) + "\n", "\n".join(names)):
        (tmp_path / "x.ids").write_text(text, encoding="utf-8")
        ids = Ids(tmp_path / "x.ids", 5)
        assert list(ids) == names
        assert (ids[-1], ids[1:3], ids.take(np.array([3, 0]))) == ("e", names[1:3], [names[3], "a"])
        with pytest.raises(IndexError):
            ids[5]


def test_ids_are_found_across_the_parts_in_which_a_file_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(ids_module, "_CHUNK", 7)
    names = [f"d{row}" for row in range(100)]
    (tmp_path / "x.ids").write_text("".join(f"{name}\n" for name in names))
    assert list(Ids(tmp_path / "x.ids", 100)) == names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n\nb\n", "line 2: id ''"),
        ("\na\nb\n", "line 1: id ''"),
        ("a\nb\u00a0c\nd\n", "line 2: id 'b.*expected one without spaces"),
        ("a\nb\r\nc\n", r"line 2: id 'b\\r'"),
        (b"a\n\xff\nc\n", "line 2: not UTF-8"),
        ("a\nb\nb\n", "line 3: id 'b' was used in line 2 already"),
        ("a\nb\n", "2 ids for 3 vectors"),
        ("", "0 ids for 3 vectors"),
    ],
)
def test_ids_that_no_run_can_hold_are_refused(tmp_path, text, message):
    (tmp_path / "x.ids").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DenseflowError, match=message):
        Ids(tmp_path / "x.ids", 3)
