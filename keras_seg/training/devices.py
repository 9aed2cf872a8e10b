"""Training on several devices: each takes its part of every batch, with the results of one."""

import contextlib
import functools
from typing import Any

import keras
import numpy as np

from keras_seg.models.cloning import clone, copied
from keras_seg.training.shares import parts_of, share_of_loss, with_summed_gradients


class Devices:
    """Where Keras itself computes: the base class, which changes nothing.

    Attributes:
        names: names of the devices, None where Keras chooses.
        count: number of the parts of a batch.

    >>> Devices().count
    1
    """

    names: list | None = None
    count: int = 1

    def scope(self):
        """The context in which a network is built, compiled and trained."""
        return contextlib.nullcontext()

    def copy(self, network):
        """The network that is trained on the devices: a copy, or the network itself."""
        return network

    def loss(self, loss):
        """The loss of a device's part of a batch."""
        return loss

    def optimizer(self, kind):
        """The class of the optimizer that sums the gradients of the devices."""
        return kind

    def batches(self, batches):
        """What `keras.Model.fit` takes for these batches."""
        return batches


class _Several(Devices):
    """Devices that were named: what both backends share."""

    def __init__(self, names):
        self.names, self.count = names, len(names)

    def copy(self, network):
        if not isinstance(network, keras.Sequential) and not hasattr(network, "inputs"):
            raise ValueError(
                "`fit` copies a model to several devices by its layers. Received: "
                f"'{network.name}' of type {type(network).__name__}, which does not tell them. "
                "Build it with the functional interface, or leave devices out."
            )
        with self.scope():
            made, _ = clone(network, copied)
        return made


class Mirrored(_Several):
    """Devices of TensorFlow, each with the same weights: `tf.distribute.MirroredStrategy`.

    Args:
        names: names of the devices.
    """

    def __init__(self, names):
        super().__init__(names)
        self.strategy = _strategy(tuple(names))

    def scope(self):
        return self.strategy.scope()

    def copy(self, network):
        made = super().copy(network)
        for layer in made._flatten_layers(include_self=False):
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True  # Of Keras's own layers; ours always are.
        return made

    def loss(self, loss):
        return share_of_loss(loss)

    def optimizer(self, kind):
        return with_summed_gradients(kind)

    def batches(self, batches):
        return self.strategy.distribute_datasets_from_function(
            lambda _: parts_of(batches, self.count)
        )


@functools.cache
def _strategy(names):
    """One strategy for each choice of devices: TensorFlow keeps a group of devices for each."""
    import tensorflow as tf

    on_cpu = all(name.startswith("cpu") for name in names)
    # On CPUs, TensorFlow's collective operations refuse a second group of another size.
    across = tf.distribute.ReductionToOneDevice() if on_cpu else None
    return tf.distribute.MirroredStrategy(names, across)


class Sharded(_Several):
    """Devices of JAX: the compiler divides the step, `keras.distribution.DataParallel`.

    Args:
        names: names of the devices.
    """

    def __init__(self, names):
        super().__init__(names)
        self.distribution = keras.distribution.DataParallel(devices=names)

    def scope(self):
        return self.distribution.scope()


def devices_for(devices, recipes):
    """The devices that the argument `devices` of `fit` names.

    Args:
        devices: number of devices, or a list of names as in `keras.distribution.list_devices()`;
            None for Keras's own choice.
        recipes: the `Recipe`s of the trainings that follow one another.

    Returns:
        `Devices`.

    Raises:
        TypeError: `devices` is something else.
        ValueError: there are fewer devices, a name is unknown or given twice, a batch cannot be
            divided among them, or the backend or a recipe does not work on several devices.

    >>> from keras_seg.training.recipes import recipe
    >>> devices_for(None, [recipe("small_data")]).names is None
    True
    """
    if devices is None:
        return Devices()
    backend = keras.backend.backend()
    if backend not in ("tensorflow", "jax"):
        raise ValueError(
            "`fit` trains on several devices with TensorFlow and JAX. Received: "
            f"devices={devices!r} with KERAS_BACKEND={backend}. Set KERAS_BACKEND=jax or "
            "tensorflow before Python starts, or leave devices out."
        )
    names = _names(devices)
    for recipe in recipes:
        if recipe.batch_size % len(names):
            near = max(recipe.batch_size // len(names), 1) * len(names)
            raise ValueError(
                "`fit` needs a batch size that is a multiple of the number of devices, which share "
                f"each batch. Received: batch_size={recipe.batch_size} and {len(names)} devices. "
                f"For example, pass batch_size={near}."
            )
        if backend == "tensorflow":
            _check_mirrored(recipe, names)
    return Mirrored(names) if backend == "tensorflow" else Sharded(names)


def _names(devices: Any):
    """The names of the devices, checked."""
    existing = keras.distribution.list_devices()
    if isinstance(devices, list | tuple) and all(isinstance(name, str) for name in devices):
        names = [name.lower().removeprefix("/") for name in devices]
        known = set(existing) | set(keras.distribution.list_devices("cpu"))
    elif isinstance(devices, int | np.integer) and not isinstance(devices, bool):
        if not 1 <= devices <= len(existing):
            raise ValueError(
                "`fit` needs a number of devices from 1 to that of the devices there are. "
                f"Received: devices={devices}, and there are {len(existing)}: {existing}. "
                + _MORE[keras.backend.backend()]
            )
        return existing[:devices]
    else:
        raise TypeError(
            "`fit` needs devices as a number, or as a list of names. Received: "
            f"devices={devices!r}. For example, pass 2, or {existing[:2]}."
        )
    if not names or len(set(names)) < len(names) or not known.issuperset(names):
        raise ValueError(
            "`fit` needs names of different devices that exist. Received: "
            f"devices={devices!r}. There are: {sorted(known)}."
        )
    return names


_MORE = {
    "tensorflow": "To try several on one processor, call "
    "tf.config.set_logical_device_configuration before TensorFlow is used.",
    "jax": "To try several on one processor, set "
    "XLA_FLAGS=--xla_force_host_platform_device_count=4.",
}


def _check_mirrored(recipe, names):
    """Raise for what Keras's optimizers do not do within `tf.distribute`."""
    if recipe.accumulate > 1:
        received = f"accumulate={recipe.accumulate}"
        advice = "Enlarge batch_size and leave accumulate out"
    elif recipe.precision == "mixed_float16":
        received, advice = "precision='mixed_float16'", "Pass precision='mixed_bfloat16'"
    else:
        return
    raise ValueError(
        "`fit` on several devices with TensorFlow updates the weights at every step, without "
        f"accumulation and without a loss scale. Received: {received} and devices={names}. "
        f"{advice}, or set KERAS_BACKEND=jax before Python starts."
    )


def require_equal_batches(batches, count):
    """Raise unless all batches are known to have a size that devices can share.

    Args:
        batches: `tf.data.Dataset` of (pictures (b, ...), labels (b, ...)).
        count: number of devices.

    Raises:
        ValueError: they have not.
    """
    size = batches.element_spec[0].shape[0]
    if count > 1 and (size is None or size % count):
        raise ValueError(
            "`fit` needs batches of one known size on several devices, a multiple of their number. "
            f"Received: batches of {'different sizes' if size is None else size} pictures for "
            f"{count} devices. Use .batch({count}, drop_remainder=True), or a multiple."
        )


def copy_variables(network, to):
    """Give a copy of a network the weights, and the states of dropout layers, of the network.

    Args:
        network: a `keras.Model`.
        to: what `Devices.copy` made of it; nothing happens if that is the network itself.
    """
    if to is not network:
        for variable, other in zip(network.variables, to.variables, strict=True):
            other.assign(keras.ops.convert_to_numpy(variable))
