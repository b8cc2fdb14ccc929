# SPDX-License-Identifier: GPL-2.0
"""Photographs of a printed page, as a lens of known numbers takes them.

The formulas are those of OpenCV's documentation (calib3d, fisheye), in numpy: neither OpenCV's code nor
that of `dewarp` is asked.
"""

import cv2
import numpy as np

# Samples of a pixel, in each direction.
SAMPLES = 2


class Camera:
    """A lens and a sensor. Coefficients: k1 k2 p1 p2 k3 k4 k5 k6, or the fisheye's k1 to k4."""

    def __init__(self, size, focal, center, coefficients, fisheye=False):
        self.size, self.focal, self.center = size, np.array(focal), np.array(center)
        self.fisheye = fisheye
        self.d = np.append(coefficients, np.zeros((4 if fisheye else 8) - len(coefficients)))

    @classmethod
    def read(cls, path):
        """From a calibration file."""
        file = cv2.FileStorage(path, cv2.FILE_STORAGE_READ)
        matrix = file.getNode("camera_matrix").mat()
        size = tuple(int(file.getNode(name).real()) for name in ("image_width", "image_height"))
        fisheye = file.getNode("fisheye_model").real() == 1
        coefficients = file.getNode("distortion_coefficients").mat().ravel()
        return cls(size, matrix.diagonal()[:2], matrix[:2, 2], coefficients, fisheye)

    def bend(self, angle):
        """How far from the axis a ray of this angle is seen, by a focal length of 1, without p1 and p2."""
        if self.fisheye:
            k1, k2, k3, k4 = self.d
            a2 = angle * angle
            return angle * (1 + a2 * (k1 + a2 * (k2 + a2 * (k3 + a2 * k4))))
        k1, k2, _, _, k3, k4, k5, k6 = self.d
        r = np.tan(angle)
        r2 = r * r
        return r * (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))

    def tangential(self, x, y):
        if self.fisheye:
            return 0, 0
        p1, p2 = self.d[2:4]
        r2 = x * x + y * y
        return 2 * p1 * x * y + p2 * (r2 + 2 * x * x), p1 * (r2 + 2 * y * y) + 2 * p2 * x * y

    def project(self, rays):
        """Where rays (x, y, z) are seen."""
        x, y, z = np.moveaxis(rays, -1, 0)
        across = np.hypot(x, y)
        angle = np.arctan2(across, z)
        with np.errstate(divide="ignore", invalid="ignore"):
            bent = np.where(across > 0, self.bend(angle) / across, 0)
            dx, dy = self.tangential(x / z, y / z)
        return np.stack([x * bent + dx, y * bent + dy], -1) * self.focal + self.center

    def rays(self, places):
        """The rays of places in the picture; none (NaN) where the lens sees nothing."""
        seen = (places - self.center) / self.focal
        angle = np.linspace(0, np.radians(110 if self.fisheye else 80), 200001)
        bent = self.bend(angle)
        falls = np.flatnonzero(np.diff(bent) <= 0)
        if len(falls):
            angle, bent = angle[: falls[0] + 1], bent[: falls[0] + 1]
        x, y = np.moveaxis(seen, -1, 0)
        dx = dy = 0
        for _ in range(1 if self.fisheye else 12):
            u, v = x - dx, y - dy
            far = np.hypot(u, v)
            turned = np.interp(far, bent, angle, right=np.nan)
            with np.errstate(divide="ignore", invalid="ignore"):
                u, v = (np.where(far > 0, part * np.sin(turned) / far, 0) for part in (u, v))
                dx, dy = self.tangential(u / np.cos(turned), v / np.cos(turned))
        return np.stack([u, v, np.cos(turned)], -1)

    def all_rays(self):
        """The rays of all samples of all pixels. Centres of pixels are at whole numbers."""
        width, height = self.size
        across, down = (
            (np.arange(side * SAMPLES) + 0.5) / SAMPLES - 0.5 for side in (width, height)
        )
        return self.rays(np.stack(np.meshgrid(across, down), -1))


class Photographer:
    """Takes photographs of a page, a grey picture with so many pixels a millimetre."""

    def __init__(self, camera, page, per_mm):
        self.camera, self.rays = camera, camera.all_rays()
        # As coarse as the sensor sees it, or the samples would miss most of it.
        self.per_mm = per_mm / 4
        self.page = cv2.resize(page, None, fx=1 / 4, fy=1 / 4, interpolation=cv2.INTER_AREA)

    def pose(self, place, away, turn):
        """The page's middle and its turn, in the camera's frame."""
        middle = self.camera.rays(np.array(place) * self.camera.size) * away
        tilt = cv2.Rodrigues(np.radians([turn[1], turn[0], 0.0]))[0]
        return middle, tilt @ cv2.Rodrigues(np.radians([0.0, 0, turn[2]]))[0]

    def see(self, points, place, away, turn):
        """Where points of the page are seen, in mm from its middle."""
        middle, matrix = self.pose(place, away, turn)
        return self.camera.project(np.hstack([points, np.zeros((len(points), 1))]) @ matrix.T + middle)

    def take(self, place, away, turn):
        """The page's middle at a place of the picture, as parts of its sides, so many millimetres away,
        turned by three angles in degrees: right or left edge nearer, upper or lower one, in itself."""
        middle, matrix = self.pose(place, away, turn)
        # The ray meets the plane where (ray * t - middle) is upright to its normal.
        normal = matrix[:, 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (middle @ normal) / (self.rays @ normal)
        local = (self.rays * t[..., None] - middle) @ matrix
        local[~(t > 0)] = 1e6
        height, width = self.page.shape
        maps = (
            np.nan_to_num(local[..., axis] * self.per_mm + side / 2 - 0.5, nan=1e6).clip(-1e6, 1e6).astype(np.float32)
            for axis, side in ((0, width), (1, height))
        )
        # The table beneath is grey.
        seen = cv2.remap(self.page, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=110)
        seen[np.isnan(self.rays[..., 0])] = 0
        width, height = self.camera.size
        samples = seen.reshape(height, SAMPLES, width, SAMPLES).astype(float)
        # A lens is not as sharp as a formula, and a sensor has noise.
        soft = cv2.GaussianBlur(samples.mean((1, 3)), None, 0.6) * 0.8 + 20
        noise = np.random.default_rng(int(1000 * sum(place) + away)).normal(0, 2, soft.shape)
        return np.clip(soft + noise, 0, 255).round().astype(np.uint8)
