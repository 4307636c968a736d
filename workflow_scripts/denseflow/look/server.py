"""The rankings side by side as a page of a web server that only this machine can reach.

It listens on the loopback interface, answers only requests that name it by a name of this machine (a web page of others
that has its own name point here gets nothing), and changes nothing.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import jinja2

from denseflow.errors import DenseflowError
from denseflow.look.answers import pieces
from denseflow.look.documents import Kept
from denseflow.look.looking import Looking
from denseflow.look.place import Place
from denseflow.look.view import View

LOG = logging.getLogger("denseflow")

LOOPBACK = "127.0.0.1"
TEMPLATES = Path(__file__).parent / "templates"
TOPS = (10, 20, 50)
LISTED = 200
"""Queries of the split that the page lists."""
_LONGEST = 10_000
"""Characters of a query."""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"


class Asked(NamedTuple):
    """What a request asks for."""

    text: str
    id: str | None
    top: int


class Server(ThreadingHTTPServer):
    """Serves one split of an experiment.

    Models are loaded once; one thread alone uses them, so that requests wait for each other.
    """

    daemon_threads = True

    def __init__(self, place: Place, port: int, threads: int = 2) -> None:
        """Open the split and listen.

        Args:
            place: The split and the systems.
            port: Of 127.0.0.1; 0: a free one.
            threads: Of models and search.

        Raises:
            DenseflowError: The collection was not made yet or was altered, or the port is taken.
        """
        self._worker = ThreadPoolExecutor(1)
        corpus = place.require(place.dataset).with_name("corpus.jsonl")
        self._looking = Looking(place, Kept(corpus).find, threads=threads)
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
        )
        environment.globals["pieces"] = pieces
        self._template = environment.get_template("look.html")
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except (OSError, OverflowError) as error:
            raise DenseflowError(
                f"--port: {port} of {LOOPBACK} cannot be used ({error}); name another one, or 0 for any that is free"
            ) from None

    @property
    def address(self) -> str:
        """The page's address."""
        return f"http://{LOOPBACK}:{self.server_port}/"

    def knows(self, host: str | None) -> bool:
        """Whether a request's Host is this server."""
        return host in {f"{name}:{self.server_port}" for name in (LOOPBACK, "localhost")}

    def page(self, asked: Asked) -> tuple[HTTPStatus, str]:
        """The page for what is asked; an error that the user is meant to read stands in it."""
        view, error, status = None, "", HTTPStatus.OK
        if asked.text.strip() or asked.id is not None:
            try:
                view = self._worker.submit(self._look, asked).result()
            except DenseflowError as found:
                error, status = str(found), HTTPStatus.BAD_REQUEST
        return status, self._render(asked, view, error)

    def server_close(self) -> None:
        """Stop listening, and let the worker go."""
        super().server_close()
        self._worker.shutdown(cancel_futures=True)

    def _look(self, asked: Asked) -> View:
        return self._looking.look(self._looking.query(asked.text, asked.id), asked.top)

    def _render(self, asked: Asked, view: View | None, error: str) -> str:
        place, queries = self._looking.place, self._looking.queries
        return self._template.render(
            experiment=place.experiment,
            description=place.config.description,
            dataset=place.on.dataset,
            split=place.on.split,
            language=place.graph.registry.datasets[place.on.dataset].language,
            asked=asked,
            tops=TOPS,
            view=view,
            error=error,
            queries=list(queries.items())[:LISTED],
            count=len(queries),
        )


class _Handler(BaseHTTPRequestHandler):
    server: Server
    server_version, sys_version = "denseflow", ""
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        """Answer a request for the page."""
        if not self.server.knows(self.headers.get("Host")):
            self._answer(HTTPStatus.FORBIDDEN, "This server answers to its own name alone: " + self.server.address)
            return
        address = urlsplit(self.path)
        if address.path != "/":
            self._answer(HTTPStatus.NOT_FOUND, "There is one page only: " + self.server.address)
            return
        try:
            asked = _asked(address.query)
        except ValueError as error:
            self._answer(HTTPStatus.BAD_REQUEST, str(error))
            return
        try:
            status, page = self.server.page(asked)
        except Exception:
            LOG.exception("unexpected error for %r", asked)
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, "An unexpected error; the terminal shows it.")
            return
        self._answer(status, page, "text/html")

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of requests: what is asked is nobody's business."""

    def _answer(self, status: HTTPStatus, text: str, kind: str = "text/plain") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _asked(query: str) -> Asked:
    """What the address asks for.

    Raises:
        ValueError: A value is none that the page offers.
    """
    values = {name: found[0] for name, found in parse_qs(query, max_num_fields=10).items()}
    text, top = values.get("q", ""), values.get("top", str(TOPS[0]))
    if len(text) > _LONGEST:
        raise ValueError(f"The query has {len(text)} characters; at most {_LONGEST} are searched.")
    if top not in map(str, TOPS):
        raise ValueError(f"top is {top!r}, expected one of {', '.join(map(str, TOPS))}.")
    return Asked(text, values.get("id"), int(top))
