"""InputSpec: values that cannot be are refused; tests/test_file_kinds.py has its use."""

import keras
import pytest

from keras_seg import Segmenter
from pipelines.read import InputSpec


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"channels": 0}, r"`channels` must be a whole number.*channels=0"),
        ({"dimensions": 4}, r"`dimensions` must be 2 .*dimensions=4"),
        ({"value_range": (5, 5)}, r"`value_range` must be two numbers.*\(5, 5\)"),
        ({"value_range": 5}, r"`value_range` must be two numbers"),
        ({"channels": 2, "bands": (1,)}, r"`bands` must be one whole number from 0.*channels=2"),
    ],
)
def test_wrong_values_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        InputSpec(**arguments)


def test_a_spec_of_another_network_is_refused():
    model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(2, 1)])
    with pytest.raises(ValueError, match=r"InputSpec of 3 channels and 2 .*channels=1"):
        Segmenter(model, input_spec=InputSpec(1))
    with pytest.raises(ValueError, match="must be a dict with the keys channels"):
        InputSpec.from_dict({"channel": 1})
