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
        TypeError: `run` has no Keras model, or `layers` is not a dict.
        ValueError: the branches are not known, or there is no such layer, or it is called several
            times or last.

    >>> import keras_seg
    >>> model = models.build("contextnet_cn14_160", (32, 32, 3), num_classes=2)
    >>> found = branches(keras_seg.Segmenter(model), np.zeros((32, 32, 3), "uint8"))
    >>> list(found.labels)
    ['context only', 'detail only', 'all branches']
    """
    # An augmented segmenter has another one as `segmenter`, and is no run.
    is_run = hasattr(run, "segmenter") and not hasattr(run, "probabilities")
    segmenter = run.segmenter() if is_run else run
    network = getattr(segmenter, "network", None)
    if network is None:
        raise TypeError(
            "`branches` needs a run, or the segmenter of one Keras model. Received: "
            f"{type(run).__name__}. Pass keras_seg.Segmenter(model); of an ensemble, one by one."
        )
    if layers is not None and not isinstance(layers, dict):
        raise TypeError(
            "`branches` needs layers as a dict of names of branches to names of layers. "
            f"Received: layers={layers!r}. Pass {{'context': '<name of a layer>', ...}}."
        )
    layers = dict(layers or _branches_of(network))
    known = {layer.name for layer in network.layers}
    for layer in layers.values():
        _check.one_of(f"layer of network '{network.name}'", "layers", layer, known)
    outputs = [_output(network, layer) for layer in layers.values()]
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


def _output(network, name):
    """The output of a layer that is called once, before the last one."""
    nodes = [node for node in _nodes(network) if node.operation.name == name]
    last = any(x is y for node in nodes for x in node.output_tensors for y in network.outputs)
    if len(nodes) != 1 or last:
        reason = "whose output is the network's" if last else f"which is called {len(nodes)} times"
        raise ValueError(
            "`branches` needs layers with one output each, from which the network goes on. "
            f"Received: '{name}' of '{network.name}', {reason}. Pass a layer before it."
        )
    return nodes[0].output_tensors[0]


def _nodes(network):
    return [node for nodes in network._nodes_by_depth.values() for node in nodes]


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
