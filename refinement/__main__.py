"""``python -m refinement``."""

from __future__ import annotations

import sys

from refinement.cli import main

if __name__ == "__main__":
    sys.exit(main())
