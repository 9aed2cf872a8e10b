"""The network of a training: built, compiled with its recipe, and given its batches."""

import contextlib

import keras

from keras_seg import models, recipes
from keras_seg._accumulate import accumulated, small_batches
from keras_seg._compiled import logits_model


def network_for(model, data, recipe):
    """The network to train, with auxiliary heads if the recipe weighs them.

    Args:
        model: name of an architecture, or a `keras.Model`.
        data: a data set.
        recipe: a `Recipe` with its crop size filled in.

    Returns:
        `keras.Model`.

    Raises:
        ValueError: a model that was handed in does not fit the data or the recipe.
    """
    if isinstance(model, keras.Model):
        _check_fits(logits_model(model), data)
        _check_precision(model, recipe)
        return model
    options = dict(recipe.options)
    shape = (*(None,) * len(recipe.crop_size), data.num_channels)
    if recipe.auxiliary_weight and models.has_option(model, "auxiliary_head"):
        options["auxiliary_head"] = True
    with _policy(recipe.precision):
        return models.build(model, shape, data.num_classes, **options)


def full_precision(network):
    """The network itself; or, if it computes in 16 bits, a twin that computes in 32.

    Args:
        network: a functional `keras.Model`.

    Returns:
        `keras.Model` with weights of its own in the second case.
    """
    layers = [x for x in network.layers if x.dtype_policy.compute_dtype != "float32"]
    if not any(x.dtype_policy.name.startswith("mixed_") for x in layers):
        return network

    def clone(layer):
        return layer.__class__.from_config({**layer.get_config(), "dtype": "float32"})

    return keras.models.clone_model(network, clone_function=clone)


def compile_network(network, data, recipe, steps):
    """Give a network the optimizer and the losses of a recipe.

    Args:
        network: `keras.Model`, compiled in place.
        data: the data set, for class weights and the ignored class.
        recipe: a `Recipe`.
        steps: batches of an epoch.
    """
    weights, heads = recipe.class_weights, _heads(network)
    if isinstance(weights, dict):
        weights = data.class_weights(**weights)
    loss = recipes.loss(recipe, data.num_classes, data.ignore_class, weights)
    if recipe.accumulate > 1:
        loss = accumulated(loss, recipe.accumulate)
    loss_weights = None
    if heads:
        loss_weights = dict.fromkeys(heads, recipe.auxiliary_weight) | {"logits": 1.0}
        loss = dict.fromkeys(heads, loss)
    network.compile(
        recipes.optimizer(recipe, network, steps),
        loss,
        loss_weights=loss_weights,
        # On a CPU, XLA makes depthwise convolutions of TensorFlow several times slower.
        jit_compile="auto" if keras.backend.backend() == "jax" else False,
    )


def batches_for(network, data, recipe, seed, first_epoch, epochs):
    """The training batches, in the structure that the network's outputs ask for.

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


@contextlib.contextmanager
def _policy(precision):
    """Build layers under a dtype policy; float32 means the user's own."""
    before = keras.config.dtype_policy()
    if precision != "float32":
        keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _check_fits(model, data):
    classes, channels = model.output_shape[-1], model.input_shape[-1]
    if (classes, channels) != (data.num_classes, data.num_channels):
        raise ValueError(
            f"`fit` needs a model for {data.num_channels} channels and {data.num_classes} classes, "
            f"as in data set '{data.name}'. Received: a model with {channels} "
            f"channels and {classes} classes. Build it with num_classes={data.num_classes}."
        )


def _check_precision(model, recipe):
    if recipe.precision != "float32":
        raise ValueError(
            "`fit` builds networks in mixed precision when they are given by name. Received: "
            f"precision='{recipe.precision}' and the built model '{model.name}'. Build it after "
            f"keras.config.set_dtype_policy('{recipe.precision}') and leave precision out."
        )
