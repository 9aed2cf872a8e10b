"""SegNet's split of CamVid's 701 pictures: 367 for training, 101 for validation, 233 for test."""

import re

_NAME = re.compile(r"(0001TP|0006R0|0016E5|Seq05VD)_f?(\d+)", re.IGNORECASE)
_LAST_OF_TRAINING = 8520
_AT_15_HZ = range(7959, 8160)


def split_of(name: str) -> str:
    """Return "train", "val" or "test" for the name of a picture.

    The first half of drive 0001TP, drive 0006R0 and the frames of drive 0016E5 at 1 Hz are for
    training; the frames of 0016E5 at 15 Hz are for validation; the others are for test.

    Raises:
        ValueError: if it is not a name of CamVid.

    >>> split_of("0016E5_07959"), split_of("Seq05VD_f00000")
    ('val', 'test')
    """
    match = _NAME.match(name)
    if match is None:
        raise ValueError(
            "Pictures of CamVid are named after their drive and frame. "
            f"Received: {name!r}. Remove it, or put pictures into `train` and `train_labels`."
        )
    drive, frame = match.group(1).upper(), int(match.group(2))
    if drive == "SEQ05VD":
        return "test"
    if drive == "0001TP":
        return "train" if frame <= _LAST_OF_TRAINING else "test"
    return "val" if drive == "0016E5" and frame in _AT_15_HZ else "train"
