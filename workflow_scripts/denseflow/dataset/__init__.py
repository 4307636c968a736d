"""The dataset stage: a collection, wherever it comes from, in BEIR's form with a manifest."""
