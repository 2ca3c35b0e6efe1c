"""``python -m builder``."""

import sys


def _main() -> int:
    # Checked before anything of `builder` is imported: a foreign one may have taken its place.
    from ld_portrait_20k.common import exit_codes
    from ld_portrait_20k.common.own_packages import foreign_package
    from ld_portrait_20k.common.printable import say

    problem = foreign_package()
    if problem is not None:
        say(f"error: {problem}", error=True)
        return exit_codes.PROBLEM
    from builder.cli import main

    return main()


if __name__ == "__main__":
    sys.exit(_main())
