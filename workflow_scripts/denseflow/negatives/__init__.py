"""The negatives stage: hard negatives, the audit of how they were found, and the training file."""
