"""Messages come over as they were sent."""

import socket
from threading import Thread

import pytest

from pipeline.serving.worker_main import message, receive


def test_messages_come_one_after_the_other() -> None:
    ours, theirs = socket.socketpair()
    sent = [({"what": "é" * 3}, b"\0" * 3_000_000), ({}, b"")]
    with ours, theirs:
        written = b"".join(message(*one) for one in sent)
        Thread(target=ours.sendall, args=(written,)).start()
        assert [receive(theirs), receive(theirs)] == sent
        ours.shutdown(socket.SHUT_WR)
        with pytest.raises(EOFError):
            receive(theirs)
