"""Entry point of ``python -m ld_portrait_20k.matting``."""

import sys

from .cli import main

sys.exit(main())
