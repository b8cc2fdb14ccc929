# SPDX-License-Identifier: GPL-2.0
"""The maps of `dewarp` beside Lensfun's own, for random profiles.

usage: lensfun.py DEWARP SEED COUNT [PART-OF-A-NAME]

Each profile is read by Lensfun (of lensfunpy) and by `dewarp map`, and the map is compared at every vertex with
lf_modifier_apply_geometry_distortion. They may be as far apart as rounding to the map's sixteenths makes them.
Prints `ok NAME` or `FAIL NAME: WHY` for each kind.
"""

import os

import lensfunpy
import numpy as np

from maps import LARGEST, judge, vertices

MODELS = {
    "poly3": (["k1"], [0.05]),
    "poly5": (["k1", "k2"], [0.05, 0.02]),
    "ptlens": (["a", "b", "c"], [0.02, 0.03, 0.02]),
}


class Kind:
    """What is random in a profile besides its coefficients."""

    def __init__(self, name, model, crop=False, aspect=None, center=False, portrait=False):
        self.name, self.model = name, model
        self.crop, self.aspect, self.center, self.portrait = crop, aspect, center, portrait

    def random(self, rng):
        names, spread = MODELS[self.model]
        size = [int(side) * 8 for side in rng.integers([22, 18], [240, 135])]
        size = sorted(size, reverse=not self.portrait)
        calibrated = float(rng.uniform(1, 6))
        return {
            "size": [max(size[0], 176), max(size[1], 144)],
            "focal": float(rng.uniform(4, 50)),
            "calibrated": calibrated,
            # A smaller sensor than the calibration's sees no part that was not calibrated.
            "crop": calibrated * float(rng.uniform(1, 1.8)) if self.crop else calibrated,
            "center": rng.uniform(-0.05, 0.05, 2).tolist() if self.center else None,
            "coefficients": dict(zip(names, (rng.uniform(-1, 1, len(names)) * spread).tolist())),
        }

    def profile(self, case):
        center = case["center"] and f'<center x="{case["center"][0]!r}" y="{case["center"][1]!r}"/>'
        aspect = self.aspect and f"<aspect-ratio>{self.aspect}</aspect-ratio>"
        values = " ".join(f'{name}="{value!r}"' for name, value in case["coefficients"].items())
        return f"""<lensdatabase version="1">
  <mount><name>M</name></mount>
  <camera><maker>Acme</maker><model>One</model><mount>M</mount><cropfactor>{case["crop"]!r}</cropfactor></camera>
  <lens><maker>Acme</maker><model>Random</model><mount>M</mount><cropfactor>{case["calibrated"]!r}</cropfactor>
    {aspect or ""}{center or ""}
    <calibration><distortion model="{self.model}" focal="{case["focal"]!r}" {values}/></calibration></lens>
</lensdatabase>
"""

    def theirs(self, profile, case):
        database = lensfunpy.Database(xml=profile, load_common=False, load_bundled=False)
        [camera], [lens] = database.cameras, database.lenses
        width, height = case["size"]
        modifier = lensfunpy.Modifier(lens, camera.crop_factor, width, height)
        flags = lensfunpy.ModifyFlags.DISTORTION
        modifier.initialize(case["focal"], 4.0, scale=1.0, pixel_format=np.uint8, flags=flags)
        columns, rows = ([*range(0, side, 16), side] for side in (width, height))
        # One point at a time: for four in a row Lensfun 0.3.4 takes its SSE code, in which a pixel has the radius
        # of its neighbour.
        one = lambda x, y: modifier.apply_geometry_distortion(x, y, 1, 1)[0, 0]
        points = np.array([[one(x, y) for x in columns] for y in rows], float)
        return points.clip(0, LARGEST)


KINDS = [Kind(model, model) for model in MODELS] + [
    Kind("crop factor", "ptlens", crop=True),
    Kind("aspect ratio", "poly3", crop=True, aspect="4:3"),
    Kind("aspect ratio as a number", "poly5", aspect="1.7778"),
    Kind("centre", "ptlens", crop=True, center=True),
    Kind("centre, upright picture", "poly3", crop=True, aspect="4:3", center=True, portrait=True),
]


def compare(kind, dewarp, rng, directory):
    """The largest distance, and the case; raises if dewarp fails."""
    case = kind.random(rng)
    path, output = os.path.join(directory, "profile.xml"), os.path.join(directory, "map.bin")
    profile = kind.profile(case)
    with open(path, "w") as file:
        file.write(profile)
    size = "{}x{}".format(*case["size"])
    command = [dewarp, "map", "lens", "--size", size, "--source", size, "--calibration", path]
    command += ["--crop-factor", repr(case["crop"])]
    theirs = kind.theirs(profile, case)
    ours = vertices(command, output, theirs.shape)
    # Beyond the fold of the polynomial Lensfun goes on, and dewarp shows the boundary colour.
    seen = (ours < LARGEST).any(-1)
    if seen.mean() < 0.9:
        raise RuntimeError(f"{1 - seen.mean():.0%} of the vertices are out of sight: {case}")
    return np.abs(ours - theirs)[seen].max(), str(case)


judge("Lensfun", KINDS, compare)
