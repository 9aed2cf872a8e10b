"""Which layers of a network lose accuracy in 8 bits."""

import keras
import numpy as np
import pandas as pd
from keras import layers, ops

from keras_seg import _check
from keras_seg.export import eight_bit_graph, exportable, picture_batches, simulation
from keras_seg.inference.one_picture import fast_batch
from keras_seg.layers import FakeQuantization, QuantizedKernel


def int8_layers(model, data, *, size=None, num_pictures=8):
    """What each layer loses in 8 bits, if it alone is rounded.

    Kernels and maps are rounded as in the network's int8 file, see `keras_seg.finetune_int8`.

    Args:
        model: keras.Model from pixels 0..255 to logits, or a `keras_seg.Run`.
        data: a data set, whose split "val" is used (without one, "train"); or pictures as
            `calibration` of `tflite`.
        size: (height, width) to which pictures are resized; None for that of the model, or of the
            first picture.
        num_pictures: number of pictures, on which ranges are measured, too.

    Returns:
        pandas DataFrame, the worst first, with a row for each kernel and each map that is rounded:
        - layer: name of the layer, or of the activation that is merged into it;
        - rounded: "kernel" or "output";
        - changed_labels: share of the pixels whose label changes, 0..1;
        - sqnr_db: ratio of signal to rounding noise in decibels: mean power of the result in
          floating point over that of its error, averaged over channels as noise over signal. For a
          kernel, of the result of its layer. A map whose channels have ranges of very different
          sizes has a low one.

    Raises:
        ValueError: a layer cannot be simulated, or there are no pictures.

    >>> table = int8_layers(run, data)  # doctest: +SKIP
    >>> table.head()  # doctest: +SKIP
    """
    _check.positive_integer("int8_layers", "num_pictures", num_pictures)
    network = exportable.logits_model(getattr(model, "model", model))
    pictures = _pictures(network, data, size, num_pictures)
    merged = eight_bit_graph.merged(network, pictures)
    places = _Places(simulation.ranges_of(merged, pictures))
    switched = eight_bit_graph.rounded(merged, places.kernel, places.quantizer)
    outputs = [switched.outputs[0], *(places.powers[place] for place in range(len(places.names)))]
    measured = keras.Model(switched.inputs[0], outputs)

    powers, expected = [0.0] * len(places.names), []
    for picture in pictures:
        batch = fast_batch(measured, picture[np.newaxis])
        logits, *found = measured.predict_on_batch(batch)
        expected.append(np.argmax(logits[:1], -1))
        powers = [before + np.asarray(now)[0] for before, now in zip(powers, found, strict=True)]
    rows = []
    for place, (name, kind) in enumerate(picture_batches.bar(places.names, "round layers")):
        places.switch_on(place)
        batches = [fast_batch(switched, picture[np.newaxis]) for picture in pictures]
        labels = [np.argmax(switched.predict_on_batch(batch)[:1], -1) for batch in batches]
        changed = np.mean(np.stack(labels) != np.stack(expected))
        rows.append((name, kind, float(changed), _decibels(powers[place])))
    table = pd.DataFrame(rows, columns=["layer", "rounded", "changed_labels", "sqnr_db"])
    order = ["changed_labels", "sqnr_db"]
    return table.sort_values(order, ascending=[False, True], ignore_index=True)


def _pictures(model, data, size, count):
    if hasattr(data, "eval_batches"):
        data = data.eval_batches("val" if "val" in data.splits else "train", 1)
    height, width, channels = model.input_shape[1:]
    sides = tuple(size) if size is not None else (height, width)
    taken = picture_batches.take_pictures("int8_layers", data, count, (*sides, channels))
    first = taken[0].shape[:2]
    return np.stack([picture_batches.resized(x[np.newaxis], first)[0] for x in taken]).astype(
        "float32"
    )


def _decibels(powers):
    signal, noise = np.asarray(powers)
    used = signal > 0
    share = np.mean(noise[used] / signal[used]) if used.any() else 0.0
    return float(-10 * np.log10(share)) if share > 0 else np.inf


class _Places:
    """The places where a network is rounded; none, or one of them, is switched on."""

    def __init__(self, ranges):
        self.ranges = ranges
        self.names, self.powers = [], {}
        self.on = keras.Variable(-1, dtype="int32", trainable=False)

    def switch_on(self, place):
        self.on.assign(place)

    def kernel(self, layer, x, *_):
        return self._place(layer.name, "kernel")(layer(x), QuantizedKernel(layer)(x))

    def quantizer(self, name, fixed, _=1):
        rounds = FakeQuantization(*(fixed or self.ranges[name]), momentum=1)
        choose = self._place(name, "output")

        def quantize(x, measure=True, halves=None):
            return choose(x, rounds(x), measure)

        return quantize

    def _place(self, name, kind):
        place = len(self.names)
        switch = _Switch(self.on, place)
        self.names.append((name, kind))

        def choose(x, rounded, measure=True):
            if measure:
                self.powers[place] = _POWERS([*_listed(x), *_listed(rounded)])
            pairs = zip(_listed(x), _listed(rounded), strict=True)
            chosen = [switch([one, other]) for one, other in pairs]
            return chosen if isinstance(x, list) else chosen[0]

        return choose


class _Switch(layers.Layer):
    """The second of two maps where its place is switched on, else the first."""

    def __init__(self, on, place):
        super().__init__()
        self.on, self.place = on, place

    def call(self, inputs):
        x, rounded = inputs
        return ops.where(ops.equal(self.on, self.place), rounded, x)

    def compute_output_shape(self, input_shape):
        return input_shape[0]


def _listed(x):
    return x if isinstance(x, list) else [x]


def _power_of_channels(maps):
    """Power of each channel of the first half of the maps, and of what the others differ by."""
    half = len(maps) // 2
    given, rounded = maps[:half], maps[half:]
    noise = [other - x for x, other in zip(given, rounded, strict=True)]
    sums = [
        ops.concatenate([ops.sum(ops.square(x), range(x.ndim - 1)) for x in part], 0)
        for part in (given, noise)
    ]
    return ops.stack(sums)[None]


_POWERS = layers.Lambda(_power_of_channels, output_shape=(2, None))
