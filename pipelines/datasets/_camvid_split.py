"""The split of CamVid's 701 pictures that SegNet and everybody after it used: 367, 101, 233."""

import re

_NAME = re.compile(r"(0001TP|0006R0|0016E5|Seq05VD)_f?(\d+)", re.IGNORECASE)
_LAST_OF_TRAINING = 8520
_AT_15_HZ = range(7959, 8160)


def split_of(name: str) -> str:
    """Return "train", "val" or "test" for the name of a picture.

    The first half of drive 0001TP, drive 0006R0 and what drive 0016E5 has at 1 Hz are for
    training; what 0016E5 has at 15 Hz is for validation; the rest is the test.

    Raises:
        ValueError: if it is no name of CamVid.

    >>> split_of("0016E5_07959"), split_of("Seq05VD_f00000")
    ('val', 'test')
    """
    match = _NAME.match(name)
    if match is None:
        raise ValueError(
            "Pictures of CamVid are named after their drive and frame. "
            f"Received: {name!r}. Take it out, or put pictures into `train` and `train_labels`."
        )
    drive, frame = match.group(1).upper(), int(match.group(2))
    if drive == "SEQ05VD":
        return "test"
    if drive == "0001TP":
        return "train" if frame <= _LAST_OF_TRAINING else "test"
    return "val" if drive == "0016E5" and frame in _AT_15_HZ else "train"
