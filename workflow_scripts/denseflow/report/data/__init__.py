"""What is in a collection, looked at before anyone trains on it."""
