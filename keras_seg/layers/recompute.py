"""Training in less memory: blocks whose intermediate maps are recomputed instead of kept."""

from typing import Any

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("keras_seg")
class Recompute(layers.Layer):
    """Runs a block, keeps its input and output only, and recomputes the rest in the backward pass.

    Training uses the intermediate maps of a block in the forward pass and again for the gradient.
    `keras.remat` (on TensorFlow, `_remat` below) recomputes them in between, which costs one more
    pass through the block and saves their memory. Dropout draws the same mask both times, and
    moving statistics are updated once. At inference the block is run unchanged.

    Args:
        block: functional model, one output.
        passes: also return the inputs, for the layers that use them next. Where maps are used many
            times, as in a dense block, each use then adds its gradient to that of the next one;
            otherwise all these gradients are kept until the last one is computed.
        **kwargs: name, dtype and the like, see `keras.layers.Layer`.

    Call arguments:
        inputs: what the block takes: a tensor, or a list of them.
        training: whether to train.

    Returns:
        What the block returns; with `passes`, a list of that and the inputs.

    >>> x = keras.Input((8, 8, 3))
    >>> block = keras.Model(x, layers.Conv2D(4, 3, padding="same", activation="relu")(x))
    >>> tuple(Recompute(block)(keras.ops.ones((1, 8, 8, 3)), training=True).shape)
    (1, 8, 8, 4)
    """

    def __init__(self, block, passes=False, **kwargs):
        super().__init__(**kwargs)
        self.block = block
        self.passes = passes
        self.built = True

    @property
    def layers(self):
        """The layers inside, as a model has them."""
        return self.block.layers

    def call(self, inputs, training=None):
        maps = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
        if not training:
            outputs = self.block(inputs, training=False)
            return [outputs, *maps] if self.passes else outputs
        # Copies: on TensorFlow a variable's value is the variable itself, and would be read where
        # it is used, which can be after its update.
        trainable, state = (
            [ops.copy(variable.value) for variable in variables]
            for variables in (self.block.trainable_variables, self.block.non_trainable_variables)
        )

        # All that a gradient flows to is an argument and all state is an input and an output:
        # a function without side effects gives the same numbers however often it runs.
        def run(*tensors):
            inside = list(tensors[: len(maps)])
            outputs, state_after = self.block.stateless_call(
                list(tensors[len(maps) :]),
                state,
                inside if isinstance(inputs, list | tuple) else inside[0],
                training=True,
            )
            return outputs, inside if self.passes else [], state_after

        remat = _remat if keras.backend.backend() == "tensorflow" else keras.remat
        outputs, passed, state_after = remat(run)(*maps, *trainable)
        for variable, value in zip(self.block.non_trainable_variables, state_after, strict=True):
            variable.assign(value)
        return [outputs, *passed] if self.passes else outputs

    def compute_output_spec(self, inputs, training=None):
        made = self.block.compute_output_spec(inputs)
        if not self.passes:
            return made
        maps = inputs if isinstance(inputs, list | tuple) else [inputs]
        return [made, *(keras.KerasTensor(x.shape, dtype=x.dtype) for x in maps)]

    def get_config(self):
        block = keras.saving.serialize_keras_object(self.block)
        return {**super().get_config(), "block": block, "passes": self.passes}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        config["block"] = keras.saving.deserialize_keras_object(config["block"])
        return cls(**config)


def _remat(function) -> Any:
    """`keras.remat` for TensorFlow, with less to compute and to keep.

    There Keras uses `tf.recompute_grad`, which makes every argument depend on the incoming
    gradient, so that nothing is recomputed too early. For that it copies each of them: all maps of
    a dense block, and all weights. It is enough to do this for the first one, which every block
    needs for its first layer.

    Args:
        function: takes tensors, returns a structure of tensors, reads and writes no variable.

    Returns:
        The function, with a gradient that computes it again.
    """
    import tensorflow as tf

    @tf.custom_gradient
    def run(*tensors):
        def gradient(*arriving):
            first, *others = tensors
            one = tf.reshape(arriving[0], [-1])[:1]
            # Always 0, but graph optimizers cannot derive that.
            nothing = tf.where(tf.reduce_all(one == one), 0.0, float("nan"))
            inside = [first + tf.cast(nothing, first.dtype), *others]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(inside)
                again = tf.nest.flatten(function(*inside))
            found = tape.gradient(
                again,
                inside,
                output_gradients=list(arriving),
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )
            # Nothing goes on before all of this is done: what a gradient of a weight still waits
            # for would stay in memory beside the next block.
            with tf.control_dependencies(found):
                return [tf.identity(gradient) for gradient in found]

        return function(*tensors), gradient

    return run
