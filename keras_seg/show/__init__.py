"""Figures: overlays, comparisons with the labels, training curves."""

from keras_seg.show.classified import show_classified
from keras_seg.show.curves import show_curves
from keras_seg.show.figures import save_figure
from keras_seg.show.overlay import overlay
from keras_seg.show.predictions import legend, show_labels, show_predictions

__all__ = [
    "legend",
    "overlay",
    "save_figure",
    "show_classified",
    "show_curves",
    "show_labels",
    "show_predictions",
]
