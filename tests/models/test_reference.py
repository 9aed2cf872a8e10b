"""Logits of the networks against those of independent implementations in PyTorch.

Found by scan of tests/reference: a file needs a builder of its own network in tests/_reference.py.
"""

import numpy as np
import pytest
from _reference import CASES, computed


def test_there_are_references_of_both_families_of_segmentation():
    assert {"contextnet", "fc_densenet"} <= {family for family, _ in CASES}


@pytest.mark.parametrize(("family", "case"), CASES)
def test_logits_are_those_of_the_reference(family, case):
    found, logits = computed(family, case)
    np.testing.assert_allclose(found, logits, atol=1e-4 * max(1, np.abs(logits).max()))
