"""The encode stage: texts into vectors."""
