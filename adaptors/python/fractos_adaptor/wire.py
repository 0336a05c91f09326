"""Frames on the socket, and the few protobuf messages of adaptor.proto in them, by hand."""
import os
import socket

MAX_FRAME = 4 * 1024 * 1024
MAX_INLINE = 64 * 1024
MAX_DESCRIPTORS = 64


class ProtocolError(Exception):
    """The daemon does not keep to the protocol."""


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def integer(number, value):
    return varint(number << 3) + varint(value)


def field(number, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def _read_varint(data, at):
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ProtocolError("a number in a frame does not end")
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at


def parse(data):
    """A message as {field number: [values]}: integers, or bytes for everything with a length."""
    fields, at = {}, 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        if tag & 7 == 0:
            value, at = _read_varint(data, at)
        elif tag & 7 == 2:
            length, at = _read_varint(data, at)
            value, at = data[at:at + length], at + length
            if at > len(data):
                raise ProtocolError("a field reaches beyond its frame")
        else:
            raise ProtocolError(f"a field of wire type {tag & 7}")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


class Reader:
    """Reads frames; descriptors come in the order the frames name them."""

    def __init__(self, sock):
        self._socket, self._buffer, self._descriptors = sock, bytearray(), []

    def next(self):
        """The body of the next frame; None when the daemon has closed."""
        while True:
            if len(self._buffer) >= 4:
                length = int.from_bytes(self._buffer[:4], "little")
                if length > MAX_FRAME:
                    raise ProtocolError(f"a frame of {length} bytes, more than {MAX_FRAME}")
                if len(self._buffer) >= 4 + length:
                    body = bytes(self._buffer[4:4 + length])
                    del self._buffer[:4 + length]
                    return body
            data, fds, flags, _ = socket.recv_fds(self._socket, 1 << 20, MAX_DESCRIPTORS)
            for fd in fds:
                os.set_inheritable(fd, False)
            self._descriptors += fds
            if flags & socket.MSG_CTRUNC:
                raise ProtocolError(
                    "too many descriptors from the daemon for those that this process may have "
                    "open (ulimit -Hn): raise that, or lower spec.maxInFlight of the DeviceCluster")
            if not data:
                return None
            self._buffer += data

    def descriptor(self):
        if not self._descriptors:
            raise ProtocolError("a frame names a descriptor that did not come with it")
        return self._descriptors.pop(0)


def write(sock, body, fd=None):
    """Writes one frame, with a descriptor beside its first byte. The caller serialises writers."""
    frame = len(body).to_bytes(4, "little") + body
    sent = socket.send_fds(sock, [frame], [fd]) if fd is not None else 0
    sock.sendall(frame[sent:])
