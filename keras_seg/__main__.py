"""`python -m keras_seg <command>`: the command line."""

import sys

from keras_seg.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
