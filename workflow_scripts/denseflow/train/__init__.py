"""The train stage: from a training file and a base encoder to a fine-tuned encoder."""
