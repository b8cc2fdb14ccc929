# SPDX-License-Identifier: GPL-2.0
"""What the tests of the board and of calibrate.py share: the programs, and photographs."""

import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile

import cv2

from camera import Photographer
from verdict import ensure

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "../../..")
PICTURES = os.path.join(ROOT, "tests/pictures")
CALIBRATE = os.path.join(HERE, "../calibrate.py")
# Pixels a millimetre of a PNG page.
PER_MM = 12
# Where the board's middle is, how far away, and how it is turned.
POSES = [
    ((0.50, 0.50), 0.90, (0, 0, 0)),
    ((0.30, 0.35), 1.10, (25, 0, 5)),
    ((0.70, 0.35), 1.10, (-25, 0, -5)),
    ((0.30, 0.65), 1.10, (0, 25, 10)),
    ((0.70, 0.65), 1.10, (0, -25, 0)),
    ((0.50, 0.35), 1.00, (30, 10, 0)),
    ((0.25, 0.50), 1.20, (0, 35, 90)),
    ((0.75, 0.50), 1.20, (10, -35, 90)),
    ((0.17, 0.17), 1.90, (-15, 15, 0)),
    ((0.83, 0.17), 1.90, (15, 15, 0)),
    ((0.17, 0.83), 1.90, (-15, -15, 0)),
    ((0.83, 0.83), 1.90, (15, -15, 0)),
]


class Setup:
    """The program under test, and a directory."""

    def __init__(self, dewarp, directory):
        self.program, self.directory = os.path.abspath(dewarp), directory

    def path(self, name):
        return os.path.join(self.directory, name)

    def dewarp(self, *words):
        done = subprocess.run([self.program, *words], capture_output=True, text=True, cwd=self.directory)
        ensure(done.returncode == 0, f"dewarp {' '.join(words)}: {done.stderr.strip()}")
        return done

    def calibrate(self, *words):
        words = [sys.executable, CALIBRATE, "-o", self.path("camera.yml"), *words]
        return subprocess.run(words, capture_output=True, text=True, cwd=self.directory)

    @functools.cache
    def page(self, kind):
        path = self.path(f"{kind}.png")
        self.dewarp("board", "--kind", kind, "-o", path)
        return cv2.imread(path, cv2.IMREAD_GRAYSCALE)

    @functools.cache
    def photographer(self, camera, kind="chessboard"):
        return Photographer(camera, self.page(kind), PER_MM)

    @functools.cache
    def photographs(self, camera, away, kind="chessboard", poses=tuple(POSES)):
        """A directory of them."""
        directory = tempfile.mkdtemp(dir=self.directory)
        for at, (place, far, turn) in enumerate(poses):
            picture = self.photographer(camera, kind).take(place, far * away, turn)
            cv2.imwrite(os.path.join(directory, f"{at:02}.png"), picture)
        return directory

    @functools.cache
    def real(self):
        """OpenCV's photographs, in a directory."""
        directory = self.path("photos")
        shutil.copytree(os.path.join(PICTURES, "boards"), directory)
        shutil.copy(os.path.join(PICTURES, "photo.jpg"), os.path.join(directory, "left03.jpg"))
        return directory

    def refused(self, *words, says, todo=None):
        """Runs calibrate.py, which must refuse, and write nothing."""
        done = self.calibrate(*words)
        ensure(done.returncode == 2, f"exit status {done.returncode}: {done.stdout[-300:]}{done.stderr[-300:]}")
        ensure(says in done.stderr, f"it does not say \"{says}\": {done.stderr}")
        ensure(todo is None or re.search(f"next: .*{todo}", done.stderr), f"it does not tell what to do: {done.stderr}")
        ensure(not os.path.exists(self.path("camera.yml")), "it wrote a calibration")
