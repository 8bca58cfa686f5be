"""A server on this machine, in place of those that the data sets are fetched from."""

from __future__ import annotations

import contextlib
import itertools
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator


class Server(ThreadingHTTPServer):
    """Serves `files`; `answers` holds what to send before them for a path, in turn.

    An answer is a content, a status of an error, an address to redirect to, or an iterator of parts
    of a content without a stated length; a function makes any of them when it is asked for.

    Attributes:
        sent: bytes of the parts that were sent.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.answers: dict[str, list[Any]] = {}
        self.asked: list[str] = []
        self.sent = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_GET(self) -> None:
        path = unquote(self.path.removeprefix("/"))
        self.server.asked.append(path)
        queue = self.server.answers.get(path, [])
        answer = queue.pop(0) if queue else self.server.files[path]
        if callable(answer):
            answer = answer()
        if isinstance(answer, int):
            self.send_error(answer)
            return
        if isinstance(answer, str):
            self.send_response(302)
            self.send_header("Location", answer)
            answer = itertools.repeat(bytes(1 << 16))  # which nobody should read
        else:
            self.send_response(200)
        if isinstance(answer, bytes):
            self.send_header("Content-Length", str(len(answer)))
            answer = iter([answer])
        self.end_headers()
        self._send(answer)

    def _send(self, parts: Iterator[bytes]) -> None:
        """Send parts until the client has enough."""
        with contextlib.suppress(OSError):
            for part in parts:
                self.wfile.write(part)
                self.server.sent += len(part)

    def log_message(self, *_: object) -> None:
        pass
