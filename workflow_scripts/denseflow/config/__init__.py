"""What a user can write: one pydantic model a section, checked before anything runs."""
