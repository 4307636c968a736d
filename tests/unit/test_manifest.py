"""What a manifest records of the packages that made a result."""

from importlib.metadata import PackageNotFoundError, version

from denseflow import manifest
from denseflow.files import sha256_text


def test_the_build_for_gpus_is_recorded_by_its_own_name_where_it_is_the_one_installed(tmp_path, monkeypatch):
    def gpu_machine(package: str) -> str:
        if package == "faiss-cpu":
            raise PackageNotFoundError(package)
        return "1.15.1" if package == "faiss-gpu" else version(package)

    monkeypatch.setattr(manifest, "version", gpu_machine)
    written = manifest.write_manifest(tmp_path, "search", [], packages=["faiss-cpu", "numpy"])
    assert written["versions"] == {"faiss-gpu": "1.15.1", "numpy": version("numpy")}


def test_a_package_that_is_missing_is_recorded_as_such(tmp_path):
    written = manifest.write_manifest(tmp_path, "search", [], packages=["no-such-package"])
    assert written["versions"] == {"no-such-package": "not installed"}


def test_a_sum_that_the_stage_knows_is_not_made_again(tmp_path, monkeypatch):
    for name in ("known", "other"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    expected = {name: {"sha256": sha256_text(name), "bytes": 5} for name in ("known", "other")}
    read = []
    monkeypatch.setattr(manifest, "sha256", lambda path: read.append(path.name) or sha256_text(path.name))
    written = manifest.write_manifest(tmp_path, "encode", ["other", "known"], sums={"known": sha256_text("known")})
    assert written["files"] == expected
    assert read == ["other"]
