"""Writes the encoder as an ONNX graph with its weights beside it, so that the session maps them instead of copying.

Two kinds of matrix product: `int8` (weights per output channel, activations quantised on the fly; the fast one) and
`nb4` (the original 4-bit blocks, exact to the file; for processors on which int8 saturates). The word table stays 4-bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from countersign.corpus.e5.weights import BLOCK, Weights

Kind = Literal["int8", "nb4"]
GRAPH_FILE, WEIGHTS_FILE = "model.onnx", "weights.bin"
_ALIGN = 4096
_ROWS_AT_ONCE = 200_000


def write_graph(weights: Weights, folder: Path, kind: Kind) -> None:
    import onnx

    with (folder / WEIGHTS_FILE).open("wb") as file:
        model = _Builder(weights, file, kind).model()
    (folder / GRAPH_FILE).write_bytes(model.SerializeToString())
    onnx.checker.check_model(str(folder / GRAPH_FILE), full_check=False)


class _Builder:
    def __init__(self, weights: Weights, file: IO[bytes], kind: Kind) -> None:
        import onnx

        self._o = onnx
        self._weights = weights
        self._file = file
        self._kind = kind
        self._nodes: list[Any] = []
        self._tensors: list[Any] = []

    def model(self) -> Any:
        o, shape = self._o, self._weights.shape
        x = self._embeddings()
        for layer in range(shape.layers):
            x = self._layer(f"l{layer}.", x)
        self._pool(x)
        ids = o.helper.make_tensor_value_info("ids", o.TensorProto.INT64, ["rows", "tokens"])
        mask = o.helper.make_tensor_value_info("mask", o.TensorProto.INT32, ["rows", "tokens"])
        out = o.helper.make_tensor_value_info("vectors", o.TensorProto.FLOAT, ["rows", shape.hidden])
        graph = o.helper.make_graph(self._nodes, "e5", [ids, mask], [out], self._tensors)
        opsets = [o.helper.make_opsetid("", 18), o.helper.make_opsetid("com.microsoft", 1)]
        return o.helper.make_model(graph, opset_imports=opsets, ir_version=9)

    # -- parts ------------------------------------------------------------------------------------------------
    def _embeddings(self) -> str:
        shape, weights = self._weights.shape, self._weights
        words = self._word_table()
        token = self._node(
            "GatherBlockQuantized", words, domain="com.microsoft", block_size=BLOCK, quantize_axis=1, bits=4
        )
        table = (
            weights.floats("emb.pos").reshape(-1, shape.hidden) + weights.floats("emb.type")[: shape.hidden]
        )
        positions = self._tensor("positions", table)
        sizes = self._node("Shape", ["ids"], start=1, end=2)
        zero, axis = self._tensor("zero", np.array([0])), self._tensor("axis", np.array([0]))
        place = self._node("Slice", [positions, zero, sizes, axis])
        total = self._node("Add", [token, place])
        norm = [
            self._tensor("emb.ln.w", weights.floats("emb.ln.w")),
            self._tensor("emb.ln.b", weights.floats("emb.ln.b")),
        ]
        return self._node("LayerNormalization", [total, *norm], axis=-1, epsilon=shape.epsilon)

    def _word_table(self) -> list[str]:
        """Nibbles as signed 4-bit numbers, two a byte, low one first."""
        shape = self._weights.shape
        blocks = shape.vocabulary * shape.hidden // BLOCK
        data, scales = self._start(), []
        for start in range(0, blocks, _ROWS_AT_ONCE):
            values, scale = self._weights.nibbles("emb.word", slice(start, start + _ROWS_AT_ONCE))
            signed = (values.astype(np.int8) - 8).view(np.uint8) & 15
            self._file.write((signed[:, 0::2] | signed[:, 1::2] << 4).tobytes())
            scales.append(scale)
        int4 = self._o.TensorProto.INT4
        table = self._external("words", int4, [shape.vocabulary, shape.hidden], data)
        scale_name = self._tensor("words.scale", np.concatenate(scales).reshape(shape.vocabulary, -1))
        return [table, "ids", scale_name]

    def _layer(self, name: str, x: str) -> str:
        shape = self._weights.shape
        joined = [self._weights.matrix(f"{name}{part}.w", shape.hidden) for part in "qkv"]
        bias = np.concatenate([self._weights.floats(f"{name}{part}.b") for part in "qkv"])
        blocks = [self._weights.nibbles(f"{name}{part}.w") for part in "qkv"]
        qkv = self._linear(f"{name}qkv", x, np.concatenate(joined), blocks, bias)
        q, k, v = self._nodes_out("Split", [qkv], 3, axis=-1, num_outputs=3)
        attended = self._node(
            "MultiHeadAttention", [q, k, v, "", "mask"], domain="com.microsoft", num_heads=shape.heads
        )
        x = self._normed(f"{name}aln", self._named_linear(f"{name}ao", attended, shape.hidden), x)
        inner = self._node("Gelu", [self._named_linear(f"{name}fi", x, shape.hidden)], domain="com.microsoft")
        return self._normed(f"{name}oln", self._named_linear(f"{name}fo", inner, shape.inner), x)

    def _pool(self, x: str) -> None:
        """Masked mean and L2 norm; the mean's divisor cancels."""
        weight = self._node("Cast", ["mask"], to=self._o.TensorProto.FLOAT)
        axis = self._tensor("pool.axis", np.array([1]))
        rows = self._node("MatMul", [self._node("Unsqueeze", [weight, axis]), x])
        flat = self._node("Squeeze", [rows, axis])
        self._nodes.append(self._o.helper.make_node("LpNormalization", [flat], ["vectors"], axis=-1, p=2))

    def _normed(self, name: str, x: str, skip: str) -> str:
        floats = self._weights.floats
        parameters = [
            self._tensor(name + ".w", floats(name + ".w")),
            self._tensor(name + ".b", floats(name + ".b")),
        ]
        return self._node(
            "SkipLayerNormalization",
            [x, skip, *parameters],
            domain="com.microsoft",
            epsilon=self._weights.shape.epsilon,
        )

    # -- matrix products --------------------------------------------------------------------------------------
    def _named_linear(self, name: str, x: str, columns: int) -> str:
        matrix = self._weights.matrix(name + ".w", columns)
        return self._linear(
            name, x, matrix, [self._weights.nibbles(name + ".w")], self._weights.floats(name + ".b")
        )

    def _linear(
        self,
        name: str,
        x: str,
        matrix: NDArray[np.float32],
        blocks: Sequence[tuple[NDArray[np.uint8], NDArray[np.float32]]],
        bias: NDArray[np.float32],
    ) -> str:
        """`matrix` has shape (outputs, inputs); `blocks` are its 4-bit form, one pair a stacked matrix."""
        bias_name = self._tensor(name + ".b", bias)
        outputs, inputs = matrix.shape
        if self._kind == "int8":
            scale = np.abs(matrix).max(axis=1) / 127.0
            code = np.rint(matrix / scale[:, None]).astype(np.int8).T
            operands = [self._tensor(name + ".w", code), self._tensor(name + ".s", scale.astype(np.float32))]
            return self._node("DynamicQuantizeMatMul", [x, *operands, "", bias_name], domain="com.microsoft")
        values = np.concatenate([v for v, _ in blocks])
        packed = (values[:, 0::2] | values[:, 1::2] << 4).reshape(outputs, inputs // BLOCK, BLOCK // 2)
        scales = np.concatenate([s for _, s in blocks])
        product = self._node(
            "MatMulNBits",
            [x, self._tensor(name + ".w", packed), self._tensor(name + ".s", scales)],
            domain="com.microsoft",
            K=inputs,
            N=outputs,
            bits=4,
            block_size=BLOCK,
            accuracy_level=4,
        )
        return self._node("Add", [product, bias_name])

    # -- graph bookkeeping ------------------------------------------------------------------------------------
    def _node(self, op: str, inputs: Sequence[str], *, domain: str = "", **attributes: Any) -> str:
        return self._nodes_out(op, inputs, 1, domain=domain, **attributes)[0]

    def _nodes_out(
        self, op: str, inputs: Sequence[str], count: int, *, domain: str = "", **attributes: Any
    ) -> list[str]:
        names = [f"n{len(self._nodes)}_{i}" for i in range(count)]
        self._nodes.append(self._o.helper.make_node(op, list(inputs), names, domain=domain, **attributes))
        return names

    def _tensor(self, name: str, array: NDArray[Any]) -> str:
        if array.nbytes < 1024:
            self._tensors.append(self._o.numpy_helper.from_array(np.ascontiguousarray(array), name))
            return name
        start = self._start()
        self._file.write(np.ascontiguousarray(array).tobytes())
        kind = self._o.helper.np_dtype_to_tensor_dtype(array.dtype)
        return self._external(name, kind, list(array.shape), start)

    def _start(self) -> int:
        at = self._file.tell()
        self._file.write(b"\0" * (-at % _ALIGN))
        return self._file.tell()

    def _external(self, name: str, kind: int, shape: list[int], start: int) -> str:
        tensor = self._o.TensorProto(name=name, data_type=kind, dims=shape)
        tensor.data_location = self._o.TensorProto.EXTERNAL
        for key, value in self._location(start):
            tensor.external_data.add(key=key, value=value)
        self._tensors.append(tensor)
        return name

    def _location(self, start: int) -> Iterator[tuple[str, str]]:
        yield "location", WEIGHTS_FILE
        yield "offset", str(start)
        yield "length", str(self._file.tell() - start)
