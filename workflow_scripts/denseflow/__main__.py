"""``python -m denseflow`` is the command denseflow."""

import sys

from denseflow.cli import main

sys.exit(main())
