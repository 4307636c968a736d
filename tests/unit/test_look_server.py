"""denseflow serve: the same as a page, for this machine alone."""

import socket
import threading
from http.client import HTTPConnection
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
from korean_lesson import EXPERIMENT, make_lesson

from denseflow.errors import DenseflowError
from denseflow.look.place import Place, open_experiment
from denseflow.look.server import LOOPBACK, Server


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server on a free port."""
    monkeypatch.chdir(make_lesson(tmp_path / "project"))
    server = Server(Place(open_experiment(EXPERIMENT), EXPERIMENT), 0)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def get(server: Server, **values: str) -> str:
    with urlopen(f"{server.address}?{urlencode(values)}", timeout=10) as answer:
        return answer.read().decode()


def refused(server: Server, **values: str) -> tuple[int, str]:
    with pytest.raises(HTTPError) as error:
        get(server, **values)
    return error.value.code, error.value.read().decode()


def test_the_page_lists_the_queries_and_shows_one_side_by_side(server):
    assert '<a href="/?id=q1&amp;top=10">훈민정음을 반포한 해는?</a>' in get(server)
    page = get(server, id="q1")
    assert page.index("<h2>before</h2>") < page.index("<h2>after</h2>")
    assert '<p class="query" dir="auto" lang="ko">' in page
    assert '<span class="stars">★ relevant (1)</span>' in page
    assert "✚ new, was rank 4" not in page  # all four are among the first ten
    assert '<span class="up">▲ up 3</span>' in page
    assert "<mark>1446년</mark>에 훈민정음을 반포하였다." in page
    assert get(server, q="훈민정음을 반포한 해는?") == page


def test_the_page_needs_nothing_else_and_what_a_passage_says_is_no_html(server):
    page = get(server, id="q1")
    assert "&lt;b&gt;창제자&lt;/b&gt;" in page
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page
    code, page = refused(server, id="<script>alert(1)</script>")
    assert code == 400
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_the_policy_of_the_page_forbids_scripts_and_other_places(server):
    with urlopen(server.address, timeout=10) as answer:
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'unsafe-inline';")
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


def test_an_error_stands_in_the_page_with_what_to_do(server):
    code, page = refused(server, q="never searched")
    assert code == 400
    assert "index-ko/manifest.json: not there yet" in page
    assert refused(server, q="x" * 10_001)[0] == 400
    assert refused(server, q="x", top="7")[0] == 400


def test_a_request_by_another_name_or_for_another_page_is_refused(server):
    for host, path, expected in (
        ("evil.example", "/", 403),
        (f"evil.example:{server.server_port}", "/?id=q1", 403),
        (f"localhost:{server.server_port}", "/", 200),
        (f"{LOOPBACK}:{server.server_port}", "/etc/passwd", 404),
    ):
        connection = HTTPConnection(LOOPBACK, server.server_port, timeout=10)
        connection.request("GET", path, headers={"Host": host})
        assert connection.getresponse().status == expected, (host, path)
        connection.close()
    with pytest.raises(HTTPError, match="501"):
        urlopen(Request(server.address, data=b"x", method="POST"), timeout=10)


def test_it_listens_on_the_loopback_interface_alone(server):
    assert server.server_address[0] == LOOPBACK
    with socket.socket() as other:
        other.settimeout(1)
        assert other.connect_ex(("127.0.0.2", server.server_port)) != 0


def test_a_port_that_is_taken_is_an_error_that_says_what_to_do(server):
    for port in (server.server_port, 70_000):
        with pytest.raises(DenseflowError, match=f"--port: {port} of 127.0.0.1 cannot be used"):
            Server(Place(open_experiment(EXPERIMENT), EXPERIMENT), port)
