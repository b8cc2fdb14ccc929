# SPDX-License-Identifier: GPL-2.0
"""The board that calibrate.py looks for, and where its corners are in a picture."""

import cv2
import numpy as np

# Views whose corners are closer than this part of the picture's diagonal are one view.
SAME_VIEW = 0.01
# The fewest corners of a part of a ChArUco board.
FEWEST_CORNERS = 8
# Pictures with longer sides are searched at this length; corners are then refined at full size.
SEARCHED = 1600
# How far around a corner is looked at when it is refined, as a part of the way to the next corner: a
# marker begins at an eighth of it.
AROUND = {"chessboard": 0.3, "charuco": 0.12}


class Refused(Exception):
    """Why there is no calibration, and what to do about it."""

    def __init__(self, why, todo=()):
        super().__init__(why)
        self.todo = list(todo)


class Board:
    """The board that the pictures show. Its corners have numbers, row by row."""

    def __init__(self, kind, squares, side, marker=None, dictionary="DICT_4X4_50"):
        self.kind, self.squares, self.side = kind, squares, side
        columns, rows = squares
        self.inner = (columns - 1, rows - 1)
        grid = np.mgrid[1:columns, 1:rows].T.reshape(-1, 2) * side
        self.points = np.hstack([grid, np.zeros((len(grid), 1))])
        if kind == "charuco":
            words = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, dictionary))
            if columns * rows // 2 > len(words.bytesList):
                raise Refused(f"{columns}x{rows} squares have more markers than {dictionary}")
            board = cv2.aruco.CharucoBoard(squares, side, marker or 0.75 * side, words)
            self.detector = cv2.aruco.CharucoDetector(board)

    def __str__(self):
        return f"{self.kind}, {self.squares[0]}x{self.squares[1]} squares of {self.side:g} mm"

    def find(self, grey):
        """The corners in a picture: their numbers and places; None if the board is not there."""
        numbers, places = self.charuco(grey) if self.kind == "charuco" else self.chessboard(grey)
        if numbers is None:
            return None
        at = dict(zip(numbers, places))
        columns = self.inner[0]
        apart = min(
            np.linalg.norm(at[number] - at[other])
            for number in at
            for other in (number + 1, number + columns)
            if other in at and (other != number + 1 or other % columns)
        )
        window = int(np.clip(AROUND[self.kind] * apart, 2, 20))
        stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-3)
        places = np.ascontiguousarray(places, np.float32).reshape(-1, 1, 2)
        cv2.cornerSubPix(grey, places, (window, window), (-1, -1), stop)
        return numbers, places.reshape(-1, 2).astype(np.float64)

    def chessboard(self, grey):
        scale = min(1, SEARCHED / max(grey.shape))
        small = grey if scale == 1 else cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        flags = cv2.CALIB_CB_EXHAUSTIVE | cv2.CALIB_CB_ACCURACY | cv2.CALIB_CB_NORMALIZE_IMAGE
        found, places = cv2.findChessboardCornersSB(small, self.inner, flags=flags)
        if not found:
            return None, None
        # The centre of the first pixel is at 0, its edge at -0.5.
        return np.arange(len(self.points)), (places.reshape(-1, 2) + 0.5) / scale - 0.5

    def charuco(self, grey):
        places, numbers, _, _ = self.detector.detectBoard(grey)
        if numbers is None or len(numbers) < FEWEST_CORNERS:
            return None, None
        numbers = numbers.ravel()
        # In one line they tell nothing of how the board lies.
        lines = (numbers % self.inner[0], numbers // self.inner[0])
        if any(len(set(line)) < 2 for line in lines):
            return None, None
        return numbers, places.reshape(-1, 2)


class View:
    """A picture: what was found in it, and how well the lens explains that."""

    def __init__(self, name, size=None, found=None, why="no board found"):
        self.name, self.size, self.why = name, size, None if found else why
        self.numbers, self.places = found or (None, None)
        self.error = self.tilt = None

    def same_as(self, other, diagonal):
        """Whether it shows the board where the other one does."""
        _, mine, others = np.intersect1d(self.numbers, other.numbers, return_indices=True)
        if len(mine) < 4:
            return False
        return np.linalg.norm(self.places[mine] - other.places[others], axis=1).mean() < SAME_VIEW * diagonal

    def line(self):
        numbers = "" if self.error is None else f"error {self.error:.2f} pixels, tilted by {self.tilt:.0f} degrees"
        if self.why and self.numbers is not None:
            return f"{self.name}: left out: {self.why}"
        return f"{self.name}: {self.why or numbers or 'found'}"
