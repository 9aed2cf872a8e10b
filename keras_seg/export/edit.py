"""Changes .tflite files after their conversion: inputs, outputs, weights, metadata.

What is changed here is the same for every precision, and the converter cannot do it or not well:
it stores the weights of each signature once more, and has no 8-bit weights with computation in
floating point.
"""

import copy
from pathlib import Path
from typing import Any

import numpy as np

from keras_seg.inference.headless import packed

SCORES, LABELS = "logits", "labels"
_MIN_WEIGHTS = 1024  # smaller kernels are not worth an operation more
# The axis of a kernel that has a scale for each of its entries: that of the output channels.
_CHANNEL_AXIS = {"CONV_2D": 0, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 0, "DEPTHWISE_CONV_2D": 3}


class File:
    """The contents of a .tflite file, to be changed and written.

    Args:
        path: the file, with one subgraph, as TensorFlow's converter or ai-edge-quantizer writes it.
    """

    def __init__(self, path):
        from ai_edge_litert import schema_py_generated as schema

        self.schema: Any = schema
        content = Path(path).read_bytes()
        self.model: Any = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        for buffer in self.model.buffers:
            if buffer.offset > 1:  # the weights lie behind the schema's part of the file
                end = buffer.offset + buffer.size
                buffer.data = np.frombuffer(content[buffer.offset : end], np.uint8)
                buffer.offset = buffer.size = 0

    @property
    def graph(self):
        """The first subgraph."""
        return self.model.subgraphs[0]

    def write(self, path):
        """Write the file; weights begin at multiples of 16 bytes, as in the converter's files.

        Args:
            path: where to write.
        """
        Path(path).write_bytes(packed(self.model))

    def take_uint8(self):
        """Take uint8 pixels, of which a first operation makes the float32 or int8 of the input."""
        (pixels,) = self.graph.inputs
        types = self.schema.TensorType
        if self.graph.tensors[pixels].type == types.UINT8:
            return
        if self.graph.tensors[pixels].type == types.INT8:
            taken = self._as_uint8(pixels)
            self._insert("QUANTIZE", [taken], [pixels], 0, 2)
        else:
            tensor = copy.copy(self.graph.tensors[pixels])
            tensor.type, tensor.name = types.UINT8, b"image_uint8"
            taken = self._add_tensor(self.graph, tensor)
            operator = self._cast(taken, pixels, types.UINT8, types.FLOAT32)
            self.graph.operators.insert(0, operator)
        self.graph.inputs = [taken]
        self._signature().inputs[0].tensorIndex = taken

    def give_uint8_scores(self):
        """Give uint8 instead of int8 scores, which browsers do not take.

        An enlargement at the end is computed in uint8, so that the small map is converted.
        """
        (scores,) = self.graph.outputs
        last = self.graph.operators[-1]
        code = self.model.operatorCodes[last.opcodeIndex]
        resizes = self.schema.BuiltinOperator.RESIZE_BILINEAR
        if max(code.builtinCode, code.deprecatedBuiltinCode) == resizes:
            small = self._as_uint8(last.inputs[0])
            self._insert("QUANTIZE", [last.inputs[0]], [small], len(self.graph.operators) - 1, 2)
            last.inputs = [small, *last.inputs[1:]]
            self._make_uint8(self.graph.tensors[scores])
            return
        converted = self._as_uint8(scores)
        self._insert("QUANTIZE", [scores], [converted], len(self.graph.operators), 2)
        self.graph.outputs = [converted]
        self._signature().outputs[0].tensorIndex = converted

    def name_scores(self):
        """Call the signature "scores"."""
        self._signature().signatureKey = b"scores"

    def gives_maps(self):
        """Whether the output has a height and a width."""
        (output,) = self.graph.outputs
        return len(self.graph.tensors[output].shape) > 2

    def give_labels(self, keep_scores):
        """Give label maps: the class with the highest score, found by the file.

        Args:
            keep_scores: whether the scores stay as the first signature "scores", with the labels
                as a second one on the same weights; else labels alone.
        """
        self.name_scores()
        graph, signature = self.graph, self._signature()
        if keep_scores:
            graph, signature = copy.deepcopy(graph), copy.deepcopy(signature)
            graph.name = b"labels"
            signature.subgraphIndex = 1
            self.model.subgraphs.append(graph)
            self.model.signatureDefs.append(signature)
        labels = self._add_argmax(graph)
        graph.outputs = [labels]
        signature.signatureKey = b"labels"
        signature.outputs[0].name, signature.outputs[0].tensorIndex = b"labels", labels

    def quantize_weights(self):
        """Store kernels in 8 bits with a scale for each output channel; computation stays float."""
        names = {number: name for name, number in vars(self.schema.BuiltinOperator).items()}
        quantized = {}
        for operator in list(self.graph.operators):
            code = self.model.operatorCodes[operator.opcodeIndex]
            name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
            if name not in _CHANNEL_AXIS:
                continue
            index = operator.inputs[1]
            values = self._constant(index)
            if values is not None and values.size >= _MIN_WEIGHTS and index not in quantized:
                quantized[index] = self._quantized(index, values, _CHANNEL_AXIS[name])
        for index, source in quantized.items():
            self._insert("DEQUANTIZE", [source], [index], 0, 5)

    def add_metadata(self, name, content):
        """Add an entry to the file's metadata.

        Args:
            name: name of the entry.
            content: its bytes.
        """
        entry = self.schema.MetadataT()
        entry.name, entry.buffer = name.encode(), self._add_buffer(content)
        self.model.metadata = [*(self.model.metadata or []), entry]

    def _signature(self):
        return self.model.signatureDefs[0]

    def _constant(self, index):
        """The float32 values of a tensor that is stored in the file, or None."""
        tensor = self.graph.tensors[index]
        data = self.model.buffers[tensor.buffer].data
        if tensor.type != self.schema.TensorType.FLOAT32 or data is None:
            return None
        values = np.asarray(data, np.uint8).tobytes()
        return np.frombuffer(values, np.float32).reshape(tensor.shape)

    def _quantized(self, index, values, axis):
        """Move the values of a tensor to a new one in 8 bits; its index."""
        others = tuple(n for n in range(values.ndim) if n != axis)
        largest = np.abs(values).max(others, keepdims=True)
        scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
        tensor = copy.copy(self.graph.tensors[index])
        tensor.type = self.schema.TensorType.INT8
        tensor.name = tensor.name + b"_int8"
        tensor.buffer = self._add_buffer(np.rint(values / scale).astype(np.int8).tobytes())
        tensor.quantization = self.schema.QuantizationParametersT()
        tensor.quantization.scale = scale.reshape(-1)
        tensor.quantization.zeroPoint = np.zeros(scale.size, np.int64)
        tensor.quantization.quantizedDimension = axis
        self.model.buffers[self.graph.tensors[index].buffer].data = None
        self.graph.tensors[index].buffer = 0
        return self._add_tensor(self.graph, tensor)

    def _as_uint8(self, index):
        tensor = copy.deepcopy(self.graph.tensors[index])
        self._make_uint8(tensor)
        return self._add_tensor(self.graph, tensor)

    def _make_uint8(self, tensor):
        tensor.type = self.schema.TensorType.UINT8
        tensor.quantization.zeroPoint = np.asarray(tensor.quantization.zeroPoint) + 128

    def _add_argmax(self, graph):
        types, (scores,) = self.schema.TensorType, graph.outputs
        shape = graph.tensors[scores].shape
        axis = self._new_tensor(graph, "axis", [], types.INT32, np.int32(-1).tobytes())
        found = self._new_tensor(graph, "argmax", shape[:-1], types.INT32)
        operator = self._operator("ARG_MAX", [scores, axis], [found], 2)
        operator.builtinOptionsType = self.schema.BuiltinOptions.ArgMaxOptions
        operator.builtinOptions = self.schema.ArgMaxOptionsT()
        operator.builtinOptions.outputType = types.INT32
        graph.operators.append(operator)
        if len(shape) == 2 or shape[-1] > 256:
            return found
        labels = self._new_tensor(graph, LABELS, shape[:-1], types.UINT8)
        graph.operators.append(self._cast(found, labels, types.INT32, types.UINT8))
        return labels

    def _new_tensor(self, graph, name, shape, kind, content=b""):
        tensor = self.schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name.encode(), list(shape), kind
        tensor.buffer = self._add_buffer(content) if content else 0
        return self._add_tensor(graph, tensor)

    def _add_tensor(self, graph, tensor):
        graph.tensors.append(tensor)
        return len(graph.tensors) - 1

    def _add_buffer(self, content):
        buffer = self.schema.BufferT()
        buffer.data = np.frombuffer(content, np.uint8)
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1

    def _cast(self, source, target, from_type, to_type):
        operator = self._operator("CAST", [source], [target], 1)
        operator.builtinOptionsType = self.schema.BuiltinOptions.CastOptions
        operator.builtinOptions = self.schema.CastOptionsT()
        operator.builtinOptions.inDataType = from_type
        operator.builtinOptions.outDataType = to_type
        return operator

    def _insert(self, name, inputs, outputs, place, version):
        self.graph.operators.insert(place, self._operator(name, inputs, outputs, version))

    def _operator(self, name, inputs, outputs, version):
        code = self.schema.OperatorCodeT()
        number = getattr(self.schema.BuiltinOperator, name)
        code.builtinCode = code.deprecatedBuiltinCode = number
        code.version = version
        self.model.operatorCodes.append(code)
        operator = self.schema.OperatorT()
        operator.opcodeIndex = len(self.model.operatorCodes) - 1
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        return operator
