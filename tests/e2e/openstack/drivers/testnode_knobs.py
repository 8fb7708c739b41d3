"""What a test may turn: each knob is a file, read anew each time, in the folder that TESTNODE_KNOBS names."""

import os
import re


def text(name, default=""):
    try:
        with open(os.path.join(os.environ["TESTNODE_KNOBS"], name), encoding="utf-8") as file:
            return file.read().strip()
    except FileNotFoundError:
        return default


def seconds(name):
    return float(text(name, "0") or 0)


def fits(name, what):
    """Whether the knob is a regex that finds something in `what`. An empty knob finds nothing."""
    pattern = text(name)
    return bool(pattern) and re.search(pattern, what or "") is not None
