"""The command line: `python -m keras_seg <command>`."""
