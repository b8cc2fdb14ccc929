// SPDX-License-Identifier: GPL-2.0
//! The input of a stream without a camera: frames from files, and the map of
//! each frame. Only the current frame and map are in memory.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::file;
use crate::format::{Format, Size};
use crate::map::VertexMap;
use crate::words;
use crate::y4m;

/// A file of records of one length, one after the other.
pub struct Records {
    file: File,
    path: PathBuf,
    bytes: usize,
    count: u64,
}

impl Records {
    /// Opens a file of `things`. One of them is called `one` and has `bytes`
    /// bytes.
    ///
    /// Returns a bad-use error unless the file holds whole records, and at
    /// least one.
    fn open(path: &Path, bytes: usize, one: &str, things: &str) -> Result<Self> {
        let length = file::length(path)?;
        let file = File::open(path).map_err(|error| Error::file("cannot read", path, error))?;
        let count = length / bytes as u64;
        if count == 0 || length % bytes as u64 != 0 {
            return Err(Error::bad_use(format!(
                "{} has {length} bytes, and {one} has {bytes}: it must hold whole {things}",
                path.display()
            )));
        }
        Ok(Records {
            file,
            path: path.to_owned(),
            bytes,
            count,
        })
    }

    /// Reads record `number`; after the last record, the first one follows.
    fn read(&mut self, number: u64) -> Result<Vec<u8>> {
        let mut record = vec![0; self.bytes];
        self.file
            .seek(SeekFrom::Start(number % self.count * self.bytes as u64))
            .and_then(|_| self.file.read_exact(&mut record))
            .map_err(|error| Error::file("cannot read", &self.path, error))?;
        Ok(record)
    }
}

/// The source of the frames.
pub enum Source {
    /// One frame, which is repeated.
    Picture(Vec<u8>),
    /// A file of raw frames.
    Raw(Records),
    /// A Y4M file, and the format to convert its frames to.
    Y4m(Box<y4m::Reader>, Format),
}

impl Source {
    /// Opens a file of raw frames.
    ///
    /// Returns a bad-use error unless it holds whole frames of this format and
    /// size.
    pub fn raw(path: &Path, format: Format, size: Size) -> Result<Self> {
        let frame = format!("a {format} frame of {size}");
        let records = Records::open(path, format.frame_bytes(size), &frame, "frames")?;
        Ok(Source::Raw(records))
    }

    /// Returns how many different frames there are.
    pub fn count(&self) -> u64 {
        match self {
            Source::Picture(_) => 1,
            Source::Raw(records) => records.count,
            Source::Y4m(reader, _) => reader.count(),
        }
    }

    /// Returns frame `number`; after the last frame, the first one follows.
    pub fn frame(&mut self, number: u64) -> Result<Vec<u8>> {
        match self {
            Source::Picture(frame) => Ok(frame.clone()),
            Source::Raw(records) => records.read(number),
            Source::Y4m(reader, format) => reader.frame(number, *format),
        }
    }
}

/// The maps of a stream.
pub enum Maps {
    /// The driver's identity map.
    Identity,
    /// One map for all frames.
    One(VertexMap),
    /// One map for each frame: a file of maps for an output of this size.
    Each(Records, Size),
}

impl Maps {
    /// Reads a file of one map.
    pub fn one(path: &Path, size: Size) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| Error::file("cannot read", path, error))?;
        Ok(Maps::One(VertexMap::from_bytes(
            size,
            &words::binary(bytes),
        )?))
    }

    /// Opens a file of maps, one after the other.
    ///
    /// Returns a bad-use error unless it holds whole maps for an output of this
    /// size.
    pub fn each(path: &Path, size: Size) -> Result<Self> {
        let map = format!("a map for an output of {size}");
        let records = Records::open(path, VertexMap::bytes_for(size), &map, "maps")?;
        Ok(Maps::Each(records, size))
    }

    /// Returns the map of frame `number`; after the last map, the first one
    /// follows. Returns `None` if frames do not have their own maps.
    pub fn of_frame(&mut self, number: u64) -> Result<Option<VertexMap>> {
        match self {
            Maps::Identity | Maps::One(_) => Ok(None),
            Maps::Each(records, size) => {
                VertexMap::from_bytes(*size, &records.read(number)?).map(Some)
            }
        }
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
        std::env::temp_dir().join(format!("dewarp-{name}-{}", std::process::id()))
    }

    #[test]
    fn raw_input_must_hold_whole_frames() {
        let path = scratch("raw");
        let nv12: Format = "nv12".parse().unwrap();
        let bytes = nv12.frame_bytes(SIZE);
        std::fs::write(&path, [vec![1; bytes], vec![2; bytes]].concat()).unwrap();
        let mut source = Source::raw(&path, nv12, SIZE).unwrap();
        assert_eq!(source.count(), 2);
        assert_eq!(source.frame(3).unwrap(), vec![2; bytes]);
        std::fs::write(&path, vec![1; bytes + 1]).unwrap();
        let error = Source::raw(&path, nv12, SIZE).err().unwrap();
        assert!(
            error
                .to_string()
                .contains("38017 bytes, and a nv12 frame of 176x144 has 38016")
        );
        assert_eq!(error.exit_code(), 2);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn frame_n_gets_map_n_and_after_the_last_the_first_again() {
        let path = scratch("maps");
        let map = |by: f64| VertexMap::from_fn(SIZE, |x, y| [x + by, y]);
        let maps = [map(0.0), map(1.0), map(2.0)];
        std::fs::write(&path, maps.clone().map(|map| map.to_bytes()).concat()).unwrap();
        let mut each = Maps::each(&path, SIZE).unwrap();
        for number in 0..7 {
            let map = each.of_frame(number).unwrap();
            assert_eq!(
                map.as_ref(),
                maps.get(number as usize % 3),
                "frame {number}"
            );
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_file_of_maps_must_hold_whole_ones() {
        let path = scratch("no-maps");
        std::fs::write(&path, vec![0; VertexMap::bytes_for(SIZE) * 2 + 4]).unwrap();
        let error = Maps::each(&path, SIZE).err().unwrap();
        // A map has 12x10 vertices of 4 bytes.
        assert!(
            error.to_string().ends_with(
                "964 bytes, and a map for an output of 176x144 has 480: it must hold whole maps"
            ),
            "{error}"
        );
        assert_eq!(error.exit_code(), 2);
        std::fs::write(&path, []).unwrap();
        assert!(Maps::each(&path, SIZE).is_err());
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn one_map_for_all_frames_is_none_of_a_single_frame() {
        let mut maps = Maps::One(VertexMap::identity(SIZE, SIZE));
        assert_eq!(maps.of_frame(0).unwrap(), None);
        assert_eq!(Maps::Identity.of_frame(0).unwrap(), None);
    }
}
