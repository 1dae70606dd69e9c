"""A channel of an SSH connection as the streams of the program that runs in it."""

import contextlib
import io
from typing import IO, TYPE_CHECKING, cast

from paramiko import Channel, SSHException

from odoo_ops.adapters.agent import StderrTail

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_END_SECONDS = 30
# what paramiko raises when a connection breaks under its hands
BROKEN = (SSHException, OSError, EOFError)


class _ChannelBytes(io.RawIOBase):
    """A channel's standard streams as a file: reads stdout (or stderr), writes stdin."""

    def __init__(self, channel: Channel, *, stderr: bool = False) -> None:
        self._channel = channel
        self._receive = channel.recv_stderr if stderr else channel.recv

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        data = self._receive(len(view))
        view[: len(data)] = data
        return len(data)

    def write(self, data: "ReadableBuffer") -> int:
        content, lost = bytes(data), None
        try:
            self._channel.sendall(content)
        except BROKEN as error:
            lost = str(error)
        if lost is not None:
            # neither these nor Paramiko's frames go with the error: a request holds secrets
            del data, content
            raise BrokenPipeError(f"the SSH connection was lost: {lost}")
        return len(content)


class ChannelPipes:
    """Streams of a program that runs in a channel; `owner` has the connection."""

    def __init__(self, channel: Channel, owner: object) -> None:
        self._channel = channel
        self._owner = owner  # its connections live as long as somebody uses one
        self.stdin = cast("IO[bytes]", _ChannelBytes(channel))
        self.stdout = cast("IO[bytes]", io.BufferedReader(_ChannelBytes(channel)))
        self._stderr = StderrTail(cast("IO[bytes]", io.BufferedReader(_ChannelBytes(channel, stderr=True))))

    def close(self) -> None:
        """End its input, wait for its end, and close the channel."""
        with contextlib.suppress(*BROKEN):  # it has ended already
            self._channel.shutdown_write()
        if self._channel.status_event.wait(_END_SECONDS):
            self._stderr.text()  # its last words may come after its exit status
        with contextlib.suppress(*BROKEN):
            self._channel.close()

    def ended(self) -> bool:
        """Whether it has ended."""
        return self._channel.exit_status_ready()

    def last_words(self) -> str:
        """The end of what it wrote to its standard error."""
        return self._stderr.text()
