#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Calibrates a lens from pictures of a printed board (`dewarp board`), for `dewarp map lens`.

It takes Python 3.10 or later and `pip install opencv-python-headless==4.13.0.92` (which brings numpy).
docs/calibrate.md says which pictures to take. Exit status: 0 if the calibration was written, 1 if the
system failed, 2 if the command line or the pictures are wrong; the last lines say what to photograph.
"""

import argparse
import glob
import os
import sys

try:
    import cv2
    import numpy as np
except ImportError as error:
    sys.exit(f"calibrate.py: {error}: pip install opencv-python-headless==4.13.0.92")

# Nothing is left beside this file.
sys.dont_write_bytecode = True
from calibrate_board import Board, Refused, View

MODELS = ("pinhole", "rational", "fisheye")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
OUTPUTS = (".yml", ".yaml", ".json", ".xml")
# The fewest pictures with the board, and how many are usually enough.
FEWEST_VIEWS, ENOUGH_VIEWS = 8, 12
# The part of all corners that each third of the picture (left, right, upper, lower) must have.
LEAST_SHARE = 0.02
# A board is tilted from so many degrees on, and so many must be.
TILTED, FEWEST_TILTED = 10, 3
# A focal length that is not known better than this part of it is not known.
UNSURE = 0.02
# The lens's centre is in the middle of the picture, within this part of its sides.
OFF_CENTRE = 0.25
# A view is left out if its error is this many times the usual one, and at least so many pixels.
OUTLIER, OUTLIER_PIXELS = 4, 0.5
# The text grid.
COLUMNS, ROWS = 12, 8


class Lens:
    """A calibration: what OpenCV made of the views."""

    def __init__(self, model, size, board, views):
        self.model, self.size = model, size
        points = [board.points[view.numbers].reshape(-1, 1, 3) for view in views]
        places = [view.places.reshape(-1, 1, 2) for view in views]
        self.sure = None
        try:
            fit = self.fisheye if model == "fisheye" else self.pinhole
            self.matrix, self.coefficients, turns, moves = fit(points, places)
        except cv2.error as error:
            raise Refused(f"OpenCV finds no {model} lens for these pictures: {error.err}") from None
        project = cv2.fisheye.projectPoints if model == "fisheye" else cv2.projectPoints
        self.errors, self.tilts = [], []
        for point, place, turn, move in zip(points, places, turns, moves):
            seen, _ = project(point, turn, move, self.matrix, self.coefficients)
            self.errors.append(np.sqrt(((seen - place) ** 2).sum(2).mean()))
            normal = cv2.Rodrigues(turn)[0][:, 2]
            self.tilts.append(np.degrees(np.arccos(np.clip(abs(normal[2]), 0, 1))))
        counts = [len(place) for place in places]
        self.error = float(np.sqrt(np.average(np.square(self.errors), weights=counts)))

    def pinhole(self, points, places):
        points, places = ([part.astype(np.float32) for part in parts] for parts in (points, places))
        fit = cv2.calibrateCameraExtended(points, places, self.size, None, None)
        count = 5
        if self.model == "rational":
            # From OpenCV's own first guess it often does not get there.
            count, guess = 8, np.append(fit[2].ravel()[:5], np.zeros(3))
            flags = cv2.CALIB_RATIONAL_MODEL | cv2.CALIB_USE_INTRINSIC_GUESS
            stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-9)
            fit = cv2.calibrateCameraExtended(points, places, self.size, fit[1], guess, flags=flags, criteria=stop)
        _, matrix, coefficients, turns, moves, spread, _, _ = fit
        self.sure = spread.ravel()[:2]
        return matrix, coefficients.ravel()[:count], turns, moves

    def fisheye(self, points, places):
        """The best of some first guesses of the focal length: from a bad one OpenCV finds no way."""
        flags = cv2.fisheye.CALIB_RECOMPUTE_EXTRINSIC | cv2.fisheye.CALIB_FIX_SKEW
        stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-9)
        width, height = self.size
        best = None
        for focal in (max(self.size) / np.pi, 0.5 * max(self.size), 0.8 * max(self.size)):
            guess = np.array([[focal, 0, width / 2 - 0.5], [0, focal, height / 2 - 0.5], [0, 0, 1]])
            try:
                fit = cv2.fisheye.calibrate(
                    points, places, self.size, guess, np.zeros((4, 1)),
                    flags=flags | cv2.fisheye.CALIB_USE_INTRINSIC_GUESS, criteria=stop,
                )
            except cv2.error:
                continue
            if np.isfinite(fit[0]) and (best is None or fit[0] < best[0]):
                best = fit
        if best is None:
            raise Refused("OpenCV finds no fisheye for these pictures", ["is it one? --model rational may do"])
        return best[1], best[2].ravel(), best[3], best[4]

    def curve(self):
        """Angles from the axis, and how far from the centre they are seen, by a focal length of 1: as far
        as it rises."""
        if self.model == "fisheye":
            angle = np.linspace(0, np.pi, 4001)
            powers = np.stack([angle ** (2 * n) for n in range(5)])
            seen = angle * (np.append(1, self.coefficients) @ powers)
        else:
            angle = np.linspace(0, np.radians(88), 4001)
            k1, k2, _, _, k3, k4, k5, k6 = np.append(self.coefficients, [0] * 3)[:8]
            r = np.tan(angle)
            r2 = r * r
            below = 1 + r2 * (k4 + r2 * (k5 + r2 * k6))
            seen = r * (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / below
        falls = np.flatnonzero(np.diff(seen) <= 0)
        rising = slice(0, falls[0] + 1 if len(falls) else None)
        return angle[rising], seen[rising]

    def distance(self, places):
        """How far places of the picture are from the centre, by a focal length of 1."""
        return np.linalg.norm((places - self.matrix[:2, 2]) / self.matrix.diagonal()[:2], axis=1)

    def corners(self):
        width, height = self.size
        return self.distance(np.array([[x, y] for x in (0, width - 1) for y in (0, height - 1)], float))

    def across(self):
        """The angle between the middles of the left and the right side, in degrees; None if unknown."""
        angle, seen = self.curve()
        center = self.matrix[:2, 2]
        sides = self.distance(np.array([[0, center[1]], [self.size[0] - 1, center[1]]]))
        return np.degrees(np.interp(sides, seen, angle).sum()) if sides.max() <= seen[-1] else None


def pictures(words):
    """The files that the command line names: files, patterns, directories."""
    names = []
    for word in words:
        if os.path.isdir(word):
            inside = sorted(os.listdir(word))
            found = [os.path.join(word, name) for name in inside if name.lower().endswith(PICTURES)]
        else:
            found = [word] if os.path.exists(word) else sorted(glob.glob(word))
        if not found:
            raise Refused(f"{word}: there is no picture of this name")
        names += found
    return list(dict.fromkeys(names))


def look(board, names):
    """The views: all pictures, with the board or without."""
    views = []
    for at, name in enumerate(names):
        if sys.stderr.isatty():
            print(f"\r{at + 1} of {len(names)} pictures", end="\n" if at + 1 == len(names) else "", file=sys.stderr)
        # As the sensor was read, whatever turn a telephone wrote beside it; dewarp reads it so as well.
        grey = cv2.imread(name, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
        if grey is None:
            views.append(View(name, why="OpenCV cannot read it"))
        else:
            views.append(View(name, grey.shape[::-1], board.find(grey)))
    sizes = {}
    for view in views:
        if view.size:
            sizes.setdefault(view.size, []).append(view.name)
    if len(sizes) > 1:
        told = "; ".join(f"{w}x{h}: {len(some)}, such as {some[0]}" for (w, h), some in sizes.items())
        raise Refused(
            f"the pictures have different sizes ({told})",
            ["take all pictures in the mode of the camera that you will use, and leave out the others"],
        )
    return views


def good(views):
    return [view for view in views if view.why is None]


def thin(views):
    """Leaves out views that are there already."""
    kept = []
    for view in good(views):
        same = next((other for other in kept if view.same_as(other, np.hypot(*view.size))), None)
        if same:
            view.why = f"the board is where it is in {same.name}"
        else:
            kept.append(view)


def counted(board, names, views):
    """Refuses too few views."""
    found = good(views)
    if len(found) >= FEWEST_VIEWS:
        return
    seen = [view for view in views if view.numbers is not None]
    todo = [f"take {ENOUGH_VIEWS} to 20 pictures, each with the board in another place and another tilt"]
    # Of a larger board a part may have been found.
    larger = Board("chessboard", (board.squares[0] + 1, board.squares[1] + 1), board.side)
    if board.kind == "chessboard" and len(good(look(larger, names[:20]))) > len(seen):
        columns, rows = larger.squares
        raise Refused(
            f"the pictures show no {board.squares[0]}x{board.squares[1]} squares, but {columns}x{rows}",
            [f"say --squares {columns}x{rows}: squares are counted, not inner corners"],
        )
    if len(seen) < len(views):
        parts = "most of it" if board.kind == "charuco" else "the whole board with white around it"
        todo.append(f"a picture must show {parts}, sharp and evenly lit; this is searched: {board}")
    raise Refused(f"{len(found)} different views of the board in {len(views)} pictures; {FEWEST_VIEWS} are needed", todo)


def spots(views, columns, rows):
    """How many corners are in each part of the picture: lines of counts."""
    width, height = views[0].size
    places = np.concatenate([view.places for view in views])
    counts, _, _ = np.histogram2d(
        places[:, 1], places[:, 0], (rows, columns), ((-0.5, height - 0.5), (-0.5, width - 0.5))
    )
    return counts


def one_sided(views):
    """Refuses views that leave out a side of the picture."""
    counts = spots(views, 3, 3)
    sides = {"left": counts[:, 0], "right": counts[:, 2], "upper": counts[0], "lower": counts[2]}
    bare = [side for side, part in sides.items() if part.sum() < LEAST_SHARE * counts.sum()]
    if bare:
        thirds = " and the ".join(bare) + (" third" if len(bare) == 1 else " thirds")
        raise Refused(
            f"the board is never in the {thirds} of the picture",
            [f"hold the board so that it reaches the {side} edge" for side in bare],
        )


def calibrate(args, board, views):
    """The lens; views that do not agree with the others are left out."""
    while True:
        found = good(views)
        lens = Lens(args.model, found[0].size, board, found)
        for at, view in enumerate(found):
            view.error, view.tilt = lens.errors[at], lens.tilts[at]
        usual, worst = np.median(lens.errors), max(found, key=lambda view: view.error)
        odd = worst.error > max(OUTLIER * usual, OUTLIER_PIXELS)
        if not odd or len(found) <= FEWEST_VIEWS:
            return lens
        worst.why = f"its error is {worst.error:.2f} pixels, and {usual:.2f} in most others: blurred, or the board was bent"


def better(args, board, views, limit):
    """Other models with a smaller error than this, as words."""
    errors = {}
    for model in MODELS:
        try:
            errors[model] = Lens(model, views[0].size, board, views).error if model != args.model else limit
        except Refused:
            pass
    fits = " and ".join(f"--model {model} ({error:.2f} pixels)" for model, error in errors.items() if error < limit)
    return [f"these models fit better: {fits}"] if fits else []


def judge(args, board, lens, views):
    """Refuses what cannot be the lens."""
    tilted = sum(tilt >= TILTED for tilt in lens.tilts)
    turn = "tilt the board by 20 to 40 degrees: its left, right, upper and lower edge nearer, in two pictures each"
    if tilted < FEWEST_TILTED:
        raise Refused(
            f"the board is parallel to the sensor in all views but {tilted} (tilted by at most {max(lens.tilts):.0f} "
            "degrees): the focal length cannot be told",
            [turn],
        )
    limit = args.max_error or max(1.0, lens.size[0] / 1920)
    if not lens.error <= limit:
        todo = better(args, board, views, min(limit, 0.7 * lens.error))
        todo.append("is the board flat, and are the pictures sharp? Hold the board still, not the camera")
        raise Refused(f"the error is {lens.error:.2f} pixels, more than {limit:.2f}", todo)
    if lens.sure is not None and (lens.sure > UNSURE * lens.matrix.diagonal()[:2]).any():
        percent = 100 * (lens.sure / lens.matrix.diagonal()[:2]).max()
        raise Refused(f"the focal length is known to {percent:.1f} % only", [turn, "hold the board nearer, so that it fills half of the picture"])
    off = np.abs(lens.matrix[:2, 2] / lens.size - 0.5).max()
    if off > OFF_CENTRE:
        x, y = lens.matrix[:2, 2]
        raise Refused(
            f"the lens's centre would be {x:.0f},{y:.0f}, far from the middle of the picture",
            ["take whole pictures, of which nothing was cut off", turn],
        )
    angle, seen = lens.curve()
    # A fisheye's picture may end before the corners.
    places = np.concatenate([view.places for view in views])
    needed = lens.distance(places).max() if lens.model == "fisheye" else lens.corners().max()
    if seen[-1] < needed:
        focal = lens.matrix[0, 0]
        what = "outermost corner of the board" if lens.model == "fisheye" else "picture's corner"
        raise Refused(
            f"these coefficients cannot be: {seen[-1] * focal:.0f} pixels from the centre the lens's curve "
            f"turns back, and the {what} is at {needed * focal:.0f}",
            ["photograph the board in the corners of the picture"] + better(args, board, views, 1.5 * lens.error),
        )


def advice(args, board, lens, views):
    """What would make it better."""
    todo = []
    width, height = lens.size
    places = np.concatenate([view.places for view in views]) / (width, height)
    left, upper, right, lower = *(places < 1 / 6).T, *(places > 5 / 6).T
    # As far out as a board of which all must be seen gets.
    parts = {
        "left edge": left, "right edge": right, "upper edge": upper, "lower edge": lower,
        "upper left": left & upper, "upper right": right & upper,
        "lower left": left & lower, "lower right": right & lower,
    }
    bare = [part for part, there in parts.items() if not there.any()]
    if bare:
        todo.append(f"hold the board nearer to the {', '.join(bare)} of the picture: the lens is not known there")
    if sum(tilt >= TILTED for tilt in lens.tilts) < len(views) / 2:
        todo.append("tilt the board in more pictures, by 20 to 40 degrees")
    if len(views) < ENOUGH_VIEWS:
        todo.append(f"take more pictures: {ENOUGH_VIEWS} to 20 are good")
    if lens.error > 0.5:
        todo += better(args, board, views, 0.5 * lens.error)
    return todo


def grid(views):
    """Where the board was."""
    counts = spots(views, COLUMNS, ROWS)
    few = counts.sum() / counts.size / 2
    rows = (" ".join("." if not count else "+" if count < few else "#" for count in row) for row in counts)
    return "\n".join(["corners of the board in the picture (# many, + few, . none):"] + ["  " + row for row in rows])


def write(path, board, lens, views):
    """The calibration, under OpenCV's names."""
    kind = os.path.splitext(path)[1].lower()
    file = cv2.FileStorage(kind, cv2.FILE_STORAGE_WRITE | cv2.FILE_STORAGE_MEMORY)
    for name, value in (
        ("image_width", lens.size[0]),
        ("image_height", lens.size[1]),
        ("calibration_board", str(board)),
        ("calibration_model", lens.model),
        ("fisheye_model", int(lens.model == "fisheye")),
        ("camera_matrix", lens.matrix),
        ("distortion_coefficients", lens.coefficients.reshape(-1, 1)),
        ("avg_reprojection_error", lens.error),
        ("nframes", len(views)),
        ("opencv_version", cv2.__version__),
    ):
        file.write(name, value)
    text = file.releaseAndGetString()
    with open(path, "w", encoding="utf-8") as output:
        output.write(text)


def squares(text):
    sides = text.split("x")
    if len(sides) != 2 or not all(side.isdecimal() and 4 <= int(side) <= 1000 for side in sides):
        raise argparse.ArgumentTypeError(f"{text} is not COLUMNSxROWS of 4 or more squares each, such as 10x7")
    return int(sides[0]), int(sides[1])


def positive(text):
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("pictures", nargs="+", metavar="PICTURE", help="files, patterns or directories")
    add("-o", "--output", required=True, metavar="FILE", help="the calibration (.yml, .json, .xml)")
    add("--model", choices=MODELS, default="pinhole", help="rational: for wide lenses; fisheye: from 120 degrees on [%(default)s]")
    add("--kind", choices=("chessboard", "charuco"), default="chessboard", help="[%(default)s]")
    add("--squares", type=squares, default=(10, 7), metavar="COLUMNSxROWS", help="squares, not inner corners [10x7]")
    add("--square", type=positive, default=25.0, metavar="MM", help="a square's side [25]")
    add("--marker", type=positive, metavar="MM", help="a marker's side [0.75 of the square's]")
    names = sorted(name for name in dir(cv2.aruco) if name.startswith("DICT_"))
    add("--dictionary", choices=names, default="DICT_4X4_50", metavar="NAME", help="of OpenCV's markers [%(default)s]")
    add("--max-error", type=positive, metavar="PIXELS", help="the largest error of a good calibration [1, more if wider than 1920]")
    args = parser.parse_args()
    if not args.output.lower().endswith(OUTPUTS):
        parser.error(f"{args.output} ends in none of {', '.join(OUTPUTS)}")
    if args.marker and args.marker >= args.square:
        parser.error(f"a marker of {args.marker:g} mm has no room in a square of {args.square:g} mm")
    return args


def run(args, views):
    """The calibration and its board; `views` gets what was found."""
    board = Board(args.kind, args.squares, args.square, args.marker, args.dictionary)
    names = pictures(args.pictures)
    views += look(board, names)
    thin(views)
    counted(board, names, views)
    one_sided(good(views))
    lens = calibrate(args, board, views)
    judge(args, board, lens, good(views))
    return board, lens


def main():
    args = arguments()
    views, lens, refused = [], None, None
    try:
        board, lens = run(args, views)
    except Refused as why:
        refused = why
    for view in views:
        print(view.line())
    found = good(views)
    if found:
        print(grid(found))
    todo = refused.todo if refused else advice(args, board, lens, found)
    if refused:
        print(f"calibrate.py: refused: {refused}", file=sys.stderr)
    else:
        try:
            write(args.output, board, lens, found)
        except OSError as error:
            sys.exit(f"calibrate.py: cannot write {args.output}: {error.strerror}")
        width, height = lens.size
        (fx, fy), (x, y) = lens.matrix.diagonal()[:2], lens.matrix[:2, 2]
        across = lens.across()
        print(
            f"{args.output}: {lens.model}, {width}x{height}, {len(found)} views, error {lens.error:.2f} pixels, "
            f"focal length {fx:.1f},{fy:.1f}, centre {x:.1f},{y:.1f}"
            + (f", {across:.0f} degrees across" if across else "")
        )
    for line in todo:
        print(f"next: {line}", file=sys.stderr if refused else sys.stdout)
    return 2 if refused else 0


sys.exit(main())
