// SPDX-License-Identifier: GPL-2.0
//! What files hold, by their names; and picture files: PNG and JPEG, read into and
//! written from RGB.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::error::{Error, Result};
use crate::format::Size;
use crate::picture::Picture;

/// Quality of the JPEG files written.
const JPEG_QUALITY: u8 = 92;

/// What the name of a file says is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A PNG picture.
    Png,
    /// A JPEG picture.
    Jpeg,
    /// A video of planar frames: see [`crate::y4m`].
    Y4m,
    /// Raw frames, one after the other.
    Raw,
}

impl FileKind {
    /// By the extension: png, jpg, jpeg, y4m; anything else is raw.
    pub fn of(path: &Path) -> Self {
        let extension = path
            .extension()
            .and_then(|text| text.to_str())
            .unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            "png" => FileKind::Png,
            "jpg" | "jpeg" => FileKind::Jpeg,
            "y4m" => FileKind::Y4m,
            _ => FileKind::Raw,
        }
    }
}

impl Picture {
    /// Reads a PNG or JPEG file.
    pub fn load(path: &Path) -> Result<Self> {
        let read = |error| Error::file("cannot read", path, error);
        match FileKind::of(path) {
            FileKind::Png => {
                let file = File::open(path).map_err(|error| read(error.to_string()))?;
                decode_png(BufReader::new(file)).map_err(read)
            }
            FileKind::Jpeg => {
                let bytes = std::fs::read(path).map_err(|error| read(error.to_string()))?;
                decode_jpeg(&bytes).map_err(read)
            }
            FileKind::Y4m | FileKind::Raw => Err(Error::bad_use(format!(
                "{} is neither .png nor .jpg",
                path.display()
            ))),
        }
    }

    /// Writes a PNG or JPEG file.
    pub fn save(&self, path: &Path) -> Result<()> {
        let wrote = match FileKind::of(path) {
            FileKind::Png => self.save_png(path),
            FileKind::Jpeg => self.save_jpeg(path),
            FileKind::Y4m | FileKind::Raw => {
                return Err(Error::bad_use(format!(
                    "{} is neither .png nor .jpg",
                    path.display()
                )));
            }
        };
        wrote.map_err(|error| Error::file("cannot write", path, error))
    }

    fn save_png(&self, path: &Path) -> std::result::Result<(), String> {
        let file = File::create(path).map_err(|error| error.to_string())?;
        let mut encoder =
            png::Encoder::new(BufWriter::new(file), self.size.width, self.size.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
        let write = || -> std::result::Result<(), png::EncodingError> {
            let mut writer = encoder.write_header()?;
            writer.write_image_data(&self.rgb)?;
            writer.finish()
        };
        write().map_err(|error| error.to_string())
    }

    fn save_jpeg(&self, path: &Path) -> std::result::Result<(), String> {
        let side = |length: u32| u16::try_from(length).map_err(|_| "too large for JPEG");
        let (width, height) = (side(self.size.width)?, side(self.size.height)?);
        jpeg_encoder::Encoder::new_file(path, JPEG_QUALITY)
            .and_then(|encoder| {
                encoder.encode(&self.rgb, width, height, jpeg_encoder::ColorType::Rgb)
            })
            .map_err(|error| error.to_string())
    }
}

fn decode_png(reader: BufReader<File>) -> std::result::Result<Picture, String> {
    let mut decoder = png::Decoder::new(reader);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let decode = || -> std::result::Result<(Vec<u8>, png::OutputInfo), png::DecodingError> {
        let mut reader = decoder.read_info()?;
        let mut pixels = vec![0; reader.output_buffer_size().unwrap_or(0)];
        let info = reader.next_frame(&mut pixels)?;
        pixels.truncate(info.buffer_size());
        Ok((pixels, info))
    };
    let (pixels, info) = decode().map_err(|error| error.to_string())?;
    let channels = info.color_type.samples();
    let rgb = match channels {
        // Grey, perhaps with alpha; alpha is dropped.
        1 | 2 => pixels
            .chunks_exact(channels)
            .flat_map(|pixel| [pixel[0]; 3])
            .collect(),
        3 => pixels,
        _ => pixels
            .chunks_exact(channels)
            .flat_map(|p| [p[0], p[1], p[2]])
            .collect(),
    };
    Ok(Picture {
        size: Size {
            width: info.width,
            height: info.height,
        },
        rgb,
    })
}

fn decode_jpeg(bytes: &[u8]) -> std::result::Result<Picture, String> {
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let pixels = decoder.decode().map_err(|error| error.to_string())?;
    let info = decoder.info().ok_or("it has no picture")?;
    let size = Size {
        width: info.width.into(),
        height: info.height.into(),
    };
    let count = size.width as usize * size.height as usize;
    let rgb = match pixels.len() / count.max(1) {
        1 => pixels.into_iter().flat_map(|grey| [grey; 3]).collect(),
        _ => pixels,
    };
    if rgb.len() != count * 3 {
        return Err(format!("{} bytes of pixels for {size}", rgb.len()));
    }
    Ok(Picture { size, rgb })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_survive_their_files() {
        let dir = std::env::temp_dir().join(format!("dewarp-picture-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let size = Size {
            width: 64,
            height: 48,
        };
        let mut picture = Picture::filled(size, [0; 3]);
        for (i, pixel) in picture.rgb.chunks_mut(3).enumerate() {
            pixel.copy_from_slice(&[(i % 64 * 3) as u8, (i / 64 * 4) as u8, 120]);
        }
        picture.save(&dir.join("a.png")).unwrap();
        assert_eq!(Picture::load(&dir.join("a.png")).unwrap(), picture);
        picture.save(&dir.join("a.jpg")).unwrap();
        let jpeg = Picture::load(&dir.join("a.jpg")).unwrap();
        let worst = picture.worst_difference(&jpeg);
        assert!(jpeg.size == size && worst <= Some(16), "{worst:?}");
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn what_is_no_picture_is_said_so() {
        let path = std::env::temp_dir().join(format!("dewarp-no-{}.png", std::process::id()));
        std::fs::write(&path, "not a picture").unwrap();
        let error = Picture::load(&path).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("cannot read {}: ", path.display()))
        );
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_file_is_what_its_extension_says() {
        let kind = |name: &str| FileKind::of(Path::new(name));
        assert_eq!(kind("a.PNG"), FileKind::Png);
        assert_eq!(kind("b.jpeg"), FileKind::Jpeg);
        assert_eq!(kind("c.y4m"), FileKind::Y4m);
        assert_eq!(kind("c.nv12"), FileKind::Raw);
        assert_eq!(kind("png"), FileKind::Raw);
    }
}
