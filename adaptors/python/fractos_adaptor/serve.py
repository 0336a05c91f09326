"""Serves one device to its daemon."""
import contextlib
import json
import os
import resource
import signal
import socket
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

from . import wire
from .device import Failure, Input, Passed, RefinedStep, Request


def _connect(path):
    """Waits for as long as there is no daemon at the path: the containers of a pod start in any
    order. SIGTERM ends an adaptor that waits; one that serves is needed by its daemon, which hangs
    up when it is not."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    pause = 0.02
    while True:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(path)
            break
        except (FileNotFoundError, ConnectionRefusedError, BlockingIOError):
            sock.close()
        time.sleep(pause)
        pause = min(2 * pause, 0.5)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return sock


def _open_socket():
    if len(sys.argv) == 3 and sys.argv[1] == "--connect":
        return _connect(sys.argv[2])
    number, path = os.environ.get("FRACTOS_ADAPTOR_FD"), os.environ.get("FRACTOS_ADAPTOR_SOCKET")
    if number:
        return socket.socket(fileno=int(number))
    if path:
        return _connect(path)
    sys.exit("an adaptor is started by its daemon, which sets FRACTOS_ADAPTOR_FD, or told by "
             "--connect or FRACTOS_ADAPTOR_SOCKET where its daemon listens")


def _text(value):
    """Whatever an operation gave as reason or message, as text."""
    try:
        return str(value)
    except BaseException:  # of its __str__
        return "it cannot be shown"


def _raise_descriptor_limit():
    """Lifts the soft limit to the hard one: each large input takes a descriptor."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError, OSError):  # where that is not allowed
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _failure(reason, message, retryable=False):
    # Lone surrogates are no UTF-8, and the daemon would take the whole frame for broken.
    reason, message = (_text(value)[:1000].encode(errors="replace") for value in (reason, message))
    return wire.field(6, wire.field(1, reason) + wire.field(2, message) +
                      wire.integer(3, int(bool(retryable))))


def _internal(error):
    with contextlib.suppress(Exception):  # where standard error is closed
        traceback.print_exception(error)
    return _failure("Internal", f"{type(error).__name__}: {_text(error)}")


def _refinement(steps):
    body = b""
    for step in steps:
        inputs = b"".join(
            wire.field(4, wire.field(1, name) + (wire.integer(2, source) if isinstance(source, int)
                                                 else wire.field(3, source)))
            for name, source in step.inputs.items())
        body += wire.field(1, wire.field(1, step.cluster) + wire.field(2, step.operation) +
                           wire.field(3, json.dumps(step.arguments)) + inputs +
                           b"".join(wire.integer(5, index) for index in step.after))
    return wire.field(5, body)


def _is_buffer(value):
    try:
        memoryview(value)
    except TypeError:
        return False
    return True


def _value(value):
    """The Result's field for a value, and the descriptor that goes with it or None."""
    value = value.encode() if isinstance(value, str) else bytes(value)
    if len(value) <= wire.MAX_INLINE:
        return wire.field(2, value), None
    fd = os.memfd_create("fractos-value", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(fd, "wb", closefd=False) as file:
        file.write(value)
    return wire.field(3, wire.integer(1, len(value))), fd


def _methodless(device, description):
    """What is wrong if an operation of the description has no method; None if all have."""
    for operation in description.get("operations", []):
        name = operation.get("name", "")
        if not callable(getattr(device, name, None)):
            return f"operation '{name}' is described, but {type(device).__name__} has no method " \
                   f"'{name}'"
    return None


class _Server:
    def __init__(self, device, sock):
        self._device, self._socket, self._reader = device, sock, wire.Reader(sock)
        self._write_lock, self._requests_lock = threading.Lock(), threading.Lock()
        self._operations = set()
        self._requests = {}  # by number: the Request and the Future of its work
        self._workers = ThreadPoolExecutor(device.concurrency)

    def run(self):
        """Returns when the daemon has closed."""
        configured = False
        while (body := self._reader.next()) is not None:
            message = wire.parse(body)
            if 1 in message and not configured:
                configured = True
                self._configure(wire.parse(message[1][0]))
            elif 2 in message and configured:
                self._accept(wire.parse(message[2][0]))
            elif 3 in message:
                self._cancel(wire.parse(message[3][0]).get(1, [0])[0])
            else:
                raise wire.ProtocolError("a frame that is out of place here")

    def _configure(self, message):
        try:
            options = json.loads(message.get(1, [b""])[0] or b"{}")
            if not isinstance(options, dict):
                raise ValueError("the options are not a JSON object")
            description = self._device.configure(options)
        except ValueError as error:
            self._send(wire.field(2, _failure("InvalidArgument", str(error))))
            raise wire.ProtocolError(str(error)) from error
        if wrong := _methodless(self._device, description):
            raise wire.ProtocolError(wrong)
        self._operations = {operation["name"] for operation in description.get("operations", [])}
        self._send(wire.field(1, wire.field(1, json.dumps(description))))

    def _accept(self, message):
        inputs = {}
        for data in message.get(4, []):
            given = wire.parse(data)
            name = given.get(1, [b""])[0].decode()
            fd = self._reader.descriptor() if 4 in given else None
            inputs[name] = Input(name, given.get(2, [0])[0], given.get(3, [b""])[0], fd, 5 in given)
        arguments = json.loads(message.get(3, [b""])[0] or b"{}")
        request = Request(message.get(2, [b""])[0].decode(), arguments, inputs,
                          message.get(5, [b""])[0], message.get(6, [0])[0] / 1000)
        number = message.get(1, [0])[0]
        with self._requests_lock:
            self._requests[number] = request, self._workers.submit(self._work, number, request)

    def _cancel(self, number):
        """One that still waits its turn is answered here: its turn may be far off, and the daemon
        kills an adaptor that keeps silent about what was cancelled."""
        with self._requests_lock:
            request, future = self._requests.get(number, (None, None))
        if request is None:
            return
        request.stop.set()
        if future.cancel():
            self._answer(number, request, _failure("Cancelled", "not wanted"))

    def _work(self, number, request):
        try:
            result, fd = self._execute(request)
        except BaseException as error:  # sys.exit, too: whatever it is, it is this request's alone
            result, fd = _internal(error), None
        self._answer(number, request, result, fd)

    def _answer(self, number, request, result, fd=None):
        for given in request.inputs.values():
            given.close()
        with self._requests_lock:
            self._requests.pop(number, None)
        self._send(wire.field(2, wire.integer(1, number) + result), fd)

    def _execute(self, request):
        try:
            if request.stop.is_set():
                raise Failure("Cancelled", "not wanted")
            if time.monotonic() >= request.deadline:
                raise Failure("DeadlineExceeded", "its time passed while it waited its turn")
            if request.operation not in self._operations:
                raise Failure("Unimplemented", f"there is no operation '{request.operation}'")
            answer = getattr(self._device, request.operation)(request)
            if isinstance(answer, Passed):
                return wire.field(4, answer.name), None
            if isinstance(answer, list) and all(isinstance(step, RefinedStep) for step in answer):
                return _refinement(answer), None
            # Of a number, bytes() would make so many zeros.
            if isinstance(answer, str) or _is_buffer(answer):
                return _value(answer)
            return _failure("Internal", f"operation '{request.operation}' returned "
                            f"{type(answer).__name__}: return bytes, str, Passed or a list of "
                            "RefinedStep"), None
        except Failure as failure:
            return _failure(failure.reason, failure.message, failure.retryable), None

    def _send(self, body, fd=None):
        try:
            with self._write_lock:
                wire.write(self._socket, body, fd)
        except OSError:
            pass  # the daemon has gone, as the reading thread sees too
        finally:
            if fd is not None:
                os.close(fd)


def serve(device):
    """The whole of an adaptor's main: returns never, and exits when the daemon closes the socket,
    whatever still executes."""
    if sys.argv[1:] == ["--describe"]:
        if wrong := _methodless(device, device.description):
            sys.exit(wrong)
        print(json.dumps(device.description, indent=2))
        sys.exit(0)
    _raise_descriptor_limit()
    code = 0
    try:
        _Server(device, _open_socket()).run()
    except (wire.ProtocolError, ValueError, ConnectionError) as error:
        print(error, file=sys.stderr, flush=True)
        code = 1
    os._exit(code)  # sys.exit would wait for the workers
