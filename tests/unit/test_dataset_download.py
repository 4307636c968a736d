"""Downloads, from a server on this machine."""

import gzip
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from denseflow.dataset.download import download
from denseflow.errors import DenseflowError

CONTENT = b"a collection " * 10_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.paths.append(self.path)
        if self.path == "/missing":
            return self.send_error(404)
        if self.path == "/trouble-once" and len(self.server.paths) == 1:
            return self.send_error(503)
        if self.path == "/packs-what-it-may" and "gzip" in self.headers.get("Accept-Encoding", ""):
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            self.wfile.write(gzip.compress(CONTENT))
            return None
        self.send_response(200)
        if self.path != "/no-length":
            self.send_header("Content-Length", str(len(CONTENT)))
        if self.path == "/called-gzip":
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        cut = self.path == "/truncated" or (self.path == "/truncated-once" and len(self.server.paths) == 1)
        self.wfile.write(CONTENT[: len(CONTENT) // 2] if cut else CONTENT)
        return None

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.paths = []
        server.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["/whole", "/no-length", "/called-gzip", "/packs-what-it-may"])
def test_a_whole_download_is_the_file_that_was_sent(server, tmp_path, path):
    download(server.url + path, SHA256.upper(), tmp_path / "file", pause=0)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.paths == [path]


@pytest.mark.parametrize("path", ["/truncated-once", "/trouble-once"])
def test_a_download_that_breaks_off_once_is_tried_again(server, tmp_path, path):
    download(server.url + path, SHA256, tmp_path / "file", pause=0)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.paths == [path, path]


def test_a_truncated_download_is_an_error_and_nothing_is_written(server, tmp_path):
    with pytest.raises(DenseflowError, match=r"broke off after 65000 .*put it on this machine.*`quickstart`"):
        download(server.url + "/truncated", SHA256, tmp_path / "file", attempts=2, pause=0)
    assert server.paths == ["/truncated"] * 2
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_sha256_is_an_error_that_names_both_and_nothing_is_written(server, tmp_path):
    with pytest.raises(DenseflowError, match=rf"sha256 {SHA256}, expected {'0' * 64}"):
        download(server.url + "/whole", "0" * 64, tmp_path / "file", pause=0)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_an_error_that_is_not_tried_again(server, tmp_path):
    with pytest.raises(DenseflowError, match="the server answered 404 Not Found"):
        download(server.url + "/missing", SHA256, tmp_path / "file", pause=0)
    assert server.paths == ["/missing"]
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_cannot_be_reached_is_an_error_that_says_how_to_go_on(server, tmp_path):
    url = server.url + "/whole"
    server.server_close()
    with pytest.raises(DenseflowError, match=r"Tried 2 times: .*give `path: THE/FILE`.*`quickstart` needs no download"):
        download(url, SHA256, tmp_path / "file", attempts=2, pause=0)


def test_an_address_of_another_kind_is_refused(tmp_path):
    with pytest.raises(DenseflowError, match="expected an address that starts with http"):
        download("file:///etc/passwd", SHA256, tmp_path / "file")
