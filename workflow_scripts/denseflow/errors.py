"""The one error that a user is meant to read."""


class DenseflowError(Exception):
    """Bad input or a broken file.

    The message names the file, the line or key, the value found, what was expected and what to do next. Scripts
    print it without a traceback.
    """
