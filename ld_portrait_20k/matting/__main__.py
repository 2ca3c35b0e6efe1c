"""Entry point of ``python -m ld_portrait_20k.matting``."""

import sys

from ld_portrait_20k.matting.cli import main

sys.exit(main())
