# SPDX-License-Identifier: GPL-2.0
"""`dewarp board` and calibrate.py, with OpenCV and rendered lenses as the judges.

usage: calibrate.py DEWARP [PART-OF-A-NAME]

Prints `ok NAME` or `FAIL NAME: WHY` for each test.
"""

import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile

import cv2
import numpy as np

import pages
from camera import Camera
from common import CALIBRATE, PICTURES, POSES, ROOT, Setup
from verdict import ensure, judge

# Lenses, in the order of OpenCV's coefficients.
PLUMB = Camera((640, 480), (420, 422), (325.3, 236.1), [-0.28, 0.09, 0.001, -0.0008, -0.012])
WIDE = Camera((640, 480), (300, 301), (318.3, 243.1), [0.6, 0.05, 0.0005, -0.0005, 0.002, 0.95, 0.2, 0.01])
FISHEYE = Camera((640, 480), (270, 270.5), (322, 241), [0.03, -0.012, 0.004, -0.001], fisheye=True)
# As of a picture of which the left part was cut off, more than half.
CUT = Camera((640, 480), (700, 700), (-60, 240), [-0.1, 0.02, 0, 0])
# It sees half the world; no model of a pinhole can.
HALF = Camera((640, 480), (190, 190.5), (322, 241), [0.03, -0.012, 0.004, -0.001], fisheye=True)
# Its curve turns back where 1 + 3 k1 r2 is 0: 0.65 focal lengths from the centre, inside the picture.
FOLDED = Camera((640, 480), (420, 420), (320, 240), [-0.35, 0, 0, 0])


# Calibrations.


def opencv_itself(names):
    """What OpenCV's calibration sample does: corners, standard deviations, the lens."""
    board = np.zeros((54, 3), np.float32)
    board[:, :2] = np.mgrid[0:9, 0:6].T.reshape(-1, 2) * 25
    corners = []
    for name in names:
        grey = cv2.imread(name, cv2.IMREAD_GRAYSCALE)
        found, places = cv2.findChessboardCorners(grey, (9, 6))
        ensure(found, f"OpenCV's sample finds no board in {name}")
        stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 0.1)
        corners.append(cv2.cornerSubPix(grey, places, (11, 11), (-1, -1), stop))
    fit = cv2.calibrateCameraExtended([board] * len(names), corners, (640, 480), None, None)
    return board, corners, fit


def photographs(setup):
    """The lens of the photographs is OpenCV's within four of its standard deviations, and explains the
    corners that OpenCV's sample finds as well as the calibration that OpenCV ships with them."""
    done = setup.calibrate(setup.real())
    ensure(done.returncode == 0, done.stderr)
    ensure("13 views" in done.stdout, done.stdout)
    file = cv2.FileStorage(setup.path("camera.yml"), cv2.FILE_STORAGE_READ)
    matrix, coefficients = (file.getNode(name).mat() for name in ("camera_matrix", "distortion_coefficients"))
    told = file.getNode("avg_reprojection_error").real()
    ensure(0.1 < told < 0.3, f"its error is {told}")
    ensure(file.getNode("nframes").real() == 13 and file.getNode("opencv_version").string() == cv2.__version__, "views")
    names = sorted(os.path.join(setup.real(), name) for name in os.listdir(setup.real()))
    board, corners, fit = opencv_itself(names)
    mine = np.array([matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]])
    theirs = np.array([fit[1][0, 0], fit[1][1, 1], fit[1][0, 2], fit[1][1, 2]])
    off = np.abs(mine - theirs) / fit[5].ravel()[:4]
    ensure((off < 4).all(), f"{mine} and {theirs}: {off} standard deviations apart")
    squares = []
    for places in corners:
        _, turn, move = cv2.solvePnP(board, places, matrix, coefficients)
        seen, _ = cv2.projectPoints(board, turn, move, matrix, coefficients)
        squares.append(((seen - places) ** 2).sum(2).mean())
    shipped = cv2.FileStorage(os.path.join(PICTURES, "left_intrinsics.yml"), cv2.FILE_STORAGE_READ)
    error, shipped = np.sqrt(np.mean(squares)), shipped.getNode("avg_reprojection_error").real()
    ensure(error < 1.1 * shipped, f"it explains OpenCV's corners within {error:.3f} pixels, OpenCV's within {shipped:.3f}")


def lens_comes_back(setup, camera, away, kind, *options):
    """Wherever the board was, the lens that is found sees what the lens that rendered it sees, and
    `dewarp map` reads the file."""
    done = setup.calibrate(setup.photographs(camera, away, kind), "--kind", kind, *options)
    ensure(done.returncode == 0, done.stdout + done.stderr)
    views = re.search(r" (\d+) views", done.stdout)
    ensure(int(views.group(1)) >= len(POSES) - 2, done.stdout)
    found = Camera.read(setup.path("camera.yml"))
    ensure(found.fisheye == camera.fisheye and found.size == camera.size, "another model or size")
    off = np.abs(found.focal / camera.focal - 1).max(), np.abs(found.center - camera.center).max()
    ensure(off[0] < 0.004 and off[1] < 1, f"focal lengths {found.focal}, centre {found.center}")
    corners = (np.mgrid[0:9, 0:6].T.reshape(-1, 2) - [4, 2.5]) * 25
    seen = [setup.photographer(camera, kind).see(corners, place, far * away, turn) for place, far, turn in POSES]
    hull = cv2.convexHull(np.concatenate(seen).astype(np.float32))
    places = np.stack(np.meshgrid(np.arange(5.0, 640, 15), np.arange(5.0, 480, 15)), -1).reshape(-1, 2)
    places = np.array([place for place in places if cv2.pointPolygonTest(hull, tuple(place), False) > 0])
    ensure(len(places) > 800, f"the board was in {len(places)} of 1376 places only")
    apart = np.linalg.norm(found.project(camera.rays(places)) - places, axis=-1)
    ensure(np.max(apart) < 0.5 and np.median(apart) < 0.3, f"{np.max(apart):.2f} pixels apart, usually {np.median(apart):.2f}")
    print(f"{kind} {options}: at most {np.max(apart):.2f} pixels apart, usually {np.median(apart):.2f}", file=sys.stderr)
    # The map of a picture through the same camera without distortion, in sixteenths at each 16th pixel.
    setup.dewarp("map", "lens", "--size", "640x480", "--calibration", "camera.yml", "-o", "map.bin")
    vertices = np.fromfile(setup.path("map.bin"), "<u2").reshape(31, 41, 2) / 16
    shown = np.stack(np.meshgrid(np.arange(41) * 16.0, np.arange(31) * 16.0), -1)
    rays = np.concatenate([(shown - found.center) / found.focal, np.ones((31, 41, 1))], -1)
    apart = np.abs(found.project(rays).clip(0, 65535 / 16) - vertices).max()
    ensure(apart <= 1 / 32 + 1e-3, f"dewarp's map is {apart:.3f} pixels off")


def kinds_of_files(setup):
    """The calibration is the same in all of OpenCV's formats, as `dewarp` reads them."""
    maps = set()
    for name in ("a.yml", "a.json", "a.xml"):
        done = setup.calibrate(setup.real(), "-o", setup.path(name))
        ensure(done.returncode == 0, done.stderr)
        setup.dewarp("map", "lens", "--size", "640x480", "--calibration", name, "-o", "a.bin")
        with open(setup.path("a.bin"), "rb") as file:
            maps.add(file.read())
    ensure(len(maps) == 1, f"{len(maps)} maps")


def large(setup):
    """Pictures larger than those that are searched give the same lens, in their pixels."""
    directory = setup.path("large")
    os.mkdir(directory)
    for name in sorted(os.listdir(setup.real()))[:9]:
        picture = cv2.imread(os.path.join(setup.real(), name), cv2.IMREAD_GRAYSCALE)
        cv2.imwrite(os.path.join(directory, name), cv2.resize(picture, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC))
    done = setup.calibrate(directory)
    ensure(done.returncode == 0, done.stdout + done.stderr)
    found = Camera.read(setup.path("camera.yml"))
    # left_intrinsics.yml has 535.9 and 342.3, 235.6 for pictures of 640x480.
    focal, center = found.focal / 4, (found.center + 0.5) / 4 - 0.5
    ensure(found.size == (2560, 1920) and np.abs(focal - 535.9).max() < 6, f"focal lengths {focal}")
    ensure(np.abs(center - [342.3, 235.6]).max() < 5, f"centre {center}")


def part_of_a_board(setup):
    """ChArUco boards may reach beyond the picture."""
    poses = tuple((place, 0.75 * far, turn) for place, far, turn in POSES)
    pictures = setup.photographs(PLUMB, 220, "charuco", poses)
    done = setup.calibrate(pictures, "--kind", "charuco")
    ensure(done.returncode == 0, done.stdout + done.stderr)
    found = Camera.read(setup.path("camera.yml"))
    ensure(np.abs(found.focal - PLUMB.focal).max() < 2, f"focal lengths {found.focal}")


def odd_picture(setup):
    """A picture of a bent board is left out."""
    directory = shutil.copytree(setup.photographs(PLUMB, 280), setup.path("odd"))
    path = os.path.join(directory, "00.png")
    grey = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
    x, y = np.meshgrid(np.arange(640, dtype=np.float32), np.arange(480, dtype=np.float32))
    bent = cv2.remap(grey, x, y + 6 * np.sin(x / 60, dtype=np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cv2.imwrite(path, bent)
    done = setup.calibrate(directory)
    ensure(done.returncode == 0 and "11 views" in done.stdout, done.stdout + done.stderr)
    ensure("00.png: left out: its error is" in done.stdout, done.stdout)


def told(setup):
    """What is printed of the photographs."""
    directory = shutil.copytree(setup.real(), setup.path("told"))
    with open(os.path.join(directory, "note.jpg"), "w") as file:
        file.write("no picture")
    cv2.imwrite(os.path.join(directory, "empty.png"), np.full((480, 640), 90, np.uint8))
    done = setup.calibrate(directory)
    ensure(done.returncode == 0, done.stderr)
    for says in (
        r"note\.jpg: OpenCV cannot read it",
        r"empty\.png: no board found",
        r"left01\.jpg: error 0\.\d\d pixels, tilted by \d+ degrees",
        # The photographs have nothing at the left edge.
        r"next: hold the board nearer to the left edge",
    ):
        ensure(re.search(says, done.stdout), f"{says}: {done.stdout}")
    rows = [line.split() for line in done.stdout.splitlines() if re.fullmatch(r"  [#+.]( [#+.]){11}", line)]
    ensure(len(rows) == 8 and all(row[0] == "." for row in rows), f"the grid: {rows}")
    ensure("#" in rows[4][4:8], f"the grid: {rows}")


# What is refused.


def too_few(setup):
    names = [os.path.join(setup.real(), f"left0{number}.jpg") for number in (1, 2, 3, 4, 5)]
    setup.refused(*names, says="5 different views of the board in 5 pictures; 8 are needed", todo="take 12 to 20")


def the_same(setup):
    directory = setup.path("same")
    os.mkdir(directory)
    for number in range(10):
        shutil.copy(os.path.join(setup.real(), "left01.jpg"), os.path.join(directory, f"{number}.jpg"))
    setup.refused(directory, says="1 different views of the board in 10 pictures")


def one_side(setup):
    poses = tuple(
        ((x, y), 1.7, (30 * np.cos(number), 30 * np.sin(number), 10.0 * number))
        for number, (x, y) in enumerate((x, y) for x in (0.25, 0.29, 0.33) for y in (0.3, 0.5, 0.7))
    )
    pictures = setup.photographs(PLUMB, 280, poses=poses)
    setup.refused(pictures, says="never in the right third of the picture", todo="right edge")


def parallel(setup):
    poses = tuple(
        ((x, y), far, (0, 0, 10 * x))
        for x, far in ((0.3, 1.3), (0.5, 0.9), (0.7, 1.4))
        for y in (0.35, 0.5, 0.65)
    )
    pictures = setup.photographs(PLUMB, 280, poses=poses)
    setup.refused(pictures, says="parallel to the sensor", todo="tilt the board")


def unsure(setup):
    """Small boards with little tilt."""
    places = [(x, y) for x in (0.12, 0.5, 0.88) for y in (0.12, 0.5, 0.88)]
    poses = tuple((place, 4.2, (12 * np.cos(at), 12 * np.sin(at), 0)) for at, place in enumerate(places))
    pictures = setup.photographs(PLUMB, 280, poses=poses)
    setup.refused(pictures, says="the focal length is known to", todo="hold the board nearer")


def cut(setup):
    pictures = setup.photographs(CUT, 470)
    setup.refused(pictures, says="far from the middle of the picture", todo="nothing was cut off")


def sizes(setup):
    directory = shutil.copytree(setup.real(), setup.path("sizes"))
    path = os.path.join(directory, "left05.jpg")
    cv2.imwrite(path, cv2.resize(cv2.imread(path), (320, 240)))
    setup.refused(directory, says="different sizes (640x480: 12, such as", todo="mode of the camera")


def too_large(setup):
    pictures = setup.photographs(HALF, 130, "charuco")
    todo = r"these models fit better: .*--model fisheye \(0\.\d\d pixels\)"
    setup.refused(pictures, "--kind", "charuco", says="pixels, more than 1.00", todo=todo)
    setup.refused(setup.real(), "--max-error", "0.1", says="pixels, more than 0.10", todo="flat")


def cannot_be(setup):
    pictures = setup.photographs(FOLDED, 280)
    setup.refused(pictures, says="these coefficients cannot be", todo="corners of the picture")


def other_squares(setup):
    says = "the pictures show no 9x6 squares, but 10x7"
    setup.refused(setup.real(), "--squares", "9x6", says=says, todo="say --squares 10x7")
    setup.refused(setup.real(), "--kind", "charuco", says="0 different views", todo="charuco, 10x7 squares of 25 mm")


def bad_use(setup):
    for words, says in (
        (["no-such.jpg"], "no-such.jpg: there is no picture of this name"),
        (["no-such-*.jpg"], "no-such-*.jpg: there is no picture"),
        (["--squares", "10", "a"], "10 is not COLUMNSxROWS"),
        (["--square", "-1", "a"], "-1 is not a number above 0"),
        (["--marker", "30", "a"], "a marker of 30 mm has no room in a square of 25 mm"),
        (["--model", "omni", "a"], "invalid choice"),
        (["--kind", "charuco", "--squares", "12x12", setup.real()], "12x12 squares have more markers than DICT_4X4_50"),
    ):
        setup.refused(*words, says=says)
    done = subprocess.run([sys.executable, CALIBRATE, "-o", "a.txt", setup.real()], capture_output=True, text=True)
    ensure(done.returncode == 2 and "a.txt ends in none of .yml" in done.stderr, done.stderr)
    done = subprocess.run([sys.executable, CALIBRATE, "-o", "/no/a.yml", setup.real()], capture_output=True, text=True)
    ensure(done.returncode == 1 and "cannot write /no/a.yml: No such file" in done.stderr, done.stderr)


# The document.


def document(setup):
    """The commands of docs/calibrate.md, one after the other, with OpenCV's photographs as the user's."""
    directory = tempfile.mkdtemp(dir=setup.directory)
    shutil.copytree(setup.real(), os.path.join(directory, "photos"))
    with open(os.path.join(ROOT, "docs/calibrate.md"), encoding="utf-8") as file:
        text = file.read()
    shipped = re.findall(r"opencv-python-headless==([\d.]+)", text)
    ensure(shipped and all(version.startswith(cv2.__version__) for version in shipped), f"OpenCV {shipped}")
    # The program for the board has no preview.
    previews = "\n  preview " in setup.dewarp("--help").stdout
    ran = 0
    for block in re.findall(r"```sh\n(.*?)```", text, re.S):
        for line in block.splitlines():
            words = line.split("#")[0].split()
            if words[:2] == ["python3", "tools/dewarp/calibrate.py"]:
                words = [sys.executable, CALIBRATE, *words[2:]]
            elif words[:1] == ["dewarp"] and words[1] not in ("run", "preview"):
                words[0] = setup.program
            elif words[:2] == ["dewarp", "preview"] and previews:
                words[0] = setup.program
            else:
                continue
            done = subprocess.run(words, capture_output=True, text=True, cwd=directory)
            ensure(done.returncode == 0, f"{line}: {done.stdout}{done.stderr}")
            ran += 1
    ensure(ran == 3 + previews, f"{ran} commands were run")


TESTS = [
    *pages.TESTS,
    ("the photographs of OpenCV give its own calibration within its error", photographs),
    ("a pinhole lens comes back from a rendered chessboard", lens_comes_back, PLUMB, 280, "chessboard"),
    ("a rational lens comes back from a rendered chessboard", lens_comes_back, WIDE, 200, "chessboard", "--model", "rational"),
    ("a fisheye comes back from a rendered chessboard", lens_comes_back, FISHEYE, 150, "chessboard", "--model", "fisheye"),
    ("a pinhole lens comes back from a rendered ChArUco board", lens_comes_back, PLUMB, 280, "charuco"),
    ("a fisheye comes back from a rendered ChArUco board", lens_comes_back, FISHEYE, 130, "charuco", "--model", "fisheye"),
    ("a calibration is the same as YAML, JSON and XML", kinds_of_files),
    ("large pictures give the same lens", large),
    ("a part of a ChArUco board is enough", part_of_a_board),
    ("a picture of a bent board is left out", odd_picture),
    ("a calibration tells what it found and what to photograph next", told),
    ("too few views are refused", too_few),
    ("the same view many times is refused", the_same),
    ("views on one side are refused", one_side),
    ("views without tilt are refused", parallel),
    ("views that leave the focal length open are refused", unsure),
    ("pictures of which a side was cut off are refused", cut),
    ("pictures of different sizes are refused", sizes),
    ("an error that is too large is refused, and a better model named", too_large),
    ("coefficients that cannot be are refused", cannot_be),
    ("squares that are not those of the board are told", other_squares),
    ("bad use of the calibration is told", bad_use),
    ("the commands of calibrate.md work one after the other", document),
]


def main():
    part = "".join(sys.argv[2:])
    with tempfile.TemporaryDirectory() as directory:
        setup = Setup(sys.argv[1], directory)
        for name, test, *rest in TESTS:
            if part not in name:
                continue
            if os.path.exists(setup.path("camera.yml")):
                os.remove(setup.path("camera.yml"))
            judge(name, functools.partial(test, setup, *rest))


main()
