"""Every decoder on encoders of every structure: logits at odd sizes, or which encoders would do."""

import keras
import numpy as np
import pytest
from _architectures import sides, structures

from keras_seg import losses, models
from keras_seg.models import encoders

DECODERS = [x for x in models.names("segmentation") if models.has_option(x, "encoder")]
ENCODERS = [x for x in structures() if x in encoders.names()]
# Pairs that no other test builds.
QUICK = {
    ("deeplab_v2", "densenet121"), ("deeplab_v3_plus", "efficientnet_b0"),
    ("fcn8s", "mobilenet_v3_large"), ("pspnet", "convnext_tiny"), ("refinenet", "repvgg_a0"),
    ("segnet", "densenet121"), ("unet", "inception_v4"), ("refinenet", "lenet5"),
}  # fmt: skip
PAIRS = [(x, y) for x in DECODERS for y in ENCODERS]


def small(decoder, encoder):
    """Options of a small network."""
    options = {**models.facts(decoder).tiny, "encoder": encoder}
    options["encoder_options"] = dict(models.facts(encoder).tiny)
    if decoder == "unet":
        options["decoder_filters"] = (4,) * 5
    if not models.has_option(encoder, "output_stride"):
        options["output_stride"] = 32
    return options


def test_the_quick_pairs_exist():
    assert {"unet", "fcn8s", "segnet", "deeplab_v3_plus", "pspnet", "refinenet"} <= set(DECODERS)
    assert set(DECODERS) >= {x for x, _ in QUICK}
    assert set(encoders.names()) >= {y for _, y in QUICK}


@pytest.mark.parametrize(
    ("decoder", "encoder"),
    [
        pytest.param(x, y, marks=pytest.mark.long if (x, y) in QUICK else pytest.mark.slow)
        for x, y in sorted({*PAIRS, *QUICK})
    ],
)
def test_every_decoder_takes_every_encoder_that_has_its_maps(decoder, encoder, tmp_path):
    height, width = sides(encoder, 37, 51)
    options = small(decoder, encoder)
    try:
        model = models.build(decoder, (None, None, 3), 3, **options)
    except ValueError as error:
        missing = f"`{decoder}` needs feature maps of .* which has none of .*: (.+)\\."
        with pytest.raises(ValueError, match=missing):
            raise
        able = str(error).rpartition(": ")[2].strip(".").split(", ")
        assert able
        assert encoder not in able
        assert set(able) <= set(encoders.names())
        return
    x = np.random.default_rng(0).integers(0, 256, (1, height, width, 3)).astype("float32")
    logits = np.array(model(x))
    assert logits.shape == (1, height, width, 3)
    assert np.isfinite(logits).all()
    trains(model, x)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.array(again(x)), np.array(model(x)))


def trains(model, x):
    """Two training steps change the first and the last kernel. FCN's scores start as zeros."""
    kernels = [weight for weight in model.trainable_weights if len(weight.shape) > 1]
    before = [np.array(kernel) for kernel in kernels]
    labels = np.random.default_rng(1).integers(0, 3, x.shape[:3]).astype("uint8")
    # Adam's steps do not grow with the gradients, which are large without normalization.
    model.compile(keras.optimizers.Adam(1e-4), losses.SparseCrossEntropy(3), run_eagerly=True)
    # Two pictures: batch normalization of a 1x1 map has no gradient for a single one.
    for _ in range(2):
        loss = model.train_on_batch(np.concatenate([x, 255 - x]), labels.repeat(2, 0))
        assert np.isfinite(loss)
    for place in (0, -1):
        assert np.any(np.array(kernels[place]) != before[place]), kernels[place].path
        assert np.isfinite(np.array(kernels[place])).all()


SMALL = {"encoder": "resnet18", "encoder_options": {"width": 0.125}}


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        (
            "unet",
            {"encoder_weights": "imagenet"},
            r"`unet` has encoder_weights with an encoder only.*'imagenet' and encoder=None\. Pass",
        ),
        ("unet", {"encoder_options": {"width": 0.5}}, r"has encoder_options with an encoder only"),
        ("segnet", {"output_stride": 8}, r"`segnet` has output_stride with .*leave output_stride"),
        (
            "unet",
            {**SMALL, "encoder_options": "width"},
            r"`unet` needs encoder_options to be a dict",
        ),
        (
            "fcn8s",
            {**SMALL, "encoder_options": 3},
            r"needs encoder_options to be a dict.*options=3",
        ),
        ("fcn8s", {"encoder": None}, r"Unknown encoder of `fcn8s`\. Received: encoder=None"),
        (
            "pspnet",
            {**SMALL, "encoder_options": {"output_stride": 8}},
            r"`pspnet` has output_stride among its own options.*Pass output_stride=8 beside",
        ),
        (
            "segnet",
            {**SMALL, "encoder_options": {"prefix": ""}},
            r"Unknown option of `resnet18`.*option='prefix'",
        ),
    ],
    ids=str,
)
def test_options_of_an_encoder_that_would_be_ignored_or_misread_are_refused(name, options, words):
    with pytest.raises(ValueError, match=words):
        models.build(name, (64, 64, 3), 2, **options)
