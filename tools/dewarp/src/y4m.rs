// SPDX-License-Identifier: GPL-2.0
//! Y4M files (YUV4MPEG2): their planar frames are converted to the semi-planar ones of the DW100
//! and back. Samples are copied, colours are not converted.

mod header;

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use y4m::{Colorspace, Decoder, Encoder, Frame, Ratio, VendorExtensionString};

use crate::error::{Error, Result};
use crate::file;
use crate::format::{Format, Layout, NV12, NV16, Size};

use header::{Header, layout};

/// Bytes before each frame.
const FRAME: u64 = "FRAME\n".len() as u64;

/// What a Y4M file says about its frames besides their size.
#[derive(Clone)]
pub struct Tags {
    rate: Ratio,
    /// The aspect ratio of a pixel.
    aspect: Ratio,
    colorspace: Colorspace,
    extensions: Vec<Vec<u8>>,
}

impl Tags {
    /// Creates the tags of frames about which nothing is known.
    pub fn unknown() -> Self {
        Tags {
            rate: Ratio::new(25, 1),
            aspect: Ratio::new(1, 1),
            colorspace: Colorspace::C420,
            extensions: Vec::new(),
        }
    }

    /// Creates the tags of frames that [`crate::picture`] makes.
    pub fn picture() -> Self {
        Tags {
            colorspace: Colorspace::C420jpeg,
            extensions: vec![b"COLORRANGE=FULL".to_vec()],
            ..Self::unknown()
        }
    }

    /// Notes that the frames were scaled. If the size changed, the pixel aspect ratio is not known.
    pub fn resize(&mut self, from: Size, to: Size) {
        if from != to {
            self.aspect = Self::unknown().aspect;
        }
    }
}

/// An open Y4M file to read.
pub struct Reader {
    decoder: Decoder<BufReader<File>>,
    path: PathBuf,
    header: Header,
    count: u64,
    /// The number of the frame that the decoder returns next.
    next: u64,
}

impl Reader {
    /// Opens a file.
    ///
    /// Returns a bad-use error unless it has whole frames in 8 bits, 4:2:0 or 4:2:2, not
    /// interlaced.
    pub fn open(path: &Path) -> Result<Self> {
        let length = file::length(path)?;
        let header = Header::read(path)?;
        let size = header.size;
        let samples = u64::from(size.width) * u64::from(size.height);
        let frame = FRAME
            + match header.layout {
                Layout::SemiPlanar420 => samples * 3 / 2,
                _ => samples * 2,
            };
        let frames = length.saturating_sub(header.bytes);
        if frames == 0 || frames % frame != 0 {
            return Err(Error::content(
                path,
                format!(
                    "it has {frames} bytes of frames, and a frame of {size} has {frame}: it must \
                     hold whole frames, without parameters of their own"
                ),
            ));
        }
        Ok(Reader {
            decoder: decoder(path)?,
            path: path.to_owned(),
            header,
            count: frames / frame,
            next: 0,
        })
    }

    /// Returns the size of the frames.
    pub fn size(&self) -> Size {
        self.header.size
    }

    /// Returns what is known about the frames.
    pub fn tags(&self) -> Tags {
        let tags = self.decoder.get_raw_params().split(|&byte| byte == b' ');
        Tags {
            rate: self.decoder.get_framerate(),
            aspect: self.decoder.get_pixel_aspect(),
            colorspace: self.decoder.get_colorspace(),
            extensions: tags
                .filter_map(|tag| tag.strip_prefix(b"X"))
                .map(<[u8]>::to_vec)
                .collect(),
        }
    }

    /// Returns the format for the frames: the one asked for, or else the one most similar to
    /// theirs.
    ///
    /// Returns a bad-use error if the one asked for has another layout.
    pub fn format(&self, wanted: Option<Format>) -> Result<Format> {
        match wanted {
            None if self.header.layout == NV12.layout => Ok(NV12),
            None => Ok(NV16),
            Some(format) if format.layout == self.header.layout => Ok(format),
            Some(format) => Err(Error::bad_use(format!(
                "{} has frames of {}, which cannot be sent as {format}; leave --in-format out",
                self.path.display(),
                self.header.colorspace,
            ))),
        }
    }

    /// Returns how many frames there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns frame `number`; after the last frame, the first one follows. Reading in order is
    /// fastest.
    pub fn frame(&mut self, number: u64, format: Format) -> Result<Vec<u8>> {
        let number = number % self.count;
        if number < self.next {
            self.decoder = decoder(&self.path)?;
            self.next = 0;
        }
        loop {
            let frame = self.decoder.read_frame();
            let frame = frame.map_err(|error| unreadable(&self.path, error))?;
            self.next += 1;
            if self.next > number {
                return Ok(joined(&frame, format));
            }
        }
    }
}

fn decoder(path: &Path) -> Result<Decoder<BufReader<File>>> {
    let file = File::open(path).map_err(|error| Error::file("cannot read", path, error))?;
    y4m::decode(BufReader::new(file)).map_err(|error| unreadable(path, error))
}

/// Creates the error for a failure of the decoder in a file whose header is good.
fn unreadable(path: &Path, error: y4m::Error) -> Error {
    match error {
        y4m::Error::IoError(error) => Error::file("cannot read", path, error),
        y4m::Error::ParseError(_) => Error::content(path, "a frame does not begin with FRAME"),
        error => Error::content(path, error),
    }
}

/// Converts a planar frame into a tight semi-planar one.
fn joined(frame: &Frame<'_>, format: Format) -> Vec<u8> {
    let (cb, cr) = (frame.get_u_plane(), frame.get_v_plane());
    let (first, second) = if format.swapped { (cr, cb) } else { (cb, cr) };
    let mut joined = frame.get_y_plane().to_vec();
    joined.extend(first.iter().zip(second).flat_map(|(a, b)| [*a, *b]));
    joined
}

/// Checks that frames of this format can be written to `path`.
///
/// Returns a bad-use error if they are packed.
pub fn check(path: &Path, format: Format) -> Result<()> {
    match format.layout {
        Layout::Packed422 => Err(Error::bad_use(format!(
            "{}: Y4M takes frames of nv12, nv16 or their like, not of {format}",
            path.display()
        ))),
        Layout::SemiPlanar420 | Layout::SemiPlanar422 => Ok(()),
    }
}

/// A Y4M file to write.
pub struct Writer {
    /// Unbuffered: a plane is one write, and no error is left for the end.
    encoder: Encoder<File>,
    path: PathBuf,
    format: Format,
    luma: usize,
}

impl Writer {
    /// Creates a file for frames of this format and size.
    ///
    /// Returns a bad-use error if [`check`] does.
    pub fn create(path: &Path, format: Format, size: Size, tags: &Tags) -> Result<Self> {
        check(path, format)?;
        let colorspace = match format.layout {
            same if layout(&format!("{:?}", tags.colorspace)) == Some(same) => tags.colorspace,
            Layout::SemiPlanar420 => Colorspace::C420,
            _ => Colorspace::C422,
        };
        let (width, height) = (size.width as usize, size.height as usize);
        let mut header = y4m::encode(width, height, tags.rate)
            .with_pixel_aspect(tags.aspect)
            .with_colorspace(colorspace);
        let failed = |error: y4m::Error| Error::file("cannot write", path, error);
        for text in &tags.extensions {
            let extension = VendorExtensionString::new(text.clone()).map_err(failed)?;
            header = header.append_vendor_extension(extension);
        }
        let file = File::create(path).map_err(|error| failed(error.into()))?;
        Ok(Writer {
            encoder: header.write_header(file).map_err(failed)?,
            path: path.to_owned(),
            format,
            luma: width * height,
        })
    }

    /// Writes a tight frame.
    pub fn write(&mut self, frame: &[u8]) -> Result<()> {
        let (luma, chroma) = frame.split_at(self.luma.min(frame.len()));
        let each =
            |part: usize| -> Vec<u8> { chroma.iter().skip(part).step_by(2).copied().collect() };
        let (cb, cr) = (
            each(usize::from(self.format.swapped)),
            each(usize::from(!self.format.swapped)),
        );
        self.encoder
            .write_frame(&Frame::new([luma, &cb, &cr], None))
            .map_err(|error| Error::file("cannot write", &self.path, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size {
        width: 176,
        height: 144,
    };

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("dewarp-{name}-{}.y4m", std::process::id()))
    }

    fn format(name: &str) -> Format {
        name.parse().unwrap()
    }

    /// Creates a file of two frames. All samples of Y, U and V of frame n are n, n + 10 and n + 20.
    fn file(name: &str, header: &str, chroma: usize) -> PathBuf {
        let mut bytes = format!("YUV4MPEG2 W176 H144 {header}\n").into_bytes();
        for number in [1, 2] {
            bytes.extend(b"FRAME\n");
            bytes.extend([number; 176 * 144]);
            bytes.extend(vec![number + 10; chroma]);
            bytes.extend(vec![number + 20; chroma]);
        }
        let path = scratch(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn planes_are_joined_in_the_order_that_the_format_says() {
        let luma = 176 * 144;
        for (name, header, chroma, own) in [
            ("420", "F30:1 Ip C420mpeg2", luma / 4, "nv12"),
            ("none", "F30:1", luma / 4, "nv12"),
            ("422", "F30:1 C422", luma / 2, "nv16"),
        ] {
            let path = file(name, header, chroma);
            let mut reader = Reader::open(&path).unwrap();
            assert_eq!((reader.size(), reader.count()), (SIZE, 2), "{header}");
            let format = reader.format(None).unwrap();
            assert_eq!(format.name, own, "{header}");
            // The second frame, the first again, and the second by continuing.
            for (number, y) in [(1, 2), (2, 1), (3, 2)] {
                let frame = reader.frame(number, format).unwrap();
                assert_eq!(frame.len(), format.frame_bytes(SIZE));
                assert_eq!(frame[luma - 1..luma + 2], [y, y + 10, y + 20], "{number}");
            }
            std::fs::remove_file(&path).unwrap();
        }
        let path = file("swapped", "C420", luma / 4);
        let mut reader = Reader::open(&path).unwrap();
        let frame = reader.frame(0, format("nv21")).unwrap();
        assert_eq!(frame[luma..luma + 2], [21, 11]);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_format_with_other_samples_is_refused() {
        let path = file("other", "C420", 176 * 144 / 4);
        let reader = Reader::open(&path).unwrap();
        let error = reader.format(Some(format("nv16"))).unwrap_err();
        assert!(
            error.to_string().ends_with(
                "has frames of C420, which cannot be sent as nv16; leave --in-format out"
            ),
            "{error}"
        );
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn frames_that_are_none_are_refused() {
        let path = file("cut", "C422", 176 * 144 / 4);
        let error = Reader::open(&path).err().unwrap();
        let said = error.to_string();
        assert!(said.contains("must hold whole frames"), "{said}");
        assert_eq!(error.exit_code(), 2);
        std::fs::remove_file(&path).unwrap();
        let path = file("begin", "C420", 176 * 144 / 4);
        let bytes = std::fs::read(&path).unwrap();
        let at = bytes.windows(5).position(|five| five == b"FRAME").unwrap();
        std::fs::write(&path, [&bytes[..at], b"frame", &bytes[at + 5..]].concat()).unwrap();
        let error = Reader::open(&path).unwrap().frame(0, NV12).unwrap_err();
        assert!(error.to_string().ends_with("does not begin with FRAME"));
        assert_eq!(error.exit_code(), 2, "{error}");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn frames_survive_a_file_of_every_semi_planar_format() {
        for name in ["nv12", "nv21m", "nv16m", "nv61"] {
            let (path, format) = (scratch(&format!("way-{name}")), format(name));
            let frame: Vec<u8> = (0..format.frame_bytes(SIZE))
                .map(|i| (i % 251) as u8)
                .collect();
            let mut writer = Writer::create(&path, format, SIZE, &Tags::picture()).unwrap();
            writer.write(&frame).unwrap();
            writer.write(&frame).unwrap();
            let mut reader = Reader::open(&path).unwrap();
            assert_eq!(reader.count(), 2, "{name}");
            assert_eq!(reader.frame(1, format).unwrap(), frame, "{name}");
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn what_is_known_of_the_frames_goes_on_to_the_output() {
        let source = file(
            "tags",
            "F30000:1001 A16:15 C420paldv XYSCSS=420 XA=b",
            176 * 144 / 4,
        );
        let tags = Reader::open(&source).unwrap().tags();
        let path = scratch("tags-out");
        let header = |name: &str, width: u32| {
            let size = Size { width, ..SIZE };
            let mut tags = tags.clone();
            tags.resize(SIZE, size);
            Writer::create(&path, format(name), size, &tags).unwrap();
            std::fs::read_to_string(&path).unwrap()
        };
        assert_eq!(
            header("nv12", 176),
            "YUV4MPEG2 W176 H144 F30000:1001 A16:15 XYSCSS=420 XA=b C420paldv\n"
        );
        assert_eq!(
            header("nv16", 352),
            "YUV4MPEG2 W352 H144 F30000:1001 XYSCSS=420 XA=b C422\n"
        );
        for path in [source, path] {
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn packed_frames_are_not_written() {
        let path = scratch("packed");
        let error = Writer::create(&path, format("yuyv"), SIZE, &Tags::unknown())
            .err()
            .unwrap();
        assert!(error.to_string().ends_with("not of yuyv"), "{error}");
        assert!(!path.exists());
    }
}
