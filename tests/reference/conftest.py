"""The reference networks are scripts that need torch; tests read only the files they wrote."""

collect_ignore = ["contextnet.py", "fc_densenet.py", "torch_layers.py", "ports", "authors"]
