// SPDX-License-Identifier: GPL-2.0
//! The kind of a file by its name, the detection of outputs that are also inputs, and picture
//! files: PNG and JPEG, read into and written from RGB.

use std::fs::File;
use std::io::{Cursor, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::error::{Error, Result};
use crate::format::Size;
use crate::picture::{Picture, bounded};

/// Quality of the JPEG files that are written.
const JPEG_QUALITY: u8 = 92;

/// The kind of a file, according to its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A PNG picture.
    Png,
    /// A JPEG picture.
    Jpeg,
    /// A video of planar frames: see [`crate::y4m`].
    Y4m,
    /// Raw frames without headers, one after the other.
    Raw,
}

/// Extensions of pictures and videos that are not supported, and that are not raw frames.
const OTHERS: [&str; 34] = [
    "3gp", "264", "265", "asf", "av1", "avi", "avif", "bmp", "dng", "flv", "gif", "h264", "h265",
    "heic", "heif", "hevc", "ivf", "jp2", "jxl", "m4v", "mjpeg", "mjpg", "mkv", "mov", "mp4",
    "mpeg", "mpg", "ogv", "ppm", "tga", "tif", "tiff", "webm", "webp",
];

impl FileKind {
    /// Returns the kind by the extension: png, jpg, jpeg, y4m; anything else is raw.
    ///
    /// Returns a bad-use error if the extension is another format's.
    pub fn of(path: &Path) -> Result<Self> {
        let extension = path
            .extension()
            .and_then(|text| text.to_str())
            .unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            "png" => Ok(FileKind::Png),
            "jpg" | "jpeg" => Ok(FileKind::Jpeg),
            "y4m" => Ok(FileKind::Y4m),
            other if OTHERS.contains(&other) => Err(Error::bad_use(format!(
                "{} is neither .png nor .jpg nor .y4m; ffmpeg makes these of others, and others of these",
                path.display()
            ))),
            _ => Ok(FileKind::Raw),
        }
    }
}

/// Returns the length of a file that is read from its beginning more than once, in bytes.
///
/// Returns a bad-use error if it is a pipe or a directory.
pub fn length(path: &Path) -> Result<u64> {
    let data = std::fs::metadata(path).map_err(|error| Error::file("cannot read", path, error))?;
    match data.is_file() {
        true => Ok(data.len()),
        false => Err(Error::bad_use(format!(
            "{} is no regular file, and pipes cannot be read; write it to a file first",
            path.display()
        ))),
    }
}

/// An output file.
pub struct Output {
    /// Unbuffered, so that no write error is left for the end.
    file: File,
    path: PathBuf,
}

impl Output {
    /// Creates the file, or empties it.
    pub fn create(path: &Path) -> Result<Self> {
        Ok(Output {
            file: File::create(path).map_err(|error| Error::file("cannot write", path, error))?,
            path: path.to_owned(),
        })
    }

    /// Writes all of these bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all(bytes)
            .map_err(|error| Error::file("cannot write", &self.path, error))
    }

    /// Writes a picture in the format of the file's name.
    pub fn write_picture(&mut self, picture: &Picture) -> Result<()> {
        self.write(&picture.encode(&self.path)?)
    }
}

/// Checks that no output is an input or another output as well. Device nodes and pipes may be given
/// several times.
///
/// Returns a bad-use error otherwise.
pub fn apart(inputs: &[&Path], outputs: &[&Path]) -> Result<()> {
    for (at, path) in outputs.iter().enumerate() {
        let Some(own) = place(path) else { continue };
        let among = |others: &[&Path]| others.iter().any(|other| place(other) == Some(own.clone()));
        let other = match () {
            () if among(inputs) => "an input",
            () if among(&outputs[..at]) => "another output",
            () => continue,
        };
        return Err(Error::bad_use(format!(
            "{} would be overwritten: it is {other} as well; give the output a name of its own",
            path.display()
        )));
    }
    Ok(())
}

/// The identity of a regular file, by whatever name it is opened.
#[derive(Clone, PartialEq, Eq)]
enum Place {
    /// The device and inode of a file that exists.
    There(u64, u64),
    /// The path of a file that does not exist yet.
    New(PathBuf),
}

fn place(path: &Path) -> Option<Place> {
    match std::fs::metadata(path) {
        Ok(data) if data.is_file() => Some(Place::There(data.dev(), data.ino())),
        Ok(_) => None,
        Err(_) => {
            let parent = match path.parent()? {
                here if here.as_os_str().is_empty() => Path::new("."),
                parent => parent,
            };
            let parent = parent.canonicalize().ok()?;
            Some(Place::New(parent.join(path.file_name()?)))
        }
    }
}

impl Picture {
    /// Reads a PNG or JPEG file.
    ///
    /// Returns a bad-use error if it is damaged, or has more pixels than [`bounded`] allows.
    pub fn load(path: &Path) -> Result<Self> {
        let decode = match FileKind::of(path)? {
            FileKind::Png => decode_png,
            FileKind::Jpeg => decode_jpeg,
            FileKind::Y4m | FileKind::Raw => return Err(no_picture(path)),
        };
        let bytes = std::fs::read(path).map_err(|error| Error::file("cannot read", path, error))?;
        decode(&bytes).map_err(|cause| Error::content(path, cause))
    }

    /// Writes a PNG or JPEG file.
    pub fn save(&self, path: &Path) -> Result<()> {
        // Encoded first, so that the file is not changed if that fails.
        let bytes = self.encode(path)?;
        Output::create(path)?.write(&bytes)
    }

    /// Encodes the picture as a PNG or JPEG file of this name.
    pub fn encode(&self, path: &Path) -> Result<Vec<u8>> {
        let encoded = match FileKind::of(path)? {
            FileKind::Png => self.encode_png(),
            FileKind::Jpeg => self.encode_jpeg(),
            FileKind::Y4m | FileKind::Raw => return Err(no_picture(path)),
        };
        encoded.map_err(|cause| Error::content(path, cause))
    }

    fn encode_png(&self) -> std::result::Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.size.width, self.size.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
        let write = || -> std::result::Result<(), png::EncodingError> {
            let mut writer = encoder.write_header()?;
            writer.write_image_data(&self.rgb)?;
            writer.finish()
        };
        write().map_err(|error| error.to_string())?;
        Ok(bytes)
    }

    fn encode_jpeg(&self) -> std::result::Result<Vec<u8>, String> {
        let side = |length: u32| {
            u16::try_from(length)
                .map_err(|_| format!("JPEG has 65535 pixels a side, not {length}; take .png"))
        };
        let (width, height) = (side(self.size.width)?, side(self.size.height)?);
        let mut bytes = Vec::new();
        jpeg_encoder::Encoder::new(&mut bytes, JPEG_QUALITY)
            .encode(&self.rgb, width, height, jpeg_encoder::ColorType::Rgb)
            .map_err(|error| error.to_string())?;
        Ok(bytes)
    }
}

fn no_picture(path: &Path) -> Error {
    Error::bad_use(format!("{} is neither .png nor .jpg", path.display()))
}

fn decode_png(bytes: &[u8]) -> std::result::Result<Picture, String> {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let said = |error: png::DecodingError| format!("no whole PNG picture: {error}");
    let header = decoder.read_header_info().map_err(said)?;
    let size = bounded(Size {
        width: header.width,
        height: header.height,
    })?;
    let mut reader = decoder.read_info().map_err(said)?;
    let mut pixels = vec![0; reader.output_buffer_size().unwrap_or(0)];
    let info = reader.next_frame(&mut pixels).map_err(said)?;
    pixels.truncate(info.buffer_size());
    let channels = info.color_type.samples();
    let rgb = match channels {
        // Grey, with or without alpha; alpha is dropped.
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
    Ok(Picture { size, rgb })
}

fn decode_jpeg(bytes: &[u8]) -> std::result::Result<Picture, String> {
    // Strict mode: a truncated or damaged file is an error, not a picture with a grey rest.
    let options = DecoderOptions::default()
        .jpeg_set_out_colorspace(ColorSpace::RGB)
        .set_max_width(u16::MAX.into())
        .set_max_height(u16::MAX.into())
        .set_strict_mode(true);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let said = |error: DecodeErrors| {
        let why = error.to_string();
        format!("no whole JPEG picture: {}", why.trim().trim_matches('"'))
    };
    decoder.decode_headers().map_err(said)?;
    let info = decoder.info().ok_or("it has no picture")?;
    let size = bounded(Size {
        width: info.width.into(),
        height: info.height.into(),
    })?;
    let pixels = decoder.decode().map_err(said)?;
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

    const SIZE: Size = Size {
        width: 64,
        height: 48,
    };

    #[test]
    fn pictures_survive_their_files() {
        let dir = std::env::temp_dir().join(format!("dewarp-picture-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let mut picture = Picture::filled(SIZE, [0; 3]);
        for (i, pixel) in picture.rgb.chunks_mut(3).enumerate() {
            pixel.copy_from_slice(&[(i % 64 * 3) as u8, (i / 64 * 4) as u8, 120]);
        }
        picture.save(&dir.join("a.png")).unwrap();
        assert_eq!(Picture::load(&dir.join("a.png")).unwrap(), picture);
        picture.save(&dir.join("a.jpg")).unwrap();
        let jpeg = Picture::load(&dir.join("a.jpg")).unwrap();
        let worst = picture.worst_difference(&jpeg);
        assert!(jpeg.size == SIZE && worst <= Some(16), "{worst:?}");
        std::fs::remove_dir_all(&dir).unwrap();
    }

    /// Returns the header of a PNG file of this size, without pixels.
    fn png_of(size: Size) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, size.width, size.height);
        encoder.set_color(png::ColorType::Rgb);
        drop(encoder.write_header().unwrap());
        bytes
    }

    /// Returns a JPEG file whose header was changed to this size.
    fn jpeg_of(size: [u16; 2]) -> Vec<u8> {
        let mut bytes = noise().encode(Path::new("a.jpg")).unwrap();
        // Start of frame: its marker, length (2 bytes), precision (1), height and width.
        let frame = bytes
            .windows(2)
            .position(|two| two == [0xff, 0xc0])
            .unwrap();
        let sides = [size[1].to_be_bytes(), size[0].to_be_bytes()].concat();
        bytes[frame + 5..frame + 9].copy_from_slice(&sides);
        bytes
    }

    /// Returns a picture that compresses badly.
    fn noise() -> Picture {
        let mut picture = Picture::filled(SIZE, [0; 3]);
        for (i, byte) in picture.rgb.iter_mut().enumerate() {
            *byte = (i * i % 251) as u8;
        }
        picture
    }

    #[test]
    fn what_is_no_whole_picture_is_refused() {
        let cut = |name: &str| {
            let bytes = noise().encode(Path::new(name)).unwrap();
            bytes[..bytes.len() / 2].to_vec()
        };
        let large = Size {
            width: 100_000,
            height: 100_000,
        };
        let cases = [
            ("no.png", b"not a picture".to_vec(), "Invalid PNG signature"),
            ("cut.png", cut("a.png"), "unexpected end of file"),
            (
                "large.png",
                png_of(large),
                "100000x100000 are 10000000000 pixels",
            ),
            ("cut.jpg", cut("a.jpg"), "no whole JPEG picture"),
            ("empty.jpg", Vec::new(), "no whole JPEG picture"),
            (
                "large.jpg",
                jpeg_of([65535, 65534]),
                "65535x65534 are 4294770690 pixels",
            ),
        ];
        for (name, bytes, why) in cases {
            let path = std::env::temp_dir().join(format!("dewarp-{}-{name}", std::process::id()));
            std::fs::write(&path, bytes).unwrap();
            let error = Picture::load(&path).unwrap_err();
            std::fs::remove_file(&path).unwrap();
            let said = error.to_string();
            assert!(said.starts_with(&format!("{}: ", path.display())), "{said}");
            assert!(said.contains(why), "{said}");
            assert_eq!((error.exit_code(), said.lines().count()), (2, 1), "{said}");
        }
    }

    #[test]
    fn a_file_is_what_its_extension_says() {
        let kind = |name: &str| FileKind::of(Path::new(name)).unwrap();
        assert_eq!(kind("a.PNG"), FileKind::Png);
        assert_eq!(kind("b.jpeg"), FileKind::Jpeg);
        assert_eq!(kind("c.y4m"), FileKind::Y4m);
        for raw in ["c.nv12", "c.raw", "c.yuv", "c.bin", "png", "/dev/stdout"] {
            assert_eq!(kind(raw), FileKind::Raw, "{raw}");
        }
        for other in ["d.gif", "d.MP4", "d.tiff", "d.webm"] {
            let error = FileKind::of(Path::new(other)).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains("ffmpeg"), "{error}");
        }
    }
}
