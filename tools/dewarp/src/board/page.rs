// SPDX-License-Identifier: GPL-2.0
//! A page of black rectangles and lines of text, in millimetres, and its encoding as PDF, SVG or
//! PNG.

use std::fmt::Write;
use std::path::Path;

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};
use pdf_writer::{Content, Name, Pdf, Ref, Str};

use crate::error::{Error, Result};

/// Pixels per millimetre of a PNG file. It is a whole number, so that the edges of squares of whole
/// millimetres lie between pixels, and the density in the file is exact.
const PER_MM: u32 = 12;
/// The font of a PNG file.
const WEIGHT: FontWeight = FontWeight::Regular;
const HEIGHT: RasterHeight = RasterHeight::Size32;
/// The distance from one letter to the next, in millimetres: the same in all file formats.
pub const ADVANCE: f64 = get_raster_width(WEIGHT, HEIGHT) as f64 / PER_MM as f64;
/// The size of a font whose letters are 0.6 of it wide, in millimetres. Courier and most other
/// fonts of fixed width have such letters.
const EM: f64 = ADVANCE / 0.6;
/// PDF points per millimetre.
const POINTS: f32 = 72.0 / 25.4;

/// A black rectangle. Its coordinates are those of its upper left corner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rect {
    /// The distance from the sheet's left edge, in millimetres.
    pub x: f64,
    /// The distance from the sheet's upper edge, in millimetres.
    pub y: f64,
    /// The width, in millimetres.
    pub width: f64,
    /// The height, in millimetres.
    pub height: f64,
}

/// A page. All lengths are in millimetres, from the sheet's upper left corner.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Width and height of the sheet.
    pub size: [f64; 2],
    /// The black rectangles. No two of them overlap.
    pub rects: Vec<Rect>,
    /// Lines of text in ASCII, each with the left end of its baseline.
    pub lines: Vec<([f64; 2], String)>,
}

impl Page {
    /// Encodes the page in the format of this name: `.pdf`, `.svg` or `.png`.
    ///
    /// Returns a bad-use error if the name ends otherwise.
    pub fn encode(&self, path: &Path) -> Result<Vec<u8>> {
        let extension = path.extension().and_then(|text| text.to_str());
        match extension.map(str::to_ascii_lowercase).as_deref() {
            Some("pdf") => Ok(self.pdf()),
            Some("svg") => Ok(self.svg().into_bytes()),
            Some("png") => self.png().map_err(|cause| Error::content(path, cause)),
            _ => Err(Error::bad_use(format!(
                "{} is neither .pdf nor .svg nor .png",
                path.display()
            ))),
        }
    }

    /// Encodes the page as SVG. All rectangles are one path, because viewers draw thin white lines
    /// between two separate ones.
    fn svg(&self) -> String {
        let [width, height] = self.size;
        let mut path = String::new();
        for Rect {
            x,
            y,
            width,
            height,
        } in &self.rects
        {
            // Writing to a string cannot fail.
            let _ = write!(path, "M{x} {y}h{width}v{height}h-{width}z");
        }
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}mm\" height=\"{height}mm\" \
             viewBox=\"0 0 {width} {height}\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n\
             <path d=\"{path}\"/>\n"
        );
        for ([x, y], text) in &self.lines {
            let length = text.len() as f64 * ADVANCE;
            let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
            let _ = writeln!(
                svg,
                "<text x=\"{x}\" y=\"{y}\" font-family=\"monospace\" font-size=\"{EM}\" \
                 textLength=\"{length}\">{escaped}</text>"
            );
        }
        svg + "</svg>\n"
    }

    fn pdf(&self) -> Vec<u8> {
        let [catalog, pages, sheet, font, content] = [1, 2, 3, 4, 5].map(Ref::new);
        let [width, height] = self.size.map(|side| side as f32 * POINTS);
        let mut pdf = Pdf::new();
        let mut root = pdf.catalog(catalog);
        root.pages(pages);
        // Viewers that obey this offer to print at 100 %.
        root.viewer_preferences()
            .pair(Name(b"PrintScaling"), Name(b"None"));
        drop(root);
        pdf.pages(pages).kids([sheet]).count(1);
        let mut page = pdf.page(sheet);
        page.media_box(pdf_writer::Rect::new(0.0, 0.0, width, height));
        page.parent(pages);
        page.contents(content);
        page.resources().fonts().pair(Name(b"F"), font);
        drop(page);
        // One of the fonts that every PDF viewer has.
        pdf.type1_font(font).base_font(Name(b"Courier"));

        let mut drawn = Content::new();
        // The coordinates after this are in millimetres from the top.
        drawn.transform([POINTS, 0.0, 0.0, -POINTS, 0.0, height]);
        for rect in &self.rects {
            let [x, y, width, height] =
                [rect.x, rect.y, rect.width, rect.height].map(|value| value as f32);
            drawn.rect(x, y, width, height);
        }
        drawn.fill_nonzero();
        drawn.begin_text();
        drawn.set_font(Name(b"F"), EM as f32);
        for ([x, y], text) in &self.lines {
            drawn.set_text_matrix([1.0, 0.0, 0.0, -1.0, *x as f32, *y as f32]);
            drawn.show(Str(text.as_bytes()));
        }
        drawn.end_text();
        pdf.stream(content, &drawn.finish());
        pdf.finish()
    }

    fn png(&self) -> std::result::Result<Vec<u8>, png::EncodingError> {
        let [width, height] = self
            .size
            .map(|side| (side * f64::from(PER_MM)).ceil() as u32);
        let mut picture = Grey {
            width: width as usize,
            ink: vec![0; width as usize * height as usize],
        };
        self.rects.iter().for_each(|rect| picture.fill(rect));
        for (place, text) in &self.lines {
            picture.write(*place, text);
        }
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_pixel_dims(Some(png::PixelDimensions {
            xppu: PER_MM * 1000,
            yppu: PER_MM * 1000,
            unit: png::Unit::Meter,
        }));
        let mut writer = encoder.write_header()?;
        let grey: Vec<u8> = picture.ink.iter().map(|ink| 255 - ink).collect();
        writer.write_image_data(&grey)?;
        writer.finish()?;
        Ok(bytes)
    }
}

/// A grey picture, at first white.
struct Grey {
    width: usize,
    /// How black each pixel is, 0 to 255.
    ink: Vec<u8>,
}

impl Grey {
    /// Fills a rectangle. A pixel that it covers partly becomes grey.
    fn fill(&mut self, rect: &Rect) {
        let columns = covered(rect.x, rect.width);
        for (y, high) in covered(rect.y, rect.height) {
            for &(x, wide) in &columns {
                self.add(x, y, (255.0 * high * wide).round() as u8);
            }
        }
    }

    /// Writes a line of text.
    fn write(&mut self, [x, y]: [f64; 2], text: &str) {
        // The font's baseline is three quarters of its height below its top.
        let top = (y * f64::from(PER_MM)) as usize - HEIGHT.val() * 3 / 4;
        let mut left = (x * f64::from(PER_MM)) as usize;
        for letter in text.chars() {
            let Some(raster) = get_raster(letter, WEIGHT, HEIGHT) else {
                continue;
            };
            for (row, line) in raster.rows().enumerate() {
                for (column, ink) in line.iter().enumerate() {
                    self.add(left + column, top + row, *ink);
                }
            }
            left += raster.width();
        }
    }

    fn add(&mut self, x: usize, y: usize, ink: u8) {
        if x >= self.width {
            return;
        }
        if let Some(pixel) = self.ink.get_mut(y * self.width + x) {
            *pixel = pixel.saturating_add(ink);
        }
    }
}

/// Returns the pixels on a line of `length` mm from `from` on, each with the fraction of it that is
/// covered.
fn covered(from: f64, length: f64) -> Vec<(usize, f64)> {
    let [from, to] = [from, from + length].map(|place| place * f64::from(PER_MM));
    (from as usize..to.ceil() as usize)
        .map(|pixel| {
            let [left, right] = [pixel, pixel + 1].map(|edge| edge as f64);
            (pixel, to.min(right) - from.max(left))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pixel_is_as_black_as_it_is_covered() {
        // At 12 pixels per millimetre this is 1.5 to 3.5 pixels.
        let pixels = covered(0.125, 2.0 / 12.0);
        let expected = [(1, 0.5), (2, 1.0), (3, 0.5)];
        assert_eq!(pixels.len(), expected.len());
        for ((pixel, part), (place, right)) in pixels.into_iter().zip(expected) {
            assert!(pixel == place && (part - right).abs() < 1e-9, "{part}");
        }
    }

    #[test]
    fn the_kind_of_a_file_is_told_by_its_name() {
        let page = Page {
            size: [20.0, 10.0],
            rects: Vec::new(),
            lines: vec![([1.0, 5.0], "a < b".into())],
        };
        let start = |name: &str| {
            page.encode(Path::new(name))
                .map(|bytes| bytes[..4].to_vec())
        };
        assert_eq!(start("a.pdf").unwrap(), b"%PDF");
        assert_eq!(start("a.SVG").unwrap(), b"<svg");
        assert_eq!(start("a.png").unwrap(), b"\x89PNG");
        let svg = String::from_utf8(page.encode(Path::new("a.svg")).unwrap()).unwrap();
        assert!(svg.contains(">a &lt; b</text>"), "{svg}");
        for name in ["a.jpg", "board", ".pdf"] {
            let error = start(name).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{name} is neither .pdf nor .svg nor .png")
            );
        }
    }
}
