// SPDX-License-Identifier: GPL-2.0

//! Compares the samples of two frames: how many differ, by how much, and where.

use std::fmt;

use dewarp::format::{Format as Pixels, Layout, Size};

/// The samples of one kind, line by line.
pub struct Plane {
    /// `luma` or `chroma`.
    pub name: &'static str,
    /// Samples in a line.
    pub width: usize,
    /// The samples.
    pub samples: Vec<u8>,
}

/// Returns luma and chroma of a frame without padding.
pub fn planes(pixels: Pixels, size: Size, frame: &[u8]) -> [Plane; 2] {
    let (width, height) = (size.width as usize, size.height as usize);
    let (luma, chroma) = match pixels.layout {
        Layout::Packed422 => {
            let at = |first: usize| frame.iter().skip(first).step_by(2).copied().collect();
            let luma = usize::from(pixels.swapped);
            (at(luma), at(1 - luma))
        }
        Layout::SemiPlanar420 | Layout::SemiPlanar422 => {
            let (luma, chroma) = frame.split_at(frame.len().min(width * height));
            (luma.to_vec(), chroma.to_vec())
        }
    };
    let plane = |name, samples| Plane {
        name,
        width,
        samples,
    };
    [plane("luma", luma), plane("chroma", chroma)]
}

/// The difference of the samples of one kind.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Samples that were compared.
    pub samples: u64,
    /// Samples that are not equal.
    pub differing: u64,
    /// Samples that differ by more than 1.
    pub beyond_one: u64,
    /// Samples that are less than the expected ones.
    pub less: u64,
    /// The largest difference.
    pub most: u8,
    /// The first and last column and line with a differing sample, in samples.
    pub area: [usize; 4],
}

impl Difference {
    /// Compares samples with the expected ones.
    pub fn between(got: &Plane, wanted: &Plane) -> Self {
        let mut difference = Self {
            samples: wanted.samples.len() as u64,
            area: [usize::MAX, 0, usize::MAX, 0],
            ..Self::default()
        };
        if got.samples == wanted.samples {
            return difference;
        }
        let width = wanted.width.max(1);
        for (at, (got, wanted)) in got.samples.iter().zip(&wanted.samples).enumerate() {
            let by = got.abs_diff(*wanted);
            if by == 0 {
                continue;
            }
            let (column, line) = (at % width, at / width);
            let [left, right, top, bottom] = difference.area;
            difference.area = [
                left.min(column),
                right.max(column),
                top.min(line),
                bottom.max(line),
            ];
            difference.differing += 1;
            difference.beyond_one += u64::from(by > 1);
            difference.less += u64::from(got < wanted);
            difference.most = difference.most.max(by);
        }
        difference
    }
}

/// Returns a part in percent, with enough digits to show that it is not 0.
fn percent(part: u64, of: u64) -> String {
    let value = part as f64 * 100.0 / of.max(1) as f64;
    if value >= 0.1 {
        format!("{value:.1} %")
    } else {
        format!("{part} of {of}")
    }
}

/// The difference of two frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Differences {
    /// The difference of luma.
    pub luma: Difference,
    /// The difference of chroma.
    pub chroma: Difference,
}

impl Differences {
    /// Compares a frame with the expected one, both without padding.
    pub fn between(pixels: Pixels, size: Size, got: &[u8], wanted: &[u8]) -> Self {
        let [luma, chroma] = planes(pixels, size, got);
        let [wanted_luma, wanted_chroma] = planes(pixels, size, wanted);
        Self {
            luma: Difference::between(&luma, &wanted_luma),
            chroma: Difference::between(&chroma, &wanted_chroma),
        }
    }

    /// Returns whether the frames are equal.
    pub fn none(&self) -> bool {
        self.luma.differing + self.chroma.differing == 0
    }

    /// Returns the difference in a few words.
    pub fn brief(&self) -> String {
        let most = self.luma.most.max(self.chroma.most);
        match (most, self.luma.differing) {
            (0, _) => "exact".to_owned(),
            (1, 0) => "chroma off by 1".to_owned(),
            (1, _) => "off by 1".to_owned(),
            (_, 0) => format!("chroma off by up to {most}"),
            _ => format!("off by up to {most}"),
        }
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.none() {
            return f.write_str("exact");
        }
        let mut first = true;
        for (name, part) in [("luma", self.luma), ("chroma", self.chroma)] {
            if part.differing == 0 {
                continue;
            }
            if !first {
                f.write_str("; ")?;
            }
            first = false;
            let [left, right, top, bottom] = part.area;
            write!(f, "{name} is off by ")?;
            if part.most == 1 {
                let sign = match part.less {
                    0 => "+1",
                    less if less == part.differing => "-1",
                    _ => "1",
                };
                write!(f, "{sign} in {}", percent(part.differing, part.samples))?;
            } else {
                write!(
                    f,
                    "up to {} in {} (by more than 1 in {})",
                    part.most,
                    percent(part.differing, part.samples),
                    percent(part.beyond_one, part.samples)
                )?;
            }
            write!(
                f,
                ", in columns {left} to {right} and lines {top} to {bottom}"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dewarp::format::{FORMATS, NV12};

    const SIZE: Size = Size {
        width: 8,
        height: 4,
    };

    #[test]
    fn luma_and_chroma_are_found_in_each_layout() {
        for pixels in FORMATS {
            let frame: Vec<u8> = (0..pixels.frame_bytes(SIZE)).map(|at| at as u8).collect();
            let [luma, chroma] = planes(pixels, SIZE, &frame);
            assert_eq!(luma.samples.len(), 32, "{pixels}");
            assert_eq!(chroma.samples.len(), frame.len() - 32, "{pixels}");
        }
        let [luma, chroma] = planes("uyvy".parse().unwrap(), SIZE, &[9, 1, 8, 2]);
        assert_eq!((luma.samples, chroma.samples), (vec![1, 2], vec![9, 8]));
    }

    #[test]
    fn what_differs_is_told_with_its_place_and_sign() {
        let wanted = vec![100; NV12.frame_bytes(SIZE)];
        let told = |change: &[(usize, u8)]| {
            let mut got = wanted.clone();
            for (at, value) in change {
                got[*at] = *value;
            }
            Differences::between(NV12, SIZE, &got, &wanted).to_string()
        };
        let brief = |place: usize, value: u8| {
            let mut got = wanted.clone();
            got[place] = value;
            Differences::between(NV12, SIZE, &got, &wanted).brief()
        };
        assert_eq!(
            [brief(0, 101), brief(0, 90), brief(40, 99)],
            ["off by 1", "off by up to 10", "chroma off by 1"]
        );
        assert_eq!(told(&[]), "exact");
        let low = "luma is off by -1 in 3.1 %, in columns 1 to 1 and lines 1 to 1";
        assert_eq!(told(&[(9, 99)]), low);
        let far = "luma is off by up to 50 in 6.2 % (by more than 1 in 3.1 %), in columns 1 to 7 \
                   and lines 0 to 1; chroma is off by +1 in 6.2 %, in columns 0 to 0 and lines 0 to 0";
        assert_eq!(told(&[(9, 99), (7, 150), (32, 101)]), far);
    }
}
