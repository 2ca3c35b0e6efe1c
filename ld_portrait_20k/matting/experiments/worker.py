"""``python -m ld_portrait_20k.matting.experiments.worker OUTPUT DEVICE``."""

import sys

from ld_portrait_20k.matting.experiments.dealing import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
