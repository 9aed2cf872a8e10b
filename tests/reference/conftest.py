"""The references are scripts of other environments; tests read only the files they wrote."""

collect_ignore = [
    "addons.py",
    "classifiers.py",
    "contextnet.py",
    "fc_densenet.py",
    "torch_layers.py",
    "ports",
    "authors",
]
