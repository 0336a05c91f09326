"""A FractOS adaptor in Python: derive from Device, call serve(device). Standard library only.

    from fractos_adaptor import Device, serve

    class Shout(Device):
        description = {"device": "shout", "stateful": False, "operations": [
            {"name": "shout", "inputs": [{"name": "data", "required": True}],
             "deterministic": True, "effect": "none"}]}

        def shout(self, request):
            return request.inputs["data"].bytes().upper()

    serve(Shout())

docs/adaptors.md describes the protocol and the format of a description.
"""
from .device import Device, Failure, Input, Passed, RefinedStep, Request
from .serve import serve

__all__ = ["Device", "Failure", "Input", "Passed", "RefinedStep", "Request", "serve"]
