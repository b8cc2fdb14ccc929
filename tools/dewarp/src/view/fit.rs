// SPDX-License-Identifier: GPL-2.0
//! Free scaling: how much of the lens's picture the camera shows, from no black in its own picture
//! (alpha 0) to all of the source (alpha 1), as in OpenCV's `getOptimalNewCameraMatrix`. Unlike
//! there, pixels keep their shape.

use std::f64::consts::TAU;

use super::{Camera, Projection, View};
use crate::error::{Error, Result};
use crate::format::Size;

/// The number of intervals between the points that are examined on each side of a picture.
const POINTS: u32 = 64;

/// The shortest focal length of a rectilinear camera, as a fraction of the lens's. With a shorter
/// one, the source has a few pixels in its middle.
const LEAST: f64 = 1.0 / 16.0;

impl View {
    /// Sets the camera's focal lengths and centre for `alpha`, for a source of the size `whole` and
    /// a picture of the camera of the same size.
    ///
    /// Returns a bad-use error if there is no such camera. One reason is that rays at 90 degrees or
    /// more from the camera's axis are in no rectilinear picture.
    pub fn fit(&mut self, whole: Size, alpha: f64) -> Result<()> {
        if !(0.0..=1.0).contains(&alpha) {
            return Err(Error::bad_use(format!(
                "an alpha of {alpha} is not from 0 to 1"
            )));
        }
        // Each of them may not exist, and only those that `alpha` needs must.
        let (inner, outer) =
            if alpha == 0.0 {
                let inner = self.inner(whole)?;
                (inner, inner)
            } else {
                let outer = self.outer(whole).map_err(|cause| {
                let inner = self.inner(whole).map_or("", |_| "--alpha 0 is the only one; or ");
                Error::bad_use(format!(
                    "{cause}: {inner}--zoom in place of --alpha, or --projection cylindrical or \
                     equirectangular"
                ))
            })?;
                match alpha == 1.0 {
                    true => (outer, outer),
                    false => (self.inner(whole)?, outer),
                }
            };
        let mix = |a: f64, b: f64| a * (1.0 - alpha) + b * alpha;
        for axis in [0, 1] {
            self.camera.focal[axis] = mix(inner.focal[axis], outer.focal[axis]);
            self.camera.center[axis] = mix(inner.center[axis], outer.center[axis]);
        }
        Ok(())
    }

    /// Returns the camera that shows just the whole source.
    fn outer(&self, whole: Size) -> Result<Camera> {
        let mut low = [f64::INFINITY; 2];
        let mut high = [f64::NEG_INFINITY; 2];
        // If the lens's rays end within the source, their rim is its border.
        let border = border(whole).filter_map(|pixel| self.inverse.unproject(pixel));
        for ray in border.chain(self.rim(whole)) {
            let point = self.camera.point(ray).ok_or_else(|| {
                Error::bad_use("no such picture can show every pixel of this source")
            })?;
            for axis in [0, 1] {
                low[axis] = low[axis].min(point[axis]);
                high[axis] = high[axis].max(point[axis]);
            }
        }
        let span = [0, 1].map(|axis| self.camera.focal[axis] * (high[axis] - low[axis]));
        if !span.iter().all(|span| span.is_finite() && *span > 0.0) {
            return Err(Error::bad_use(
                "no ray of the lens's model lands on the source (look at the lens's numbers)",
            ));
        }
        let [width, height] = extent(whole);
        let scale = (width / span[0]).min(height / span[1]);
        let middle = [0, 1].map(|axis| (low[axis] + high[axis]) / 2.0);
        Ok(self.centred(whole, middle, scale))
    }

    /// Returns the lens's outermost rays that land on the source.
    fn rim(&self, whole: Size) -> impl Iterator<Item = [f64; 3]> {
        let around = (0..4 * POINTS).map(|index| {
            let (sin, cos) = (TAU * f64::from(index) / f64::from(4 * POINTS)).sin_cos();
            let (across, ahead) = self.inverse.reach_toward(cos, sin).sin_cos();
            [across * cos, across * sin, ahead]
        });
        around.filter(move |ray| {
            let pixel = self.inverse.lens.project(*ray);
            pixel.is_some_and(|pixel| inside(whole, pixel))
        })
    }

    /// Returns the camera whose picture is as wide as possible and shows only the source.
    fn inner(&self, whole: Size) -> Result<Camera> {
        let middle = self.middle(whole).ok_or_else(|| {
            Error::bad_use("the middle of the source is not in the output: look less far aside")
        })?;
        let covered = |scale: f64| {
            let view = View {
                camera: self.centred(whole, middle, scale),
                ..self.clone()
            };
            border(whole).all(|pixel| view.seen(pixel).is_some_and(|pixel| inside(whole, pixel)))
                && view.outline().all(|pixel| view.seen(pixel).is_some())
        };
        let mut good = 1.0 / 64.0;
        while !covered(good) {
            good *= 2.0;
            if good > 1024.0 {
                return Err(Error::bad_use(
                    "no part of the output would be without black",
                ));
            }
        }
        let mut bad = good / 2.0;
        for _ in 0..40 {
            let between = (good + bad) / 2.0;
            match covered(between) {
                true => good = between,
                false => bad = between,
            }
        }
        if self.camera.projection == Projection::Rectilinear && good < LEAST {
            return Err(Error::bad_use(
                "a rectilinear picture never shows black here, however wide it is: use --zoom or another \
                 --projection",
            ));
        }
        Ok(self.centred(whole, middle, good))
    }

    /// Returns the pixels of the output's outermost vertices, of which the last are beside the last
    /// pixels. If one of them is not seen, its block is black.
    fn outline(&self) -> impl Iterator<Item = [f64; 2]> {
        let Size { width, height } = self.layout.size;
        let steps = |side: u32| (0..side).step_by(16).chain([side]);
        let across = steps(width).flat_map(move |x| [[x, 0], [x, height]]);
        let down = steps(height).flat_map(move |y| [[0, y], [width, y]]);
        across
            .chain(down)
            .map(|[x, y]| self.layout.point(f64::from(x), f64::from(y)))
    }

    /// Returns the middle between the source's sides, or of the source if its sides are not in that
    /// order.
    fn middle(&self, whole: Size) -> Option<[f64; 2]> {
        let [width, height] = extent(whole);
        let point = |pixel| self.camera.point(self.inverse.unproject(pixel)?);
        let along = |side: fn(f64, [f64; 2]) -> [f64; 2]| -> Option<Vec<[f64; 2]>> {
            let part = |index: u32| f64::from(index) / f64::from(POINTS);
            (0..=POINTS)
                .map(|index| point(side(part(index), [width, height])))
                .collect()
        };
        let most = |points: Vec<[f64; 2]>, axis: usize, sign: f64| {
            let parts = points.into_iter().map(|point| sign * point[axis]);
            sign * parts.fold(f64::NEG_INFINITY, f64::max)
        };
        let between = || {
            let left = most(along(|part, [_, h]| [0.0, part * h])?, 0, 1.0);
            let right = most(along(|part, [w, h]| [w, part * h])?, 0, -1.0);
            let top = most(along(|part, [w, _]| [part * w, 0.0])?, 1, 1.0);
            let bottom = most(along(|part, [w, h]| [part * w, h])?, 1, -1.0);
            (left < right && top < bottom).then(|| [(left + right) / 2.0, (top + bottom) / 2.0])
        };
        between().or_else(|| point([width / 2.0, height / 2.0]))
    }

    /// Returns the camera with this point in the middle of its picture.
    fn centred(&self, whole: Size, middle: [f64; 2], scale: f64) -> Camera {
        let focal = self.camera.focal.map(|focal| focal * scale);
        let extent = extent(whole);
        Camera {
            focal,
            center: [0, 1].map(|axis| extent[axis] / 2.0 - middle[axis] * focal[axis]),
            ..self.camera
        }
    }
}

/// Returns the distance from the first to the last pixel's centre.
fn extent(size: Size) -> [f64; 2] {
    [size.width, size.height].map(|side| f64::from(side) - 1.0)
}

/// Returns whether a point is between the first and the last pixels' centres.
fn inside(size: Size, [x, y]: [f64; 2]) -> bool {
    let [width, height] = extent(size);
    (0.0..=width).contains(&x) && (0.0..=height).contains(&y)
}

/// Returns points on the border of a picture.
fn border(size: Size) -> impl Iterator<Item = [f64; 2]> {
    let [width, height] = extent(size);
    (0..=POINTS).flat_map(move |index| {
        let part = f64::from(index) / f64::from(POINTS);
        let (x, y) = (width * part, height * part);
        [[x, 0.0], [x, height], [0.0, y], [width, y]]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lens::{Brown, Distortion, Lens};
    use crate::view::Layout;

    const SIZE: Size = Size {
        width: 640,
        height: 480,
    };

    fn barrel() -> Lens {
        Lens {
            focal: [400.0, 400.0],
            center: [330.0, 235.0],
            distortion: Distortion::Brown(Brown {
                radial: [-0.25, 0.05, 0.0],
                ..Brown::NONE
            }),
        }
    }

    fn fitted(lens: Lens, alpha: f64, pan: f64) -> View {
        let camera = Camera::like(&lens).looking(pan, 0.0, 0.0);
        let mut view = View::new(lens, camera, Layout::whole(SIZE, SIZE));
        view.fit(SIZE, alpha).unwrap();
        view
    }

    /// Returns whether each border pixel of the output shows the source.
    fn without_black(view: &View) -> bool {
        border(SIZE).all(|[x, y]| {
            let [x, y] = view.source(x, y);
            (-0.01..=639.01).contains(&x) && (-0.01..=479.01).contains(&y)
        })
    }

    #[test]
    fn alpha_0_has_no_black_and_nearly_touches_it() {
        for pan in [0.0, 12.0] {
            let mut view = fitted(barrel(), 0.0, pan);
            assert!(without_black(&view));
            view.camera = view.camera.zoomed(0.98);
            assert!(!without_black(&view));
        }
    }

    #[test]
    fn alpha_1_shows_every_pixel_of_the_source_and_no_wider() {
        let view = fitted(barrel(), 1.0, 0.0);
        let mut nearest = f64::INFINITY;
        for pixel in border(SIZE) {
            let point = view
                .camera
                .point(view.inverse.unproject(pixel).unwrap())
                .unwrap();
            let [x, y] =
                [0, 1].map(|axis| point[axis] * view.camera.focal[axis] + view.camera.center[axis]);
            nearest = nearest.min(x).min(y).min(639.0 - x).min(479.0 - y);
        }
        assert!(nearest.abs() < 1e-6, "{nearest}");
    }

    #[test]
    fn alpha_1_ends_with_the_rays_where_they_end_within_the_source() {
        // r (1 - 0.3 r^2) is largest at a tangent of 1.054, 0.703 from the axis.
        let brown = Brown {
            radial: [-0.3, 0.0, 0.0],
            ..Brown::NONE
        };
        // The first is a circle within the source, the second one that the upper border cuts at
        // 239.5 of 309.
        for (focal, tangent) in [(300.0, 1.054), (440.0, 1.054 * 239.5 / 309.4)] {
            let lens = Lens {
                focal: [focal; 2],
                center: [319.5, 239.5],
                distortion: Distortion::Brown(brown),
            };
            let [_, y, z] = fitted(lens, 1.0, 0.0).camera.ray([319.5, 0.0]).unwrap();
            assert!((-y / z - tangent).abs() < 0.01, "{focal}: {y} {z}");
        }
    }

    #[test]
    fn what_alpha_1_shows_of_the_sample_rational_json_is_all_that_has_a_ray() {
        let view = fitted(crate::lens::tests::rational(), 1.0, 0.0);
        let mut shown = 0;
        for (column, row) in (0..64).flat_map(|column| (0..48).map(move |row| (column, row))) {
            let pixel = [f64::from(column) * 10.0, f64::from(row) * 10.0];
            let Some(ray) = view.inverse.unproject(pixel) else {
                continue;
            };
            let point = view.camera.point(ray).unwrap();
            let [x, y] =
                [0, 1].map(|axis| point[axis] * view.camera.focal[axis] + view.camera.center[axis]);
            assert!(
                (-1.0..=640.0).contains(&x) && (-1.0..=480.0).contains(&y),
                "{pixel:?}"
            );
            shown += 1;
        }
        // Only the corners are not shown.
        assert!(shown > 64 * 48 * 9 / 10, "{shown}");
    }

    #[test]
    fn between_them_the_focal_length_is_between() {
        let focal = |alpha| fitted(barrel(), alpha, 0.0).camera.focal[0];
        assert!((focal(0.5) - (focal(0.0) + focal(1.0)) / 2.0).abs() < 1e-9);
        assert!(focal(0.0) > focal(1.0));
    }

    #[test]
    fn a_lens_that_bends_nothing_is_left_alone_by_any_alpha() {
        let lens = Lens::straight([500.0, 500.0], [319.5, 239.5]);
        for alpha in [0.0, 0.4, 1.0] {
            let Camera { focal, center, .. } = fitted(lens, alpha, 0.0).camera;
            assert!((focal[0] - 500.0).abs() < 1e-6 && (center[0] - 319.5).abs() < 1e-6);
        }
    }

    #[test]
    fn a_fisheye_of_half_the_sphere_fits_a_cylinder_and_no_plane() {
        let lens = Lens {
            focal: [200.0, 200.0],
            center: [319.5, 239.5],
            distortion: Distortion::Fisheye([0.0; 4]),
        };
        let camera = Camera::like(&lens);
        let mut view = View::new(lens, camera, Layout::whole(SIZE, SIZE));
        let error = view.fit(SIZE, 1.0).unwrap_err();
        assert!(
            error.to_string().contains("--projection cylindrical"),
            "{error}"
        );
        view.fit(SIZE, 0.0).unwrap();
        assert!(without_black(&view));
        view.camera.projection = Projection::Equirectangular;
        view.fit(SIZE, 1.0).unwrap();
    }
}
