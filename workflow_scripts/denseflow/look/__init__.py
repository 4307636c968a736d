"""Looking at one query: what each system of an experiment finds for it."""
