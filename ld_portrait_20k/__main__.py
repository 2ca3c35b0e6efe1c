"""Entry point of ``python -m ld_portrait_20k``."""

import sys

from ld_portrait_20k.cli import main

sys.exit(main())
