"""Training losses, one a module."""
