"""What Keras and TensorFlow say of pictures and sizes that a model does not take."""

import re


def refusals():
    """The errors that they raise for pictures whose sizes do not fit.

    Returns:
        tuple of exception classes.
    """
    import tensorflow as tf

    return (ValueError, tf.errors.InvalidArgumentError)


def reason_of(error):
    r"""The first two sentences of an error: the layer, and what is wrong.

    Args:
        error: exception.

    Returns:
        str of one line.

    >>> reason_of(ValueError("In \x1b[1mUp.call().\x1b[0m\n\n No  size. Try X.\n\nArguments"))
    'In Up.call(). No size.'
    """
    words = re.sub(r"\x1b\[\d*m", "", str(error)).split("Arguments received by")[0]
    sentences = re.split(r"(?<=\.) ", " ".join(words.split()))
    return " ".join(sentences[:2])[:500]
