"""Archives that may be hostile or broken."""

import io
import stat
import tarfile
import zipfile

import pytest

from denseflow.dataset.archive import unpack
from denseflow.errors import DenseflowError

FILES = {"set/corpus.jsonl": b'{"_id": "a", "text": "apples"}\n' * 500, "set/qrels/test.tsv": b"q\ta\t1\n"}


def make_tar(path, files, mode="w:gz", extra=()):
    with tarfile.open(path, mode) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for info in extra:
            tar.addfile(info)
    return path


def make_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return path


def unpacked(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "inner" / "unpacked"
    path.mkdir(parents=True)
    return path


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_archive_is_unpacked_as_it_was_packed(tmp_path, folder, mode):
    unpack(make_tar(tmp_path / "set.tar", FILES, mode), folder)
    assert unpacked(folder) == FILES


def test_a_zip_archive_is_unpacked_as_it_was_packed(tmp_path, folder):
    unpack(make_zip(tmp_path / "set.zip", FILES), folder)
    assert unpacked(folder) == FILES


@pytest.mark.parametrize("make", [make_tar, make_zip])
@pytest.mark.parametrize("name", ["../evil", "set/../../evil", "/tmp/evil", "..\\evil", "C:\\evil", "C:evil", "\\evil"])
def test_a_member_that_points_outside_is_refused_and_nothing_is_unpacked(tmp_path, folder, make, name):
    with pytest.raises(DenseflowError, match="points outside"):
        unpack(make(tmp_path / "evil", {**FILES, name: b"evil"}), folder)
    assert unpacked(tmp_path / "inner") == {}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_a_link_or_a_device_in_a_tar_is_refused(tmp_path, folder, kind):
    info = tarfile.TarInfo("set/queries.jsonl")
    info.type, info.linkname = kind, "/etc/passwd"
    with pytest.raises(DenseflowError, match=r"'set/queries.jsonl' is a link or a device"):
        unpack(make_tar(tmp_path / "evil.tar.gz", FILES, extra=[info]), folder)
    assert unpacked(folder) == {}


def test_a_symbolic_link_in_a_zip_is_refused(tmp_path, folder):
    link = zipfile.ZipInfo("set/queries.jsonl")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(DenseflowError, match="is a link or a device"):
        unpack(make_zip(tmp_path / "evil.zip", {"a": b""} | {link: b"/etc/passwd"}), folder)


@pytest.mark.parametrize("make", [make_tar, make_zip])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.97])
def test_a_truncated_archive_is_an_error(tmp_path, folder, make, kept):
    whole = make(tmp_path / "set", FILES).read_bytes()
    (tmp_path / "cut").write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(DenseflowError, match=r"cut: .*truncated"):
        unpack(tmp_path / "cut", folder)


def test_a_tar_archive_cut_between_two_members_is_an_error(tmp_path, folder):
    whole = make_tar(tmp_path / "set.tar", {"a": b"1" * 600, "b": b"2"}, "w").read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[: 512 + 1024])
    with pytest.raises(DenseflowError, match=r"cut\.tar: truncated .*marks its end is missing"):
        unpack(tmp_path / "cut.tar", folder)


def test_a_member_whose_bytes_were_changed_is_an_error(tmp_path, folder):
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        file.writestr("corpus.jsonl", b"apples and pears")
    path.write_bytes(path.read_bytes().replace(b"apples", b"grapes"))
    with pytest.raises(DenseflowError, match="Bad CRC-32"):
        unpack(path, folder)


def test_a_file_that_is_no_archive_is_an_error_that_names_the_kinds_that_are(tmp_path, folder):
    (tmp_path / "set.zip").write_text("<html>Not found</html>")
    with pytest.raises(DenseflowError, match=r"Expected \.zip, \.tar"):
        unpack(tmp_path / "set.zip", folder)


def test_a_member_that_comes_twice_is_refused(tmp_path, folder):
    with pytest.raises(DenseflowError, match="comes twice"):
        unpack(make_tar(tmp_path / "set.tar", {"a/b": b"1", "a/./b": b"2"}), folder)


def test_a_name_that_is_both_a_file_and_a_folder_is_an_error(tmp_path, folder):
    with pytest.raises(DenseflowError, match="broken archive"):
        unpack(make_tar(tmp_path / "set.tar", {"a": b"1", "a/b": b"2"}), folder)


def test_an_archive_larger_than_the_free_space_is_refused(tmp_path, folder, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 100}))
    with pytest.raises(DenseflowError, match="only 100 bytes free"):
        unpack(make_zip(tmp_path / "set.zip", FILES), folder)
    assert unpacked(folder) == {}
