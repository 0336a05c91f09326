"""The Python kit under the conformance test: the operations that it drives."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../../adaptors/python"))
from fractos_adaptor import Device, Failure, Passed, serve  # noqa: E402


class Echo(Device):
    concurrency = 4
    description = {"device": "echo", "stateful": False, "operations": [
        {"name": name, "deterministic": True, "effect": "none"}
        for name in ("identity", "copy", "sleep", "fail", "nothing", "divide")]}

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

    def divide(self, request):
        return 1 // 0


if sys.argv[1:] == ["forgetful"]:
    Echo.divide = None
serve(Echo())
