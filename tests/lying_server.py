"""An HTTP server on loopback that says what a test tells it to, right or wrong, byte for byte."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Say = Callable[[socket.socket], None]


@dataclass
class LyingServer:
    """Answers by path, with its query or without; keeps the requests that came, head only."""

    port: int
    answers: dict[str, Say] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def says(self, path: str, *pieces: bytes) -> str:
        """Answer a path with raw bytes, then hang up; returns its URL."""

        def say(connection: socket.socket) -> None:
            for piece in pieces:
                connection.sendall(piece)

        self.answers[path] = say
        return self.url(path)

    def gives(self, path: str, body: bytes, head: str = "") -> str:
        """Answer a path rightly."""
        return self.says(path, f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body)

    def sends_to(self, path: str, target: str, status: int = 302) -> str:
        """Redirect a path."""
        head = f"HTTP/1.1 {status} Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n"
        return self.says(path, head.encode())


@contextmanager
def lying_server() -> Iterator[LyingServer]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = LyingServer(listener.getsockname()[1])
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=_answer, args=(server, connection), daemon=True)
            thread.start()
            threads.append(thread)

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(5)
        for thread in threads:
            thread.join(5)


def _answer(server: LyingServer, connection: socket.socket) -> None:
    with connection:
        connection.settimeout(10)
        head = b""
        try:
            while b"\r\n\r\n" not in head:
                piece = connection.recv(4096)
                if not piece:
                    return
                head += piece
            server.asked.append(head.decode("latin-1"))
            path = head.split(b" ", 2)[1].decode("latin-1")
            plain = path.partition("?")[0]
            server.answers.get(path, server.answers.get(plain, _nothing_there))(connection)
        except OSError:
            return


def _nothing_there(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
