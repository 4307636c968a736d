"""The table that says what fine-tuning changed, with its uncertainty."""
