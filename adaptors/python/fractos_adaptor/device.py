"""What one implements to make a device, and what it is given."""
import mmap
import os
import threading
import time


class Failure(Exception):
    """Raised by an operation: the step fails. `reason` is one CamelCase word; `retryable` says that
    the same request may succeed later."""

    def __init__(self, reason, message, retryable=False):
        super().__init__(message)
        self.reason, self.message, self.retryable = reason, message, retryable


class Passed:
    """Returned by an operation: the value of the input of that name, whose bytes do not move."""

    def __init__(self, name):
        self.name = name


class RefinedStep:
    """Operations return a list of these to put steps in front of the remaining ones. `inputs` maps
    a name to the index of an earlier refined step or to the name of an input of the own step;
    cluster "." is the own one."""

    def __init__(self, operation, arguments=None, inputs=None, after=(), cluster="."):
        self.operation, self.arguments, self.inputs = operation, arguments or {}, inputs or {}
        self.after, self.cluster = list(after), cluster


class Input:
    """One input. A passed one has a size and no bytes."""

    def __init__(self, name, size, inline=b"", fd=None, passed=False):
        self.name, self.size, self.passed = name, size, passed
        self._inline, self._fd = inline, fd

    def bytes(self):
        """All of its bytes."""
        if self.passed:
            raise Failure("FailedPrecondition", f"input '{self.name}' is declared passed, so its "
                          "bytes are not here")
        if self._fd is None:
            return self._inline
        if os.fstat(self._fd).st_size < self.size:
            raise Failure("InvalidArgument", f"input '{self.name}' is shorter than announced")
        with mmap.mmap(self._fd, self.size, prot=mmap.PROT_READ) as mapping:
            return mapping[:]

    def close(self):
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class Request:
    """One execution: operation, arguments (a dict), inputs (a dict of Input by name),
    idempotency_key (the same for every execution of one step on the same inputs), deadline (of
    time.monotonic), stop (an Event, set when the answer is not wanted any more; looking at it is a
    courtesy)."""

    def __init__(self, operation, arguments, inputs, idempotency_key, timeout):
        self.operation, self.arguments, self.inputs = operation, arguments, inputs
        self.idempotency_key = idempotency_key
        self.deadline = time.monotonic() + timeout
        self.stop = threading.Event()

    def argument(self, name, kind=str, default=None):
        """An argument of that type; without a default it must be there."""
        value = self.arguments.get(name)
        if value is None and default is not None:
            return default
        if value is None:
            raise Failure("InvalidArgument", f"argument '{name}' is missing")
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise Failure("InvalidArgument", f"argument '{name}' must be of type {kind.__name__}")
        return value

    def input(self, name):
        """The bytes of an input that must be there."""
        if name not in self.inputs:
            raise Failure("InvalidArgument", f"input '{name}' is missing")
        return self.inputs[name].bytes()


class Device:
    """A class attribute `description` (a dict), and a method for each operation in it, called with a
    Request and returning bytes, str, Passed or a list of RefinedStep, or raising Failure. Any other
    exception, SystemExit included, fails that step with reason Internal, and its traceback is
    printed. Up to `concurrency` requests run at a time, each in a thread; 1 unless it says
    otherwise."""

    description = {}
    concurrency = 1

    def configure(self, options):
        """Takes the DeviceCluster's options and returns the description, which is the one that
        counts: it may depend on them. A ValueError is shown to whoever wrote the options."""
        if options:
            raise ValueError(f"option '{next(iter(options))}' is unknown; there are: none")
        return self.description
