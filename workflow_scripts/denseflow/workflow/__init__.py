"""What the Snakefile wires with: names of files, canonical options, fingerprints of code, integrity of results."""
