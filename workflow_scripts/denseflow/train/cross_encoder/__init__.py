"""Training of cross-encoders: from a training file and a base model to a reranker."""
