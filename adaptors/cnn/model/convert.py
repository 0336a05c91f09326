#!/usr/bin/env python3
"""Converts the EfficientNet-Lite0 weights of a PyTorch file to ONNX: convert.py WEIGHTS.pth OUT.onnx

Needs numpy and nothing else: the weights are a file in PyTorch's format from before 1.6 (pickles,
then the raw storages), and ONNX is a handful of protobuf messages, written here by hand. README.md
beside this file says where the weights come from and what the result must hash to.

What the network is: a stem, 16 inverted residual blocks without squeeze-and-excitation, a head;
ReLU6 throughout. Batch normalisation is folded into the convolution before it. The weights were
trained in TensorFlow, whose SAME padding is asymmetric at stride 2: (0, 1), not (1, 1).
"""
import collections
import pickle
import struct
import sys

import numpy as np

INPUT_SIZE = 224
BATCH_NORM_EPSILON = 1e-3
# Of each stage: blocks, stride of the first, expansion, output channels; the weights tell the rest.
STAGES = [(1, 1, 1, 16), (2, 2, 6, 24), (2, 2, 6, 40), (3, 2, 6, 80), (3, 1, 6, 112), (4, 2, 6, 192),
          (1, 1, 6, 320)]


class _Unpickler(pickle.Unpickler):
    """Knows the few names that a file of weights needs, and refuses to import any other."""

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *_: (storage, offset, shape, strides)
        if module == "torch" and name in ("FloatStorage", "LongStorage"):
            return {"FloatStorage": np.float32, "LongStorage": np.int64}[name]
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a file of weights")

    def persistent_load(self, pid):
        _, dtype, key, _, _ = pid[:5]
        return key, dtype


def read_weights(path):
    """The tensors by name, as contiguous float32 arrays; the integer ones (counters) left out."""
    with open(path, "rb") as file:
        magic, protocol, _ = (_Unpickler(file).load() for _ in range(3))
        if magic != 0x1950A86A20F9469CFC6C or protocol != 1001:
            raise ValueError(f"{path} is not in PyTorch's old format")
        tensors, keys = _Unpickler(file).load(), _Unpickler(file).load()
        dtypes = {key: dtype for (key, dtype), *_ in tensors.values()}
        storages = {}
        for key in keys:
            (count,) = struct.unpack("<q", file.read(8))
            dtype = np.dtype(dtypes[key])
            storages[key] = np.frombuffer(file.read(count * dtype.itemsize), dtype)
    weights = {}
    for name, ((key, dtype), offset, shape, strides) in tensors.items():
        if dtype is np.float32:
            flat = storages[key][offset:]
            view = np.lib.stride_tricks.as_strided(flat, shape, [4 * s for s in strides])
            weights[name] = np.ascontiguousarray(view)
    return weights


# Protobuf: a field is its number and wire type, then a varint (0) or a length and bytes (2).
def _varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def _integer(number, value):
    return _varint(number << 3) + _varint(value)


def _bytes(number, value):
    value = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _float(number, value):
    return _varint(number << 3 | 5) + struct.pack("<f", value)


FLOAT, INT, INTS = 1, 2, 7  # onnx.AttributeProto.AttributeType


def _attribute(name, value):
    if isinstance(value, float):
        return _bytes(1, name) + _float(2, value) + _integer(20, FLOAT)
    if isinstance(value, int):
        return _bytes(1, name) + _integer(3, value) + _integer(20, INT)
    return _bytes(1, name) + b"".join(_integer(8, v) for v in value) + _integer(20, INTS)


def _value_info(name, shape):
    dims = b"".join(_bytes(1, _integer(1, size)) for size in shape)
    return _bytes(1, name) + _bytes(2, _bytes(1, _integer(1, 1) + _bytes(2, dims)))


class Graph:
    """Gathers ONNX nodes; every method returns the name of what its node gives."""

    def __init__(self, weights):
        self._weights = weights
        self._nodes, self._initializers = [], []

    def node(self, kind, inputs, **attributes):
        output = f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(b"".join(_bytes(1, name) for name in inputs) + _bytes(2, output) +
                           _bytes(3, output) + _bytes(4, kind) +
                           b"".join(_bytes(5, _attribute(k, v)) for k, v in attributes.items()))
        return output

    def tensor(self, name, array):
        array = np.ascontiguousarray(array, np.float32)
        self._initializers.append(b"".join(_integer(1, size) for size in array.shape) +
                                  _integer(2, 1) + _bytes(8, name) + _bytes(9, array.tobytes()))
        return name

    def convolution(self, x, name, norm, size, stride=1, groups=1):
        """Convolution with folded batch norm; returns its output and that one's height and width."""
        weight = self._weights[f"{name}.weight"].astype(np.float64)
        gamma, beta, mean, variance = (self._weights[f"{norm}.{part}"].astype(np.float64) for part
                                       in ("weight", "bias", "running_mean", "running_var"))
        scale = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
        kernel = weight.shape[2]
        out_size = -(-size // stride)
        total = max((out_size - 1) * stride + kernel - size, 0)
        before, after = total // 2, total - total // 2
        y = self.node("Conv", [x, self.tensor(f"{name}.weight", weight * scale[:, None, None, None]),
                               self.tensor(f"{name}.bias", beta - mean * scale)],
                      kernel_shape=[kernel, kernel], strides=[stride, stride],
                      pads=[before, before, after, after], group=groups)
        return y, out_size

    def relu6(self, x):
        return self.node("Clip", [x], min=0.0, max=6.0)

    def model(self, output, classes):
        graph = (b"".join(_bytes(1, node) for node in self._nodes) + _bytes(2, "efficientnet_lite0") +
                 b"".join(_bytes(5, tensor) for tensor in self._initializers) +
                 _bytes(11, _value_info("image", [1, 3, INPUT_SIZE, INPUT_SIZE])) +
                 _bytes(12, _value_info(output, [1, classes])))
        opset = _bytes(1, "") + _integer(2, 9)  # 9: Clip's bounds are attributes still
        return (_integer(1, 4) + _bytes(2, "fractos convert.py") + _bytes(7, graph) +
                _bytes(8, opset))


def convert(weights):
    graph = Graph(weights)
    x, size = graph.convolution("image", "_conv_stem", "_bn0", INPUT_SIZE, stride=2)
    x = graph.relu6(x)
    block, channels = 0, 32
    for count, first_stride, expansion, out_channels in STAGES:
        for i in range(count):
            name, stride, shortcut = f"_blocks.{block}", first_stride if i == 0 else 1, x
            if expansion != 1:
                x, size = graph.convolution(x, f"{name}._expand_conv", f"{name}._bn0", size)
                x = graph.relu6(x)
            x, size = graph.convolution(x, f"{name}._depthwise_conv", f"{name}._bn1", size,
                                        stride, groups=channels * expansion)
            x, size = graph.convolution(graph.relu6(x), f"{name}._project_conv", f"{name}._bn2",
                                        size)
            if stride == 1 and channels == out_channels:
                x = graph.node("Add", [x, shortcut])
            block, channels = block + 1, out_channels
    x, size = graph.convolution(x, "_conv_head", "_bn1", size)
    x = graph.node("GlobalAveragePool", [graph.relu6(x)])
    x = graph.node("Flatten", [x], axis=1)
    logits = graph.node("Gemm", [x, graph.tensor("_fc.weight", weights["_fc.weight"]),
                                 graph.tensor("_fc.bias", weights["_fc.bias"])], transB=1)
    probabilities = graph.node("Softmax", [logits], axis=1)
    return graph.model(probabilities, len(weights["_fc.bias"]))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.splitlines()[0])
    with open(sys.argv[2], "wb") as file:
        file.write(convert(read_weights(sys.argv[1])))


if __name__ == "__main__":
    main()
