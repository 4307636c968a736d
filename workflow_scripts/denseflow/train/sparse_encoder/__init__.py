"""The training of sparse encoders, as far as it differs from that of the others."""
