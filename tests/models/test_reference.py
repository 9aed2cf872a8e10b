"""Logits of the networks against those of independent implementations in PyTorch.

Found by scan of tests/reference: a file needs a builder of its own network in tests/_reference.py.
"""

import numpy as np
import pytest
from _reference import CASES, computed
from _weights import assert_same


def test_there_are_references_of_both_families_of_segmentation_and_of_classifiers():
    assert {"contextnet", "fc_densenet", "classifiers"} == {family for family, _ in CASES}


# Of these, a network of other sizes and the same code is among the quick ones.
LONG = ("densenet_cifar_bc_190_40", "replknet31l", "slak_small", "resnet101_deep")


@pytest.mark.parametrize(
    ("family", "case"),
    [pytest.param(*x, marks=pytest.mark.long if x[1] in LONG else ()) for x in CASES],
)
def test_logits_are_those_of_the_reference(family, case):
    found, logits = computed(family, case)
    np.testing.assert_allclose(found, logits, atol=1e-4 * max(1, np.abs(logits).max()))
    if family == "classifiers":  # Two images, and their logits have to differ by far more.
        assert_same(found, logits)
