"""Two folders of results laid beside each other: of two commits, two machines, two days."""
