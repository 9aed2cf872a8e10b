"""The network of a training: built, compiled with its recipe, and given its batches."""

import keras
import numpy as np

from keras_seg import models
from keras_seg.inference.compiled import logits_model
from keras_seg.training import recipes
from keras_seg.training.accumulate import accumulated, small_batches


def network_for(model, data, recipe):
    """The network to train, with auxiliary heads if the recipe has a weight for them.

    Args:
        model: name of an architecture, or a `keras.Model`.
        data: a data set.
        recipe: a `Recipe` with its crop size filled in.

    Returns:
        `keras.Model`.

    Raises:
        ValueError: a built model does not match the data or the recipe.
    """
    if isinstance(model, keras.Model):
        _check_fits(logits_model(model), data, recipe.crop_size)
        _check_precision(model, recipe)
        return model
    return _built(model, data, recipe, _policy(recipe))


def scored_network(model, network, data, recipe):
    """The network that is scored and saved: the trained one, or a float32 copy of it.

    Args:
        model: name of an architecture, or a built `keras.Model`.
        network: the result of `network_for`.
        data: a data set.
        recipe: a `Recipe` with its crop size filled in.

    Returns:
        `keras.Model`; a twin has weights of its own.
    """
    if isinstance(model, keras.Model) or not _policy(recipe).startswith("mixed_"):
        return network
    return _built(model, data, recipe, "float32")


def _built(name, data, recipe, policy):
    options = {"freeze": recipe.freeze} if recipe.freeze else {}
    options |= recipe.options
    shape = (*(None,) * len(recipe.crop_size), data.num_channels)
    if recipe.auxiliary_weight and models.has_option(name, "auxiliary_head"):
        options["auxiliary_head"] = True
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        return models.build(name, shape, data.num_classes, **options)
    finally:
        keras.config.set_dtype_policy(before)


def _policy(recipe):
    """The name of the layers' dtype policy; float32 means the user's own."""
    if recipe.precision != "float32":
        return recipe.precision
    return keras.config.dtype_policy().name


def compile_network(network, data, recipe, steps, devices=None):
    """Give a network the optimizer and the losses of a recipe.

    Args:
        network: `keras.Model`, compiled in place.
        data: the data set, for class weights and the ignored class.
        recipe: a `Recipe`.
        steps: batches of an epoch.
        devices: the `Devices` that share each batch, None for Keras's own choice.

    Returns:
        the loss of the logits, as it is without accumulation, auxiliary heads and devices.
    """
    weights, heads = recipe.class_weights, _heads(network)
    if isinstance(weights, dict):
        weights = data.class_weights(**weights)
    loss = recipes.loss(recipe, data.num_classes, data.ignore_class, weights)
    plain = loss
    if recipe.accumulate > 1:
        loss = accumulated(loss, recipe.accumulate)
    loss = devices.loss(loss) if devices else loss
    loss_weights = None
    if heads:
        loss_weights = dict.fromkeys(heads, recipe.auxiliary_weight) | {"logits": 1.0}
        loss = dict.fromkeys(heads, loss)
    network.compile(
        recipes.optimizer(recipe, network, steps, devices),
        loss,
        loss_weights=loss_weights,
        # On a CPU, XLA makes TensorFlow's depthwise convolutions slower.
        jit_compile="auto" if keras.backend.backend() == "jax" else False,
    )
    return plain


def batches_for(network, data, recipe, seed, first_epoch, epochs):
    """The training batches, in the structure of the network's outputs.

    Args:
        network: `keras.Model`.
        data: the data set.
        recipe: a `Recipe` with its crop size filled in.
        seed: the seed.
        first_epoch: number of the first epoch, from 0.
        epochs: how many epochs.

    Returns:
        `tf.data.Dataset`.
    """
    batches = data.train_batches(
        recipe.batch_size * recipe.accumulate,
        augmentation(recipe),
        seed=seed,
        first_epoch=first_epoch,
        epochs=epochs,
    )
    if recipe.accumulate > 1:
        batches = small_batches(batches, recipe.accumulate)
    heads = _heads(network)
    if not heads:
        return batches
    return batches.map(lambda image, *labels: (image, *(dict.fromkeys(heads, x) for x in labels)))


def create_loss_metrics(network, batches):
    """Create the metrics in which Keras averages the loss of each output.

    Keras creates them within the first step, and TensorFlow traces a step that creates variables
    twice, which takes seconds.

    Args:
        network: a compiled `keras.Model`.
        batches: what it is trained with, from `batches_for`.
    """
    if not _heads(network):
        return
    outputs = dict(network.output)
    _, labels, *weights = batches.element_spec

    def zeros(shape, dtype):
        return np.zeros([side or 32 for side in shape], dtype)

    y = {name: zeros(spec.shape, spec.dtype.name) for name, spec in labels.items()}
    found = {
        name: zeros((*y[name].shape, outputs[name].shape[-1]), outputs[name].dtype) for name in y
    }
    whole = [{name: zeros(x.shape, x.dtype.name) for name, x in w.items()} for w in weights]
    network.compute_loss(y=y, y_pred=found, sample_weight=whole[0] if whole else None)


def augmentation(recipe):
    """The augmentation of a recipe with the crop size filled in where an op crops.

    Args:
        recipe: a `Recipe` with its crop size filled in.

    Returns:
        list of ops, or of pairs (name, arguments).
    """
    crop = dict(zip(("width", "height", "depth"), reversed(recipe.crop_size), strict=False))
    return [
        (op[0], {**op[1], **crop}) if not callable(op) and "crop" in op[0] else op
        for op in recipe.augmentation
    ]


def _heads(network):
    """Names of the outputs, where they are a dict; a Sequential model has no `output` at all."""
    output = getattr(network, "output", None)
    return tuple(output) if isinstance(output, dict) else ()


def _check_fits(model, data, size):
    classes, channels = model.output_shape[-1], model.input_shape[-1]
    if (classes, channels) != (data.num_classes, data.num_channels):
        raise ValueError(
            f"`fit` needs a model for {data.num_channels} channels and {data.num_classes} classes, "
            f"as in data set '{data.name}'. Received: a model with {channels} "
            f"channels and {classes} classes. Build it with num_classes={data.num_classes}."
        )
    if len(model.output_shape) == 2:
        _check_fixed(model, data, size)
        return
    known, found = model.input_shape[1:-1], model.output_shape[1:-1]
    if None in known and len(known) == len(size):
        picture = keras.KerasTensor((1, *size, channels), dtype=model.inputs[0].dtype)
        known, found = size, model.compute_output_spec(picture).shape[1:-1]
    if any(None not in pair and pair[0] != pair[1] for pair in zip(known, found, strict=True)):
        raise ValueError(
            f"`fit` needs a model whose logits have the size of the picture. Received: "
            f"'{model.name}' with logits of {tuple(found)} for a picture of {tuple(known)}. Resize "
            "them with keras_seg.layers.ResizeLike()([logits, image])."
        )


def _check_fixed(model, data, size):
    """Raise if a classifier of one size is given pictures of another."""
    fixed = model.input_shape[1:-1]
    if any(want not in (None, have) for want, have in zip(fixed, size, strict=False)):
        raise ValueError(
            f"`fit` needs pictures of the size that the model takes. Received: '{model.name}' for "
            f"{tuple(fixed)}, and data '{data.name}' with pictures or crops of {tuple(size)}. "
            f"Read them with size={tuple(fixed)}, or pass crop_size={tuple(fixed)}."
        )


def _check_precision(model, recipe):
    if recipe.precision != "float32":
        raise ValueError(
            "`fit` builds networks in mixed precision when they are given by name. Received: "
            f"precision='{recipe.precision}' and the built model '{model.name}'. Build it after "
            f"keras.config.set_dtype_policy('{recipe.precision}') and leave precision out."
        )
