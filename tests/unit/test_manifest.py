"""What a manifest records of the packages that made a result."""

from importlib.metadata import PackageNotFoundError, version

from denseflow import manifest


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
