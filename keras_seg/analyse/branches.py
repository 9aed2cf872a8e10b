"""What each branch of a network contributes, as in figure 2 of ContextNet's paper."""

from typing import NamedTuple

import keras
import numpy as np

from keras_seg import _check, models
from keras_seg.show import show_labels


class Branches(NamedTuple):
    """Label maps of a picture with all branches of a network, and with one at a time.

    Attributes:
        image: the picture, uint8 (h, w, c).
        labels: uint8 class ids (h, w) by "<branch> only", and by "all branches".
        class_names: one name per class.
        palette: one color (r, g, b) in 0..255 per class, or None.
    """

    image: np.ndarray
    labels: dict
    class_names: tuple
    palette: list | None

    def show(self):
        """Draw the picture and the label maps side by side.

        Returns:
            Figure.
        """
        return show_labels(self.image, self.labels, self.class_names, self.palette)

    def _repr_png_(self):
        return self.show()._repr_png_()


def branches(run, picture, layers=None):
    """Segment a picture with one branch of a network at a time, the outputs of the others zero.

    R. Poudel, U. Bonde, S. Liwicki, C. Zach: ContextNet, BMVC 2018, arXiv 1805.04554, figure 2:
    the context branch finds large objects, the detail branch their borders.

    Args:
        run: `keras_seg.Run`, or a `Segmenter`.
        picture: path of a picture, or an array of pixels 0..255.
        layers: dict of a branch's name to the name of the layer with its output; None for networks
            that have branches by definition, such as those of ContextNet and Fast-SCNN.

    Returns:
        `Branches`.

    Raises:
        ValueError: the branches are not known, or there is no such layer.

    >>> import keras_seg
    >>> model = models.build("contextnet_cn14_160", (32, 32, 3), num_classes=2)
    >>> found = branches(keras_seg.Segmenter(model), np.zeros((32, 32, 3), "uint8"))
    >>> list(found.labels)
    ['context only', 'detail only', 'all branches']
    """
    segmenter = run.segmenter() if hasattr(run, "segmenter") else run
    network = segmenter.network
    layers = dict(layers or _branches_of(network))
    known = {layer.name for layer in network.layers}
    for layer in layers.values():
        _check.one_of(f"layer of network '{network.name}'", "layers", layer, known)
    outputs = [network.get_layer(layer).output for layer in layers.values()]
    image = segmenter.read(picture)
    batch = keras.ops.convert_to_tensor(image[None], "float32")
    features = keras.Model(network.input, outputs)(batch, training=False)
    fused = keras.Model([network.input, *outputs], network.output)
    labels = {}
    for kept in (*layers, None):
        values = [
            value if kept in (name, None) else keras.ops.zeros_like(value)
            for name, value in zip(layers, keras.tree.flatten(features), strict=True)
        ]
        logits = fused([batch, *values], training=False)
        found = keras.ops.convert_to_numpy(keras.ops.argmax(logits, axis=-1))
        labels[f"{kept} only" if kept else "all branches"] = found[0].astype(np.uint8)
    return Branches(image, labels, segmenter.class_names, segmenter.palette)


def _branches_of(network):
    """The branches of a network by definition, found by their layers: names of models vary."""
    known = {layer.name for layer in network.layers}
    defined = {name: dict(models.facts(name).branches) for name in models.names()}
    found = [x for x in defined.values() if x and known.issuperset(x.values())]
    if not found:
        raise ValueError(
            "`branches` needs a network with branches that are fused. Received: "
            f"'{network.name}'. Pass layers={{'context': '<name of a layer>', ...}}, or use one of "
            f"{[name for name, branches in defined.items() if branches]}."
        )
    return max(found, key=len)
