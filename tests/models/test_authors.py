"""Logits against those of the authors' own code, or of a port that is widely used."""

import pytest
from _authors import CASES, FOLDER, compared
from _weights import assert_same


def test_every_stored_network_is_compared():
    assert {path.stem for path in FOLDER.glob("*.json")} == set(CASES)


@pytest.mark.parametrize("case", [pytest.param(x, marks=pytest.mark.long) for x in CASES])
def test_logits_are_those_of_the_authors_code(case):
    assert_same(*compared(case))
