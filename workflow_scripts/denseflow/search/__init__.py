"""Exact search: the nearest passages of every query by inner product or cosine."""
