"""A process that builds the shards of one rank, from the plan that is saved in the output.

``python -m builder.engines.rank OUTPUT PLAN_HASH OPTIONS`` with the JSON of
:meth:`builder.pipeline.run_options.RunOptions.to_dict`. It finishes no dataset: whoever
started it does.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ld_portrait_20k.common import exit_codes
from ld_portrait_20k.common.interruption import terminable
from ld_portrait_20k.common.printable import say
from ld_portrait_20k.errors import PortraitError


def main(arguments: Sequence[str]) -> int:
    """Build a rank's shards; problems go to standard error, on one line."""
    from builder.pipeline.build import build
    from builder.pipeline.output_folder import frozen_plan
    from builder.pipeline.run_options import RunOptions
    from ld_portrait_20k.common.progress import progress_bar

    output, plan_hash, options = Path(arguments[0]), arguments[1], json.loads(arguments[2])
    bar = progress_bar(unit=" portraits")
    try:
        with terminable(), bar:
            run = RunOptions.from_dict(options).shown_by(bar)
            build(frozen_plan(output, plan_hash), output, run, part="units")
    except PortraitError as problem:
        say(f"error: {problem}", error=True)
        return exit_codes.PROBLEM
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED
    return exit_codes.DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
