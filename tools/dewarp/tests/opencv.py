# SPDX-License-Identifier: GPL-2.0
"""The maps of `dewarp` beside OpenCV's own, for random calibrations.

usage: opencv.py DEWARP SEED COUNT [PART-OF-A-NAME]

Each calibration is written by OpenCV's FileStorage, or as ROS's `camera_info` or
Kalibr's camchain are documented, read by `dewarp map`, and the map compared at every vertex with initUndistortRectifyMap. They may be as far
apart as rounding to the map's sixteenths makes them. Prints `ok NAME` or `FAIL NAME: WHY` for each kind.
"""

import os

import cv2
import numpy as np

from maps import LARGEST, judge, vertices


def brown_radius(d, r):
    """The radial part of OpenCV's model for pinhole cameras."""
    d = np.concatenate([d, np.zeros(14 - len(d))])
    r2 = r * r
    above = 1 + r2 * (d[0] + r2 * (d[1] + r2 * d[4]))
    below = 1 + r2 * (d[5] + r2 * (d[6] + r2 * d[7]))
    return r * above / below


def fisheye_radius(d, r):
    a = np.arctan(r)
    a2 = a * a
    return a * (1 + a2 * (d[0] + a2 * (d[1] + a2 * (d[2] + a2 * d[3]))))


class Kind:
    """A kind of calibration: its name, file type, model and what is random."""

    def __init__(self, name, extension, coefficients, fisheye=False, stereo=False):
        self.name = name
        self.extension = extension
        self.coefficients = coefficients
        self.fisheye = fisheye
        self.stereo = stereo

    def random(self, rng):
        """Size, K, D, R and P of a lens that can be undone in the whole view."""
        while True:
            width = int(rng.integers(22, 240)) * 8
            height = int(rng.integers(18, 135)) * 8
            focal = rng.uniform(0.45, 1.6) * width
            k = np.array(
                [
                    [focal, 0, width * rng.uniform(0.45, 0.55)],
                    [0, focal * rng.uniform(0.95, 1.05), height * rng.uniform(0.45, 0.55)],
                    [0, 0, 1],
                ]
            )
            d = self.coefficients(rng)
            r, p = np.eye(3), k
            if self.stereo:
                # No more than leaves something of the source in a low picture.
                most = 0.08 * min(1, height / width)
                r, _ = cv2.Rodrigues(rng.uniform(-most, most, 3))
                p = k.copy()
                p[0, 0] = p[1, 1] = focal * rng.uniform(0.9, 1.1)
                p[:2, 2] += rng.uniform(-20, 20, 2)
            # As far from the axis as the view looks.
            corners = np.array([[x, y, 1] for x in (0, width) for y in (0, height)])
            rays = (np.linalg.inv(p @ r) @ corners.T).T
            if (rays[:, 2] <= 0.1).any():
                continue
            across = np.hypot(rays[:, 0], rays[:, 1]) / rays[:, 2]
            radius = fisheye_radius if self.fisheye else brown_radius
            landed = radius(d, np.linspace(0, 1.05 * across.max(), 2000))
            if (np.diff(landed) > 0).all():
                return (width, height), k, d, r, p

    def write(self, path, size, k, d, r, p):
        fs = cv2.FileStorage(path, cv2.FILE_STORAGE_WRITE)
        fs.write("image_width", size[0])
        fs.write("image_height", size[1])
        if self.fisheye:
            fs.write("fisheye_model", 1)
        names = ("M1", "D1") if self.stereo else ("camera_matrix", "distortion_coefficients")
        fs.write(names[0], k)
        fs.write(names[1], d.reshape(-1, 1))
        if self.stereo:
            fs.write("R1", r)
            fs.write("P1", np.hstack([p, np.zeros((3, 1))]))
        fs.release()

    def theirs(self, size, k, d, r, p):
        """OpenCV's map at the vertices, as far as vertices can hold it."""
        make = cv2.fisheye.initUndistortRectifyMap if self.fisheye else cv2.initUndistortRectifyMap
        width, height = size
        maps = make(k, d.reshape(-1, 1), r, p, (width + 1, height + 1), cv2.CV_32FC1)
        columns = np.minimum(np.arange(-(-width // 16) + 1) * 16, width)
        rows = np.minimum(np.arange(-(-height // 16) + 1) * 16, height)
        return np.stack([m[np.ix_(rows, columns)] for m in maps], -1).clip(0, LARGEST)


class Ros(Kind):
    """A camera_info as camera_calibration_parsers writes it. ROS's wiki has the order: plumb_bob is
    (k1, k2, t1, t2, k3), and rational_polynomial, equidistant are OpenCV's eight and four."""

    def __init__(self, model, coefficients, fisheye=False, stereo=False):
        name = f"ROS {model}" + (", rectified" if stereo else "")
        super().__init__(name, "yaml", coefficients, fisheye, stereo)
        self.model = model

    def write(self, path, size, k, d, r, p):
        def matrix(name, values):
            rows, columns = values.shape
            data = ", ".join(repr(float(value)) for value in values.ravel())
            return f"{name}:\n  rows: {rows}\n  cols: {columns}\n  data: [{data}]\n"

        with open(path, "w") as file:
            file.write(f"image_width: {size[0]}\nimage_height: {size[1]}\ncamera_name: camera\n")
            file.write(matrix("camera_matrix", k))
            file.write(f"distortion_model: {self.model}\n")
            file.write(matrix("distortion_coefficients", d.reshape(1, -1)))
            file.write(matrix("rectification_matrix", r))
            file.write(matrix("projection_matrix", np.hstack([p, np.zeros((3, 1))])))


class Kalibr(Kind):
    """A camchain as Kalibr writes it. Its wiki has the order: intrinsics are fu, fv, pu, pv, radtan is
    k1, k2, r1, r2, and equidistant k1 to k4."""

    def __init__(self, model, coefficients, fisheye=False):
        super().__init__(f"Kalibr pinhole-{model}", "yaml", coefficients, fisheye)
        self.model = model

    def write(self, path, size, k, d, r, p):
        numbers = lambda values: "[" + ", ".join(repr(float(value)) for value in values) + "]"
        with open(path, "w") as file:
            file.write("cam0:\n  cam_overlaps: []\n  camera_model: pinhole\n")
            file.write(f"  distortion_coeffs: {numbers(d)}\n  distortion_model: {self.model}\n")
            file.write(f"  intrinsics: {numbers([k[0, 0], k[1, 1], k[0, 2], k[1, 2]])}\n")
            file.write(f"  resolution: [{size[0]}, {size[1]}]\n  rostopic: /cam0/image_raw\n")


class Sphere(Kind):
    """A camchain of one of the models that see beyond half a sphere. The formulas are those of the papers:
    Usenko 2018 (ds), Khomutenko 2016 (eucm), Mei 2007 (omni), Devernay and Faugeras 2001 (fov)."""

    def __init__(self, model, parameters):
        super().__init__(f"Kalibr {model}", "yaml", parameters)
        self.model = model

    def random(self, rng):
        size = tuple(int(side) * 8 for side in rng.integers([22, 18], [240, 135]))
        focal = rng.uniform(0.3, 1.2) * size[0]
        k = np.array([[focal, 0, size[0] * rng.uniform(0.45, 0.55)], [0, focal * rng.uniform(0.95, 1.05), 0], [0, 0, 1]])
        k[1, 2] = size[1] * rng.uniform(0.45, 0.55)
        return size, k, self.coefficients(rng), None, None

    def write(self, path, size, k, d, r, p):
        numbers = lambda values: "[" + ", ".join(repr(float(value)) for value in values) + "]"
        pixels = [k[0, 0], k[1, 1], k[0, 2], k[1, 2]]
        own, camera, bend, beside = {
            "ds": (d, "ds", "none", []),
            "eucm": (d, "eucm", "none", []),
            "omni-radtan": (d[:1], "omni", "radtan", d[1:]),
            "pinhole-fov": ([], "pinhole", "fov", d),
        }[self.model]
        with open(path, "w") as file:
            file.write(f"cam0:\n  cam_overlaps: []\n  camera_model: {camera}\n")
            file.write(f"  distortion_coeffs: {numbers(beside)}\n  distortion_model: {bend}\n")
            file.write(f"  intrinsics: {numbers([*own, *pixels])}\n  resolution: [{size[0]}, {size[1]}]\n")

    def theirs(self, size, k, d, r, p):
        columns, rows = ([*range(0, side, 16), side] for side in size)
        u, v = np.meshgrid(columns, rows)
        x, y, z = (u - k[0, 2]) / k[0, 0], (v - k[1, 2]) / k[1, 1], 1.0
        length = np.sqrt(x * x + y * y + z * z)
        if self.model == "ds":
            xi, alpha = d
            second = np.sqrt(x * x + y * y + (xi * length + z) ** 2)
            scale = 1 / (alpha * second + (1 - alpha) * (xi * length + z))
            x, y = x * scale, y * scale
        elif self.model == "eucm":
            alpha, beta = d
            scale = 1 / (alpha * np.sqrt(beta * (x * x + y * y) + z * z) + (1 - alpha) * z)
            x, y = x * scale, y * scale
        elif self.model == "pinhole-fov":
            radius = np.maximum(np.hypot(x, y), 1e-12)
            scale = np.arctan(2 * radius * np.tan(d[0] / 2)) / d[0] / radius
            x, y = x * scale, y * scale
        else:
            xi, k1, k2, p1, p2 = d
            x, y = x / (z + xi * length), y / (z + xi * length)
            r2 = x * x + y * y
            radial = 1 + k1 * r2 + k2 * r2 * r2
            x, y = (
                x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
                y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
            )
        return np.stack([x * k[0, 0] + k[0, 2], y * k[1, 1] + k[1, 2]], -1).clip(0, LARGEST)


def brown(count):
    spread = [0.3, 0.1, 0.003, 0.003, 0.03, 0.3, 0.1, 0.03] + [0.003] * 4 + [0.05] * 2
    return lambda rng: rng.uniform(-1, 1, count) * spread[:count]


def fisheye(rng):
    return rng.uniform(-1, 1, 4) * [0.1, 0.05, 0.02, 0.01]


KINDS = [
    Kind("radial and tangential, YAML", "yml", brown(5)),
    Kind("rational, JSON", "json", brown(8)),
    Kind("thin prism, XML", "xml", brown(12)),
    Kind("tilted sensor, YAML", "yaml", brown(14)),
    Kind("fisheye, YAML", "yml", fisheye, fisheye=True),
    Kind("a rectified pair, YAML", "yml", brown(5), stereo=True),
    Kind("a rectified pair of fisheyes, JSON", "json", fisheye, fisheye=True, stereo=True),
    Ros("plumb_bob", brown(5)),
    Ros("plumb_bob", brown(5), stereo=True),
    Ros("rational_polynomial", brown(8)),
    Ros("equidistant", fisheye, fisheye=True, stereo=True),
    Kalibr("radtan", brown(4)),
    Kalibr("equidistant", fisheye, fisheye=True),
    Sphere("ds", lambda rng: rng.uniform([-0.3, 0.3], [0.3, 0.7])),
    Sphere("eucm", lambda rng: rng.uniform([0.3, 0.8], [0.7, 1.3])),
    Sphere("omni-radtan", lambda rng: rng.uniform([0.5, -0.1, 0, -0.003, -0.003], [1.5, 0.05, 0.05, 0.003, 0.003])),
    Sphere("pinhole-fov", lambda rng: rng.uniform([0.5], [1.1])),
]


def compare(kind, dewarp, rng, directory):
    """The largest distance, and the case; raises if dewarp fails."""
    size, k, d, r, p = kind.random(rng)
    path = os.path.join(directory, "camera." + kind.extension)
    output = os.path.join(directory, "map.bin")
    kind.write(path, size, k, d, r, p)
    command = [dewarp, "map", "lens", "--size", f"{size[0]}x{size[1]}", "--calibration", path]
    command += ["--rectify", path] if kind.stereo else []
    theirs = kind.theirs(size, k, d, r, p)
    ours = vertices(command, output, theirs.shape)
    return np.abs(ours - theirs).max(), f"{size} K {k.tolist()} D {d.tolist()}"


judge("OpenCV", KINDS, compare)
