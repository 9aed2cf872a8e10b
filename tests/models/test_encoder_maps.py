"""Every decoder on encoders of every structure: logits at odd sizes, or which encoders would do."""

import numpy as np
import pytest
from _architectures import sides, structures

from keras_seg import models
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
def test_every_decoder_takes_every_encoder_that_has_its_maps(decoder, encoder):
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
