// SPDX-License-Identifier: GPL-2.0
//! The straight line through points, and the distance of the points from it.

/// A point in pixels.
pub type Point = [f64; 2];

/// Returns the largest distance of a point from the line that fits all points best:
/// the one with the least sum of squared distances. Returns 0 for fewer than 3
/// points.
pub fn largest_residual(points: &[Point]) -> f64 {
    if points.len() < 3 {
        return 0.0;
    }
    let count = points.len() as f64;
    let mean = [0, 1].map(|axis| points.iter().map(|point| point[axis]).sum::<f64>() / count);
    let moment = |a: usize, b: usize| -> f64 {
        points
            .iter()
            .map(|point| (point[a] - mean[a]) * (point[b] - mean[b]))
            .sum()
    };
    let (xx, yy, xy) = (moment(0, 0), moment(1, 1), moment(0, 1));
    // The line's direction is the long axis of the points' scatter.
    let angle = 0.5 * (2.0 * xy).atan2(xx - yy);
    let (sin, cos) = angle.sin_cos();
    let distance = |point: &Point| ((point[1] - mean[1]) * cos - (point[0] - mean[0]) * sin).abs();
    points.iter().map(distance).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_on_a_line_in_any_direction_have_no_residual() {
        for (dx, dy) in [(1.0, 0.0), (0.0, 1.0), (3.0, 4.0), (-5.0, 1.0)] {
            let points: Vec<Point> = (0..20)
                .map(|i| [7.0 + dx * f64::from(i), 9.0 + dy * f64::from(i)])
                .collect();
            assert!(largest_residual(&points) < 1e-9, "{dx} {dy}");
        }
    }

    #[test]
    fn the_residual_of_a_bow_is_the_known_one() {
        // y = x^2 over -1..1: the best line is the mean, 1/3; the ends are 2/3 away.
        let bow: Vec<Point> = (-500..=500)
            .map(|i| f64::from(i) / 500.0)
            .map(|x| [x, x * x])
            .collect();
        assert!((largest_residual(&bow) - 2.0 / 3.0).abs() < 2e-3);
        let turned: Vec<Point> = bow.iter().map(|p| [p[1], p[0]]).collect();
        assert!((largest_residual(&turned) - 2.0 / 3.0).abs() < 2e-3);
    }
}
