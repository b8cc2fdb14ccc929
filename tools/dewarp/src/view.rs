// SPDX-License-Identifier: GPL-2.0
//! What the output shows: a camera without distortion that looks through the
//! lens, a part of its picture, and the rotation of that part. Computes the
//! point of the source for a pixel of the output.

mod fit;

use crate::calibration::Rectification;
use crate::format::Size;
use crate::lens::{Inverse, Lens};

/// A point beyond the end of every source: it shows the boundary colour.
pub const NOWHERE: [f64; 2] = [f64::INFINITY; 2];

/// A rotation matrix, as rows.
type Rotation = [[f64; 3]; 3];

const LEVEL: Rotation = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

/// How the output's camera projects directions onto its picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Projection {
    /// Straight lines stay straight.
    #[default]
    Rectilinear,
    /// A panorama: angles across, upright lines stay straight.
    Cylindrical,
    /// A panorama of angles across and down.
    Equirectangular,
}

impl Projection {
    /// Returns the direction of a point, for focal lengths of 1.
    fn ray(self, [u, v]: [f64; 2]) -> Option<[f64; 3]> {
        use std::f64::consts::{FRAC_PI_2, PI};
        let ((su, cu), (sv, cv)) = (u.sin_cos(), v.sin_cos());
        match self {
            Projection::Rectilinear => Some([u, v, 1.0]),
            Projection::Cylindrical => (u.abs() <= PI).then_some([su, v, cu]),
            Projection::Equirectangular => {
                (u.abs() <= PI && v.abs() <= FRAC_PI_2).then_some([su * cv, sv, cu * cv])
            }
        }
    }

    /// Returns the point of a direction: the inverse of [`Projection::ray`].
    fn point(self, [x, y, z]: [f64; 3]) -> Option<[f64; 2]> {
        let around = x.hypot(z);
        match self {
            Projection::Rectilinear => (z > 1e-3 * around.hypot(y)).then(|| [x / z, y / z]),
            Projection::Cylindrical => (around > 1e-3 * y.abs()).then(|| [x.atan2(z), y / around]),
            Projection::Equirectangular => Some([x.atan2(z), y.atan2(around)]),
        }
    }
}

/// The rotation of the finished picture in quarter turns, and its mirroring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Turn {
    /// Quarter turns clockwise, 0 to 3.
    pub quarters: u8,
    /// Whether left and right are then exchanged.
    pub mirrored: bool,
    /// Whether top and bottom are then exchanged.
    pub flipped: bool,
}

impl Turn {
    /// Returns whether the picture is mirrored.
    pub fn exchanged(self) -> bool {
        self.mirrored != self.flipped
    }
}

/// A part of a picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// The first column and line.
    pub corner: [f64; 2],
    /// Width and height.
    pub extent: [f64; 2],
}

/// The place of a picture in the output: cropped, rotated, scaled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Layout {
    /// The output's size.
    pub size: Size,
    /// The part that is shown.
    pub part: Part,
    /// The rotation and mirroring of the part.
    pub turn: Turn,
}

impl Layout {
    /// Creates the layout that shows all of a picture of the size `whole`.
    pub fn whole(size: Size, whole: Size) -> Self {
        Layout {
            size,
            part: Part {
                corner: [0.0; 2],
                extent: [f64::from(whole.width), f64::from(whole.height)],
            },
            turn: Turn::default(),
        }
    }

    /// Returns the width-to-height ratio in the output of what is as wide as
    /// high in the picture.
    pub fn squeeze(&self) -> f64 {
        let [w, h] = match self.turn.quarters % 2 {
            0 => self.part.extent,
            _ => [self.part.extent[1], self.part.extent[0]],
        };
        f64::from(self.size.width) / w / (f64::from(self.size.height) / h)
    }

    /// Returns the picture's point at the output's (x, y).
    pub fn point(&self, x: f64, y: f64) -> [f64; 2] {
        let (w, h) = (f64::from(self.size.width), f64::from(self.size.height));
        // Pixel 0 is exchanged with the last one, because pixel centres have
        // whole coordinates.
        let x = if self.turn.mirrored { w - 1.0 - x } else { x };
        let y = if self.turn.flipped { h - 1.0 - y } else { y };
        let ([x, y], [w, h]) = match self.turn.quarters {
            0 => ([x, y], [w, h]),
            1 => ([y, w - 1.0 - x], [h, w]),
            2 => ([w - 1.0 - x, h - 1.0 - y], [w, h]),
            _ => ([h - 1.0 - y, x], [h, w]),
        };
        let Part { corner, extent } = self.part;
        [corner[0] + x * extent[0] / w, corner[1] + y * extent[1] / h]
    }
}

/// The camera whose picture the output shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Camera {
    /// How it projects directions.
    pub projection: Projection,
    /// The focal lengths in pixels.
    pub focal: [f64; 2],
    /// The pixel of the direction in which it looks.
    pub center: [f64; 2],
    /// The rotation of a ray from its frame to the lens's.
    rotation: Rotation,
}

impl Camera {
    /// Creates a camera that looks where the lens does, with the same matrix.
    pub fn like(lens: &Lens) -> Self {
        Camera {
            projection: Projection::Rectilinear,
            focal: lens.focal,
            center: lens.center,
            rotation: LEVEL,
        }
    }

    /// Creates a camera of a rectified stereo pair.
    pub fn rectified(rectification: &Rectification) -> Self {
        let [a, b, c] = rectification.rotation;
        Camera {
            projection: Projection::Rectilinear,
            focal: rectification.focal,
            center: rectification.center,
            // R rotates into the pair's frame, so its transpose rotates back.
            rotation: [0, 1, 2].map(|row| [a[row], b[row], c[row]]),
        }
    }

    /// Returns the camera turned `pan` degrees to the right, then `tilt`
    /// degrees up, then `roll` degrees clockwise.
    pub fn looking(mut self, pan: f64, tilt: f64, roll: f64) -> Self {
        let [(sp, cp), (st, ct), (sr, cr)] =
            [pan, tilt, roll].map(|degrees| degrees.to_radians().sin_cos());
        let pan = [[cp, 0.0, sp], [0.0, 1.0, 0.0], [-sp, 0.0, cp]];
        let tilt = [[1.0, 0.0, 0.0], [0.0, ct, -st], [0.0, st, ct]];
        let roll = [[cr, -sr, 0.0], [sr, cr, 0.0], [0.0, 0.0, 1.0]];
        for turn in [pan, tilt, roll] {
            self.rotation = product(self.rotation, turn);
        }
        self
    }

    /// Returns the camera with focal lengths `zoom` times as long.
    pub fn zoomed(mut self, zoom: f64) -> Self {
        self.focal = self.focal.map(|focal| focal * zoom);
        self
    }

    /// Returns the ray in the lens's frame that a pixel shows.
    fn ray(&self, pixel: [f64; 2]) -> Option<[f64; 3]> {
        let point = [0, 1].map(|axis| (pixel[axis] - self.center[axis]) / self.focal[axis]);
        let ray = self.projection.ray(point)?;
        Some(self.rotation.map(|row| dot(row, ray)))
    }

    /// Returns the point, for focal lengths of 1, that shows a ray of the
    /// lens's frame.
    fn point(&self, ray: [f64; 3]) -> Option<[f64; 2]> {
        let turned = [0, 1, 2].map(|column| dot(self.rotation.map(|row| row[column]), ray));
        self.projection.point(turned)
    }
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn product(a: Rotation, b: Rotation) -> Rotation {
    a.map(|row| [0, 1, 2].map(|column| dot(row, b.map(|row| row[column]))))
}

/// A lens seen by a camera, and the layout of the camera's picture in the
/// output.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    inverse: Inverse,
    /// The camera.
    pub camera: Camera,
    /// The layout in the output.
    pub layout: Layout,
}

impl View {
    /// Creates the view of `camera` through `lens`.
    pub fn new(lens: Lens, camera: Camera, layout: Layout) -> Self {
        View {
            inverse: lens.inverse(),
            camera,
            layout,
        }
    }

    /// Returns the source's point at the output's (x, y), or [`NOWHERE`] where
    /// the lens sees nothing.
    pub fn source(&self, x: f64, y: f64) -> [f64; 2] {
        self.seen(self.layout.point(x, y)).unwrap_or(NOWHERE)
    }

    /// Returns the fraction of the source, of the size `whole`, in which no ray
    /// lands.
    pub fn hidden(&self, whole: Size) -> f64 {
        /// The number of intervals between the points that are examined, across
        /// and down.
        const POINTS: u32 = 24;
        let at =
            |index: u32, side: u32| f64::from(index) / f64::from(POINTS) * (f64::from(side) - 1.0);
        let points = (0..=POINTS).flat_map(|x| (0..=POINTS).map(move |y| [x, y]));
        let lost = points.filter(|[x, y]| {
            let pixel = [at(*x, whole.width), at(*y, whole.height)];
            self.inverse.unproject(pixel).is_none()
        });
        lost.count() as f64 / f64::from((POINTS + 1) * (POINTS + 1))
    }

    /// Returns the source's point at a pixel of the camera's picture.
    fn seen(&self, pixel: [f64; 2]) -> Option<[f64; 2]> {
        self.inverse.project(self.camera.ray(pixel)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VGA: Size = Size {
        width: 640,
        height: 480,
    };

    const LENS: Lens = Lens::straight([500.0, 500.0], [320.0, 240.0]);

    fn close(a: [f64; 2], b: [f64; 2]) {
        assert!(
            (a[0] - b[0]).abs() < 1e-6 && (a[1] - b[1]).abs() < 1e-6,
            "{a:?} is not {b:?}"
        );
    }

    fn view(camera: Camera) -> View {
        View::new(LENS, camera, Layout::whole(VGA, VGA))
    }

    #[test]
    fn pan_looks_right_tilt_up_and_roll_turns_clockwise() {
        let like = Camera::like(&LENS);
        // The point in the middle of the output if the camera looks 10 degrees
        // to the side.
        let off = 500.0 * 10f64.to_radians().tan();
        close(
            view(like.looking(10.0, 0.0, 0.0)).source(320.0, 240.0),
            [320.0 + off, 240.0],
        );
        close(
            view(like.looking(0.0, 10.0, 0.0)).source(320.0, 240.0),
            [320.0, 240.0 - off],
        );
        // If a camera is turned clockwise, its right side is lower.
        close(
            view(like.looking(0.0, 0.0, 90.0)).source(420.0, 240.0),
            [320.0, 340.0],
        );
    }

    #[test]
    fn a_panorama_has_angles_across() {
        let mut camera = Camera::like(&LENS);
        camera.projection = Projection::Cylindrical;
        let angle = 0.3f64;
        let across = 320.0 + 500.0 * angle;
        close(
            view(camera).source(across, 240.0),
            [320.0 + 500.0 * angle.tan(), 240.0],
        );
        // At that angle the lens's plane is 1 / cos away, the cylinder 1.
        let [_, y] = view(camera).source(across, 290.0);
        assert!((y - (240.0 + 50.0 / angle.cos())).abs() < 1e-6);
        camera.projection = Projection::Equirectangular;
        close(
            view(camera).source(320.0, 240.0 + 150.0),
            [320.0, 240.0 + 500.0 * angle.tan()],
        );
        assert_eq!(view(camera).source(320.0, 240.0 + 500.0 * 1.6), NOWHERE);
    }

    #[test]
    fn each_projection_s_point_is_the_inverse_of_its_ray() {
        for projection in [
            Projection::Rectilinear,
            Projection::Cylindrical,
            Projection::Equirectangular,
        ] {
            let ray = projection.ray([0.7, -0.4]).unwrap();
            close(projection.point(ray).unwrap(), [0.7, -0.4]);
            assert_eq!(
                projection.point([0.0, 1.0, 0.0]).is_some(),
                projection == Projection::Equirectangular
            );
        }
    }

    #[test]
    fn a_rectified_camera_undoes_r_and_has_p() {
        // R turns a direction 10 degrees to the right of the camera straight
        // ahead.
        let (sin, cos) = 10f64.to_radians().sin_cos();
        let camera = Camera::rectified(&Rectification {
            rotation: [[cos, 0.0, -sin], [0.0, 1.0, 0.0], [sin, 0.0, cos]],
            focal: [400.0, 400.0],
            center: [300.0, 200.0],
        });
        close(
            view(camera).source(300.0, 200.0),
            [320.0 + 500.0 * sin / cos, 240.0],
        );
    }

    #[test]
    fn turns_put_the_corners_where_they_belong() {
        // Returns the point of a picture of 640x480 that the output's first
        // pixel shows.
        let corner = |quarters, mirrored, flipped| {
            let size = match quarters % 2 {
                0 => VGA,
                _ => Size {
                    width: 480,
                    height: 640,
                },
            };
            let mut layout = Layout::whole(size, VGA);
            layout.turn = Turn {
                quarters,
                mirrored,
                flipped,
            };
            layout.point(0.0, 0.0)
        };
        assert_eq!(corner(0, false, false), [0.0, 0.0]);
        assert_eq!(corner(0, true, false), [639.0, 0.0]);
        assert_eq!(corner(0, false, true), [0.0, 479.0]);
        // Turned clockwise, the bottom left corner is at the top left.
        assert_eq!(corner(1, false, false), [0.0, 479.0]);
        assert_eq!(corner(2, false, false), [639.0, 479.0]);
        assert_eq!(corner(3, false, false), [639.0, 0.0]);
        assert_eq!(corner(1, true, false), [0.0, 0.0]);
    }

    #[test]
    fn a_part_fills_the_output() {
        let mut layout = Layout::whole(VGA, VGA);
        layout.part = Part {
            corner: [100.0, 50.0],
            extent: [320.0, 240.0],
        };
        assert_eq!(layout.point(0.0, 0.0), [100.0, 50.0]);
        assert_eq!(layout.point(640.0, 480.0), [420.0, 290.0]);
    }

    #[test]
    fn what_is_beyond_the_lens_s_fold_is_nowhere_and_not_a_ghost() {
        use crate::lens::{Brown, Distortion};
        let lens = Lens {
            distortion: Distortion::Brown(Brown {
                radial: [-0.3, 0.0, 0.0],
                ..Brown::NONE
            }),
            ..LENS
        };
        let view = View::new(
            lens,
            Camera::like(&lens).zoomed(0.3),
            Layout::whole(VGA, VGA),
        );
        // The formula maps the radius 2.1 back to -0.7, which is inside the
        // picture.
        assert_eq!(view.source(635.0, 240.0), NOWHERE);
        assert_ne!(view.source(450.0, 240.0), NOWHERE);
    }
}
