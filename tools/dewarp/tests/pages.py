# SPDX-License-Identifier: GPL-2.0
"""The tests of the pages that `dewarp board` draws, with OpenCV as the judge."""

import re
import struct

import cv2
import numpy as np
import pypdfium2

from common import PER_MM
from verdict import ensure

MM_PER_POINT = 25.4 / 72


# How to draw a file: a picture, and its pixels a millimetre.


def drawn_png(path):
    return cv2.imread(path, cv2.IMREAD_GRAYSCALE), PER_MM


def drawn_pdf(path):
    page = pypdfium2.PdfDocument(path)[0]
    picture = page.render(scale=PER_MM * MM_PER_POINT, grayscale=True).to_numpy()
    # PDFium stretches the page to whole pixels.
    millimetres = np.array(page.get_size()) * MM_PER_POINT
    return picture.reshape(picture.shape[:2]), picture.shape[1::-1] / millimetres


def drawn_svg(path):
    """What a reader of SVG draws: the rectangles of the path, in units of the view box."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    width, height, view = re.search(r'width="([\d.]+)mm" height="([\d.]+)mm" viewBox="0 0 ([\d. ]+)"', text).groups()
    ensure(view == f"{width} {height}", f"a unit is not a millimetre: {view}")
    picture = np.full([int(np.ceil(float(side) * PER_MM)) for side in (height, width)], 255, np.uint8)
    drawn = re.search(r'<path d="([^"]*)"', text).group(1)
    parts = re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)h-([\d.]+)z", drawn)
    ensure(len(parts) == drawn.count("M") > 20, "the path has other parts than rectangles")
    for part in parts:
        x, y, across, down, _ = (float(number) * PER_MM for number in part)
        picture[round(y) : round(y + down), round(x) : round(x + across)] = 0
    return picture, PER_MM


def page_is_right(setup, kind, extension, draw, paper="a4", sheet=(297, 210), side=25):
    """OpenCV finds all inner corners, each where it belongs on the sheet."""
    path = setup.path(f"page.{extension}")
    setup.dewarp("board", "--kind", kind, "--paper", paper, "--square", str(side), "-o", path)
    picture, per_mm = draw(path)
    size = tuple(int(np.ceil(length * PER_MM - 1e-6)) for length in sheet[::-1])
    ensure(np.abs(np.subtract(picture.shape, size)).max() <= 1, f"{picture.shape} pixels, not {size}")
    if kind == "chessboard":
        found, places = cv2.findChessboardCornersSB(picture, (9, 6))
        ensure(found, "OpenCV finds no chessboard")
    else:
        words = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
        board = cv2.aruco.CharucoBoard((10, 7), side, 0.75 * side, words)
        places, numbers, _, markers = cv2.aruco.CharucoDetector(board).detectBoard(picture)
        ensure(numbers is not None and numbers.ravel().tolist() == list(range(54)), f"the corners {numbers}")
        ensure(sorted(markers.ravel()) == list(range(35)), f"the markers {markers}")
    places = (places.reshape(54, 2) + 0.5) / per_mm
    places = np.array(sorted(places.tolist(), key=lambda place: (round(place[1]), place[0])))
    # In the middle across; its middle is as far from 10 mm below the upper edge as from 25 mm above the lower one.
    middle = np.array([sheet[0] / 2, (10 + sheet[1] - 25) / 2])
    right = (np.mgrid[0:9, 0:6].T.reshape(-1, 2) - [4, 2.5]) * side + middle
    worst = np.abs(places - right).max()
    ensure(worst < 0.05, f"a corner is {worst:.3f} mm off")


def ruler(setup):
    """The longest black line below the board."""
    page = setup.page("chessboard")
    below = page[186 * PER_MM :] < 128
    longest = 0
    for row in below:
        edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
        longest = max([longest, *(edges[1::2] - edges[::2])])
    ensure(longest == 100 * PER_MM, f"the ruler is {longest / PER_MM} mm long")


def density(setup):
    setup.page("chessboard")
    with open(setup.path("chessboard.png"), "rb") as file:
        data = file.read()
    at = data.index(b"pHYs")
    told = struct.unpack(">IIB", data[at + 4 : at + 13])
    ensure(told == (PER_MM * 1000, PER_MM * 1000, 1), f"pHYs says {told}")


def markers(setup):
    """A board of 10x10 squares has all 50."""
    path = setup.path("many.png")
    setup.dewarp("board", "--kind", "charuco", "--squares", "10x10", "-o", path)
    words = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
    _, numbers, _ = cv2.aruco.ArucoDetector(words).detectMarkers(drawn_png(path)[0])
    ensure(numbers is not None and sorted(numbers.ravel()) == list(range(50)), f"found are {numbers}")


PAGES = {"png": drawn_png, "pdf": drawn_pdf, "svg": drawn_svg}
TESTS = [
    *(
        (f"OpenCV finds the {kind} of a page in {extension} at the right millimetres", page_is_right, kind, extension, draw)
        for kind in ("chessboard", "charuco")
        for extension, draw in PAGES.items()
    ),
    ("a page of another paper is right", page_is_right, "chessboard", "png", drawn_png, "letter", (279.4, 215.9), 24),
    ("the ruler is as long as it says", ruler),
    ("a PNG page tells its density", density),
    ("OpenCV knows all markers that are drawn", markers),
]
