"""The Python kit under the conformance test: the operations that it drives."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../../adaptors/python"))
from fractos_adaptor import Device, Failure, Passed, serve  # noqa: E402


class Unspeakable(Exception):
    def __str__(self):
        raise ValueError("no words")


class Echo(Device):
    concurrency = 4
    description = {"device": "echo", "stateful": False, "operations": [
        {"name": name, "deterministic": True, "effect": "none"}
        for name in ("identity", "copy", "sleep", "fail", "nothing", "number", "numbers", "divide",
                     "leave", "mumble", "unspeakable")]}

    def identity(self, request):
        return Passed("data")

    def copy(self, request):
        return request.arguments["text"] if "text" in request.arguments else request.input("data")

    def sleep(self, request):
        if request.stop.wait(request.argument("ms", int) / 1000):
            raise Failure("Cancelled", "not wanted")
        return b"ok"

    def fail(self, request):
        raise Failure(request.argument("reason"), request.argument("message"))

    def nothing(self, request):
        return None

    def number(self, request):
        return 6

    def numbers(self, request):
        return [6]

    def divide(self, request):
        return 1 // 0

    def leave(self, request):
        sys.exit("enough")

    def mumble(self, request):
        raise Failure("Sour", ValueError("the \ud800 milk"))

    def unspeakable(self, request):
        raise Unspeakable()


if sys.argv[1:] == ["forgetful"]:
    Echo.divide = None
if sys.argv[1:] == ["undescribed"]:  # but by configure
    described, Echo.description = Echo.description, {}
    Echo.configure = lambda self, options: described
serve(Echo())
