"""Float32 on a CPU, quicker: what torch computes with slower routines than it has."""
