"""Entry point of ``python -m ld_portrait_20k``."""

import sys

from .cli import main

sys.exit(main())
