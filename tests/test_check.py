import numpy as np
import pytest

from keras_seg import _check


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cosin", r"Unknown schedule\. Did you mean 'cosine'\? Received"),
        (7, r"name=7\. Available: \['cosine', 'poly'\]"),
    ],
)
def test_an_unknown_name_gets_a_suggestion_or_the_names_in_order(name, words):
    with pytest.raises(ValueError, match=words):
        _check.one_of("schedule", "name", name, ["poly", "cosine"])


@pytest.mark.parametrize("value", [0, -1, 1.0, "1", None, True, np.nan])
def test_what_is_no_positive_whole_number_is_refused(value):
    with pytest.raises(ValueError, match="`fit` needs epochs to be a whole number of at least 1"):
        _check.positive_integer("fit", "epochs", value)


def test_whole_numbers_of_numpy_are_welcome():
    _check.positive_integer("fit", "epochs", np.int32(3))
    _check.positive_integer("fit", "seed", 0, at_least=0)


@pytest.mark.parametrize("value", [-0.1, 1, 1.5, np.nan, "0.5", None])
def test_what_is_no_share_is_refused(value):
    with pytest.raises(ValueError, match=r"`op` needs rate from 0 below 1. Received: rate="):
        _check.share("op", "rate", value)


def test_share_of_one_can_be_allowed():
    _check.share("op", "rate", 1, below_one=False)
    with pytest.raises(ValueError, match="from 0 up to 1"):
        _check.share("op", "rate", 1.01, below_one=False)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (None, "For example, pass"),
        ((64, 64), "For example, pass"),
        ((31, 64, 3), "Enlarge or pad smaller pictures to 32"),
        ((64.0, 64, 3), "Enlarge or pad"),
        ((None, None, None), "number of channels must be known"),
        ((64, 64, 0), "number of channels must be known"),
    ],
)
def test_input_shape_that_is_none_is_refused_with_what_to_do(shape, words):
    with pytest.raises(ValueError, match=rf"`unet` needs input_shape=.*Received.*{words}"):
        _check.input_shape("unet", shape)
