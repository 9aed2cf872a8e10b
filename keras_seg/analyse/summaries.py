"""A table of a network's layers: parameters, multiplications, and the memory of its maps."""

import keras
import numpy as np
import pandas as pd

from keras_seg import _check
from keras_seg.analyse import memory
from keras_seg.analyse.reach import TRANSPOSED
from keras_seg.analyse.walk import walk
from keras_seg.layers import PositionAttention

MIB = 2**20


def summary(model, input_shape=None, batch_size=1):
    """List the layers of a network with parameters, multiplications and memory.

    Multiply-accumulates are those of kernels, without normalization, activation and resizing.
    Memory is that of the maps between layers, without weights and the framework's working memory:
    at inference a map is kept until its last use, and layers such as ReLU work in place; in
    training a map is kept until the gradients that need it are computed. Measured values are
    larger, by the framework itself and by copies that its kernels make.

    Args:
        model: functional model.
        input_shape: (height, width, channels) of the pictures, or (depth, height, width,
            channels); the model's own if None.
        batch_size: pictures per batch.

    Returns:
        `pandas.DataFrame` with a row per layer, by name, in order, and a last row `total`:
        `kind`, `output` (shape), `parameters`, `macs` for the batch, `inference_mib` and
        `training_mib`: memory of the maps alive while the layer runs (in training the larger one
        of forward and backward). `total` has sums, and for memory the peak.

    Raises:
        ValueError: a size is unknown, or does not fit the model.
        TypeError: the model is not a graph of layers.

    >>> x = keras.Input((None, None, 3))
    >>> model = keras.Model(x, keras.layers.Conv2D(4, 3, padding="same", name="conv")(x))
    >>> summary(model, (8, 8, 3)).loc["conv", ["parameters", "macs"]].tolist()  # 64 * 27 * 4
    [112, 6912]
    """
    _check.positive_integer("summary", "batch_size", batch_size)
    found = walk(model)
    tensors = _tensors(model, found, _shape(model, input_shape), batch_size)
    sizes = {number: _bytes(tensor) for number, tensor in tensors.items()}
    inference, training = memory.inference(found, sizes), memory.training(found, sizes)
    rows, counted = [], set()
    for step in found.flat():
        new = [weight for weight in getattr(step.layer, "weights", ()) if id(weight) not in counted]
        counted.update(map(id, new))
        made = tensors[step.outputs[0]]
        rows.append(
            {
                "layer": step.layer.name,
                "kind": type(step.layer).__name__,
                "output": tuple(made.shape),
                "parameters": sum(int(np.prod(weight.shape)) for weight in new),
                "macs": _macs(step.layer, [tensors[n].shape for n in step.inputs], made.shape),
                "inference_mib": inference[id(step)] / MIB,
                "training_mib": training[id(step)] / MIB,
            }
        )
    table = pd.DataFrame(rows).set_index("layer")
    columns = ["inference_mib", "training_mib"]
    table.loc["total"] = {
        "kind": type(model).__name__,
        "output": table["output"].iloc[-1],
        **table[["parameters", "macs"]].sum(),
        **table[columns].max(),
    }
    return table.astype({"parameters": "int64", "macs": "int64"})


def _shape(model, input_shape):
    own = tuple(model.inputs[0].shape[1:])
    shape = own if input_shape is None else input_shape
    listed = isinstance(shape, tuple | list)
    fits = (
        listed
        and len(shape) == len(own)
        and all(want in (None, have) for want, have in zip(own, shape, strict=True))
    )
    if not fits or not all(hasattr(size, "__index__") and size > 0 for size in shape):
        raise ValueError(
            f"`summary` needs every size of a picture, and the model takes {own}. Received: "
            f"input_shape={input_shape!r}. For example, pass (360, 480, 3)."
        )
    return tuple(shape)


def _tensors(model, found, shape, batch_size):
    """A KerasTensor of known shape for each tensor's number."""
    image = model.inputs[0]
    tensors = {found.inputs[0]: keras.KerasTensor((batch_size, *shape), image.dtype)}
    for step in found.flat():
        given = zip(map(id, step.node.input_tensors), step.inputs, strict=True)
        arguments, options = step.node.arguments.fill_in({key: tensors[n] for key, n in given})
        made = step.layer.compute_output_spec(*arguments, **options)
        made = list(made) if isinstance(made, list | tuple) else [made]
        tensors.update(zip(step.outputs, made, strict=True))
    return tensors


def _bytes(tensor):
    width = {"float64": 8, "int64": 8, "float16": 2, "bfloat16": 2, "uint8": 1, "bool": 1}
    return int(np.prod(tensor.shape)) * width.get(tensor.dtype, 4)


def _macs(layer, inputs, made):
    """Multiply-accumulates of a layer's kernels."""
    given = inputs[0]
    if isinstance(layer, keras.layers.TimeDistributed):
        given, made = ((shape[0] * shape[1], *shape[2:]) for shape in (given, made))
        return _macs(layer.layer, [given], made)
    if isinstance(layer, PositionAttention):
        positions, channels = int(np.prod(given[1:-1])), given[-1]
        parts = (layer.query.units, layer.key.units, layer.value.units)
        pairs = given[0] * positions**2
        return given[0] * positions * channels * sum(parts) + pairs * (parts[0] + channels)
    if isinstance(layer, keras.layers.MultiHeadAttention):
        return _macs_of_heads(layer, given, inputs[min(1, len(inputs) - 1)])
    if isinstance(layer, keras.layers.EinsumDense):
        # Each value is a sum over the axes of the kernel that it has not itself.
        axes, output = layer.equation.replace(" ", "").split(",")[1].split("->")
        sizes = zip(axes, layer.kernel.shape, strict=True)
        return int(np.prod([*made, *(size for axis, size in sizes if axis not in output)]))
    # Each position of a transposed convolution's input is multiplied with the whole kernel.
    positions = int(np.prod((given if isinstance(layer, TRANSPOSED) else made)[:-1]))
    names = ("kernel", "depthwise_kernel", "pointwise_kernel")
    kernels = [getattr(layer, name, None) for name in names]
    return positions * sum(int(np.prod(kernel.shape)) for kernel in kernels if kernel is not None)


def _macs_of_heads(layer, query, value):
    """Multiply-accumulates of the projections, of the scores and of the means of values."""
    wanted, read = (int(np.prod(shape[1:-1])) for shape in (query, value))
    projections = ((layer.query_dense, wanted), (layer.key_dense, read))
    projections += ((layer.value_dense, read), (layer.output_dense, wanted))
    kernels = sum(positions * int(np.prod(x.kernel.shape)) for x, positions in projections)
    seen = int(np.prod([value[axis] for axis in layer.get_config()["attention_axes"]]))
    pairs = wanted * seen * layer.num_heads * (layer.key_dim + layer.value_dim)
    return query[0] * (kernels + pairs)
