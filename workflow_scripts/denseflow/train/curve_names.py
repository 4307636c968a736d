"""Names of what a training's log measures that mean something to whoever draws it."""

SIMILARITY = "_similarity"
"""Ends the names of mean similarities, which are looked at together."""
SIMILARITIES = "similarities"
"""Such a picture's name."""
