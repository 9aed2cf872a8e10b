"""Bars between two epochs: they appear after a second, and vanish."""

import pytest

from keras_seg.training.bars import unobtrusive_bar


@pytest.mark.parametrize(("seconds", "shown"), [(0, False), (2, True)])
def test_a_bar_appears_after_a_second(seconds, shown, capsys):
    bar = unobtrusive_bar([1, 2], "Validation")
    bar.start_t -= seconds  # As if it had begun so long ago.
    bar.last_print_t -= seconds
    assert list(bar) == [1, 2]
    printed = capsys.readouterr().err
    assert ("Validation:" in printed) == shown
    assert printed.rpartition("\r")[2] == ""  # The line is empty again.
