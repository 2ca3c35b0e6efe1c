"""Stand-ins of Slurm's commands that run jobs here, one after the other, when submitted.

They do what the code under test relies on and no more: read the directives of the script,
run it once an array index with Slurm's variables, honour ``afterok`` and ``afterany``, write
what a job prints to its log, and keep every submission for the test to look at.
"""

from __future__ import annotations

import stat
import sys
from pathlib import Path

_SBATCH = """#!{python}
import json, os, re, subprocess, sys
from pathlib import Path

here = Path(__file__).parent
arguments, script = sys.argv[1:-1], Path(sys.argv[-1]).read_text()
directives = dict(re.findall(r"^#SBATCH --([a-z-]+)=?(.*)$", script, re.M))
dependency = dict(a.split("=", 1) for a in arguments if a.startswith("--")).get("--dependency", "")
done = json.loads((here / "jobs.json").read_text()) if (here / "jobs.json").exists() else {{}}
job = str(1000 + len(done))
kind, _, parent = dependency.partition(":")
runs = kind != "afterok" or all(code == 0 for code in done[parent]["codes"])
first, last = re.match(r"(\\d+)-(\\d+)", directives["array"]).groups()
codes = []
(here / f"{{job}}.slurm").write_text(script)
if (here / "hold").exists():
    runs = False
for index in range(int(first), int(last) + 1) if runs else []:
    log = directives["output"].replace("%A", job).replace("%a", str(index))
    environment = dict(os.environ, SLURM_JOB_ID=job, SLURM_ARRAY_TASK_ID=str(index),
                       SLURM_NODELIST="node-[1-2]")
    environment["RUN_OFFSET"] = re.search(r"RUN_OFFSET=(\\d+)", " ".join(arguments)).group(1)
    # A node has not what the submitting shell exported by hand.
    environment.pop("PYTHONPATH", None)
    with open(log, "w") as stream:
        codes.append(subprocess.run(["bash", str(here / f"{{job}}.slurm")], stdout=stream,
                                    stderr=stream, env=environment, cwd="/").returncode)
done[job] = {{"codes": codes, "directives": directives, "arguments": arguments}}
(here / "jobs.json").write_text(json.dumps(done))
print(f"Submitted batch job {{job}}")
"""

_SRUN = """#!/bin/bash
while [[ $1 == -* ]]; do [[ $1 == -n ]] && shift; shift; done
if [[ -e {folder}/kill-$SLURM_ARRAY_TASK_ID ]]; then
  rm {folder}/kill-$SLURM_ARRAY_TASK_ID
  "$@" & victim=$!
  # As soon as the task is at work: killed like one that ran out of memory.
  for _ in $(seq 400); do
    [[ -n $(ls {watch}/lock.$SLURM_ARRAY_TASK_ID-of-* 2>/dev/null) ]] && break
    sleep 0.05
  done
  kill -9 $victim; wait $victim; exit $?
fi
exec "$@"
"""

_SCONTROL = """#!/bin/bash
[[ "$1 $2" == "show hostnames" ]] && printf 'node-1\\nnode-2\\n'
"""

_SQUEUE = """#!/bin/bash
cat {folder}/queue 2>/dev/null || { echo 'Invalid job id specified' >&2; exit 1; }
"""


def install(folder: Path, output: Path) -> None:
    """Write the commands into a folder.

    Args:
        folder: Where; to be put first on PATH. A file ``kill-3`` in it has the task of
            array index 3 killed once; while there is a file ``hold``, nothing that is submitted
        runs; a file ``queue`` is what squeue shows.
        output: The dataset folder whose locks tell that a task is at work.
    """
    folder.mkdir()
    scripts = {
        "sbatch": _SBATCH.format(python=sys.executable),
        "srun": _SRUN.replace("{folder}", str(folder)).replace("{watch}", str(output / ".work")),
        "scontrol": _SCONTROL,
        "squeue": _SQUEUE.replace("{folder}", str(folder)),
    }
    for name, text in scripts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755 | stat.S_IXUSR)
