"""Networks with an encoder: any that has the feature maps, and words for those that have not."""

import keras
import numpy as np
import pytest

from keras_seg import models

DECODERS = ("deeplab_v2", "deeplab_v3_plus", "pspnet", "refinenet")


def small(name):
    """The decoder's own options of its small form, without those of its encoder."""
    tiny = dict(models.facts(name).tiny)
    tiny.pop("encoder_options", None)
    return tiny


@pytest.mark.long
@pytest.mark.parametrize("name", DECODERS)
def test_another_encoder_gives_logits_at_odd_sizes(name):
    options = {"encoder": "mobilenet_v2", "encoder_options": {"width": 0.125}}
    model = models.build(name, num_classes=3, **{**small(name), **options})
    assert np.array(model(np.zeros((1, 37, 51, 3), "float32"))).shape == (1, 37, 51, 3)


@pytest.mark.long
@pytest.mark.parametrize("name", DECODERS)
def test_output_stride_is_that_of_the_coarsest_map(name):
    options = {"encoder": "resnet18", "encoder_options": {"width": 0.125}}
    for output_stride in (8, 16, 32):
        model = models.build(
            name, (96, 64, 3), 3, output_stride=output_stride, **{**small(name), **options}
        )
        last = model.get_layer("encoder_conv5_block2_out").output
        assert last.shape[1:3] == (96 // output_stride, 64 // output_stride)


@pytest.mark.parametrize(
    ("name", "options", "missing"),
    [
        # SqueezeNet's smallest map is a 16th of the image, All-CNN-C's a quarter.
        ("pspnet", {"encoder": "squeezenet1_1"}, "32"),
        ("pspnet", {"encoder": "all_cnn_c"}, "32"),
        ("pspnet", {"encoder": "all_cnn_c", "auxiliary_head": True}, "16, 1/32"),
        ("deeplab_v2", {"encoder": "all_cnn_c"}, "32"),
        ("deeplab_v3_plus", {"encoder": "all_cnn_c"}, "32"),
        ("refinenet", {"encoder": "all_cnn_c"}, "8, 1/16, 1/32"),
    ],
    ids=str,
)
def test_an_encoder_without_a_feature_map_is_refused(name, options, missing):
    words = rf"`{name}` needs feature maps.*none of 1/{missing}\. Encoders that .*, resnet50, "
    with pytest.raises(ValueError, match=words):
        models.build(name, (64, 64, 3), 3, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"encoder": "resnet51"}, r"Unknown encoder.*\. Did you mean 'resnet"),
        ({"encoder_options": {"depth": 3}}, r"Unknown option of `resnet101_deep`"),
        ({"encoder_options": ["width"]}, "needs encoder_options to be a dict"),
        ({"output_stride": 4}, r"needs an output stride of \(8, 16, 32\)"),
        ({"encoder": "alexnet"}, r"39 pixels.*encoder .alexnet"),
    ],
    ids=str,
)
def test_wrong_encoders_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        models.pspnet((32, 64, 3), 3, **options)


def test_encoder_weights_are_those_of_a_classifier(tmp_path):
    keras.utils.set_random_seed(1)
    classifier = models.resnet18((64, 64, 3), 5, width=0.125)
    classifier.save(tmp_path / "resnet18.keras")
    model = models.deeplab_v2(
        (64, 64, 3),
        5,
        encoder="resnet18",
        encoder_options={"width": 0.125},
        encoder_weights=str(tmp_path / "resnet18.keras"),
    )
    found = model.get_layer("encoder_conv4_block1_1_conv").kernel
    np.testing.assert_array_equal(found, classifier.get_layer("conv4_block1_1_conv").kernel)
