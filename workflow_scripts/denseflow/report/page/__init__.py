"""report.html: an experiment in one file that needs no network, for wide and narrow, light and dark screens."""
