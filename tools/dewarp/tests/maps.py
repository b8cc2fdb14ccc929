# SPDX-License-Identifier: GPL-2.0
"""What opencv.py and lensfun.py share: they compare maps of `dewarp` with those of another program."""

import subprocess
import sys
import tempfile

import numpy as np

# The largest distance in pixels: half a sixteenth, and a rest for programs that compute with 32-bit floating point.
TOLERANCE = 1 / 32 + 1e-3
# What a vertex can hold.
LARGEST = 65535 / 16


def vertices(command, output, shape):
    """The vertices in pixels that a command of `dewarp` writes to a file; raises if it fails."""
    done = subprocess.run(command + ["-o", output], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return np.fromfile(output, "<u2").reshape(shape) / 16


def judge(program, kinds, compare):
    """Judges random maps of each kind, by the words of the command line: DEWARP SEED COUNT [PART-OF-A-NAME].

    `compare` makes one map, and returns the largest distance from that of the other program, and what the map is of.
    """
    dewarp, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    part = "".join(sys.argv[4:])
    each = -(-count // len(kinds))
    with tempfile.TemporaryDirectory() as directory:
        for kind in kinds:
            name = f"maps agree with {program}, {kind.name}"
            if part not in name:
                continue
            # Its own, so that a kind has the same maps alone.
            rng = np.random.default_rng(seed)
            try:
                worst, case = max(compare(kind, dewarp, rng, directory) for _ in range(each))
                if worst <= TOLERANCE:
                    print(f"ok {name}")
                else:
                    print(f"FAIL {name}: {worst:.4f} pixels apart, seed {seed}: {case}")
                print(f"{kind.name}: {each} maps at most {worst:.4f} pixels apart", file=sys.stderr)
            except RuntimeError as error:
                print(f"FAIL {name}: seed {seed}: {error}")
