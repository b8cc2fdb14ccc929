// SPDX-License-Identifier: GPL-2.0
//! `dewarp run`: sends pictures, videos and a camera's frames through the device.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use clap::builder::RangedI64ValueParser;
use signal_hook::consts::SIGINT;

use dewarp::camera::{self, Camera};
use dewarp::device::{Colours, Device, Way};
use dewarp::file::{self, FileKind, Output};
use dewarp::format::{NV12, SIZES};
use dewarp::frames::{Maps, Source};
use dewarp::stream::{Input, Side, Stream};
use dewarp::y4m::{self, Tags};
use dewarp::{Error, Format, Picture, Result, Size};

#[derive(Args)]
#[command(after_help = format!("{SIZES}\n\nExamples:\n  dewarp run --map map.bin photo.png -o \
    straight.png\n  dewarp run --map map.bin --source 1920x1080 --in-format nv12 /dev/video1 -o \
    straight.y4m"))]
pub struct RunArgs {
    /// The device [default: the first one whose driver is dw100].
    #[arg(short, long, value_name = "/dev/videoN")]
    device: Option<PathBuf>,
    /// A map made by `dewarp map`, for all frames [default: the driver's identity].
    #[arg(long, value_name = "FILE", conflicts_with = "maps")]
    map: Vec<PathBuf>,
    /// Maps one after the other, one for each frame, starting again after the last.
    #[arg(long, value_name = "FILE")]
    maps: Vec<PathBuf>,
    /// Format of the frames sent [default: nv12; nv16 for Y4M of 4:2:2; what a camera is set to].
    #[arg(long, value_name = "FORMAT")]
    in_format: Option<Format>,
    /// Format of the frames received.
    #[arg(long, value_name = "FORMAT", default_value = "nv12")]
    out_format: Format,
    /// Size of raw input, or of a camera's frames [default: what it is set to].
    #[arg(long, value_name = "WxH", allow_negative_numbers = true)]
    source: Option<Size>,
    /// Size of the output [default: the input's].
    #[arg(long, value_name = "WxH", allow_negative_numbers = true)]
    size: Option<Size>,
    /// Frames to send, starting again at the end of a file [default: as many as it has; a camera's
    /// until Ctrl-C].
    #[arg(long, value_name = "N", value_parser = RangedI64ValueParser::<u64>::new().range(1..), allow_negative_numbers = true)]
    frames: Option<u64>,
    /// A picture (.png, .jpg), a video (.y4m), raw frames one after the other, or a camera
    /// (/dev/videoN).
    input: PathBuf,
    /// A picture (.png, .jpg: the last frame), a video (.y4m), or every frame raw. Several times
    /// with as many maps: an output for each map.
    #[arg(short, long, value_name = "FILE", required = true)]
    output: Vec<PathBuf>,
    /// Where to save the first frame as it was sent.
    #[arg(long, value_name = "FILE")]
    save_in: Option<PathBuf>,
    /// Where to save the last frame of the first output as it was received.
    #[arg(long, value_name = "FILE")]
    save_out: Option<PathBuf>,
    /// Where to write what was done, in JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl RunArgs {
    /// Returns the files of maps: one for each output, or none.
    fn map_files(&self) -> Result<&[PathBuf]> {
        let files = match &self.maps[..] {
            [] => &self.map[..],
            maps => maps,
        };
        match (self.output.len(), files.len()) {
            (1, 0) => Ok(files),
            (outputs, maps) if outputs == maps => Ok(files),
            (outputs, maps) => Err(Error::bad_use(format!(
                "{maps} maps for {outputs} outputs: give -o and --map, or -o and --maps, as often as \
                 each other"
            ))),
        }
    }

    /// Checks the names of the files.
    fn check(&self) -> Result<()> {
        for path in &self.output {
            if FileKind::of(path)? == FileKind::Y4m {
                y4m::check(path, self.out_format)?;
            }
        }
        let frames = [&self.save_in, &self.save_out].into_iter().flatten();
        for path in frames.clone() {
            if FileKind::of(path)? != FileKind::Raw {
                return Err(Error::bad_use(format!(
                    "{}: --save-in and --save-out write raw frames; give a name like frame.nv12",
                    path.display()
                )));
            }
        }
        let inputs = [&self.input].into_iter().chain(&self.map).chain(&self.maps);
        let outputs = self.output.iter().chain(frames).chain(&self.report);
        file::apart(
            &inputs.map(PathBuf::as_path).collect::<Vec<_>>(),
            &outputs.map(PathBuf::as_path).collect::<Vec<_>>(),
        )
    }

    /// Reads a file of maps for an output of this size.
    fn read_maps(&self, path: &Path, size: Size) -> Result<Maps> {
        if self.maps.is_empty() {
            Maps::one(path, size)
        } else {
            Maps::each(path, size)
        }
    }
}

/// The source of the frames, opened.
struct Opened {
    format: Format,
    size: Size,
    /// What a Y4M output says about the frames.
    tags: Tags,
    frames: Frames,
}

enum Frames {
    Stored(Source, Colours),
    Filmed(Box<Camera>),
}

/// Opens a file.
fn open(args: &RunArgs) -> Result<Opened> {
    let path = &args.input;
    let sized = |size: Size, what: &str| match args.source {
        Some(other) if other != size => Err(Error::bad_use(format!(
            "{} is a {what} of {size}, not of {other}; --source is for raw input and cameras, --size for the output",
            path.display()
        ))),
        _ => size.check(),
    };
    let format = args.in_format.unwrap_or(NV12);
    match FileKind::of(path)? {
        FileKind::Png | FileKind::Jpeg => {
            let picture = Picture::load(path)?;
            let size = sized(picture.size, "picture")?;
            let source = Source::Picture(picture.to_frame(format)?);
            Ok(Opened {
                format,
                size,
                tags: Tags::picture(),
                frames: Frames::Stored(source, Colours::Picture),
            })
        }
        FileKind::Y4m => {
            let reader = y4m::Reader::open(path)?;
            let (format, size) = (
                reader.format(args.in_format)?,
                sized(reader.size(), "video")?,
            );
            let tags = reader.tags();
            let source = Source::Y4m(Box::new(reader), format);
            Ok(Opened {
                format,
                size,
                tags,
                frames: Frames::Stored(source, Colours::Unknown),
            })
        }
        FileKind::Raw => {
            // Without this check, a missing camera or a pipe would be reported as raw input without
            // a size.
            file::length(path)?;
            let Some(size) = args.source else {
                return Err(Error::bad_use(
                    "raw input takes --source, the size of its frames",
                ));
            };
            let size = size.check()?;
            let source = Source::raw(path, format, size)?;
            Ok(Opened {
                format,
                size,
                tags: Tags::unknown(),
                frames: Frames::Stored(source, Colours::Unknown),
            })
        }
    }
}

/// Opens a camera for a device.
fn film(args: &RunArgs, device: &Device) -> Result<Opened> {
    let takes = device.takes(Way::In);
    let camera = Camera::open(&args.input, args.in_format, args.source, &takes)?;
    Ok(Opened {
        format: camera.format,
        size: camera.size.check()?,
        tags: Tags::unknown(),
        frames: Frames::Filmed(Box::new(camera)),
    })
}

/// A file that frames are written to.
enum Written {
    /// Every frame is written.
    Raw(Output),
    /// Every frame is written.
    Y4m(y4m::Writer),
    /// The last frame is written.
    Picture(Output),
}

impl Written {
    fn create(path: &Path, side: Side, tags: &Tags) -> Result<Self> {
        Ok(match FileKind::of(path)? {
            FileKind::Raw => Written::Raw(Output::create(path)?),
            FileKind::Y4m => Written::Y4m(y4m::Writer::create(path, side.format, side.size, tags)?),
            FileKind::Png | FileKind::Jpeg => Written::Picture(Output::create(path)?),
        })
    }

    fn write(&mut self, frame: &[u8]) -> Result<()> {
        match self {
            Written::Raw(file) => file.write(frame),
            Written::Y4m(file) => file.write(frame),
            Written::Picture(_) => Ok(()),
        }
    }

    /// Finishes the file after the last frame, `last`.
    fn finish(self, side: Side, last: &[u8]) -> Result<()> {
        match self {
            Written::Raw(_) | Written::Y4m(_) => Ok(()),
            Written::Picture(mut file) => {
                file.write_picture(&Picture::from_frame(side.format, side.size, last)?)
            }
        }
    }
}

/// All output files.
struct Outputs {
    frames: Vec<Written>,
    save_in: Option<Output>,
    save_out: Option<Output>,
    report: Option<Output>,
}

impl Outputs {
    fn create(args: &RunArgs, side: Side, tags: &Tags) -> Result<Self> {
        let frames = args.output.iter();
        let create = |path: &Option<PathBuf>| path.as_deref().map(Output::create).transpose();
        Ok(Outputs {
            frames: frames
                .map(|path| Written::create(path, side, tags))
                .collect::<Result<_>>()?,
            save_in: create(&args.save_in)?,
            save_out: create(&args.save_out)?,
            report: create(&args.report)?,
        })
    }
}

/// Returns a flag that the first Ctrl-C sets. The second one ends the program.
fn interrupted() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    // 130 is the exit status after Ctrl-C. The conditional shutdown is registered first, because
    // otherwise the first Ctrl-C would end the program.
    signal_hook::flag::register_conditional_shutdown(SIGINT, 130, Arc::clone(&flag))
        .and_then(|_| signal_hook::flag::register(SIGINT, Arc::clone(&flag)))
        .map_err(|error| Error::failed(format!("cannot wait for Ctrl-C: {error}")))?;
    Ok(flag)
}

/// Runs a stream.
pub fn run(args: &RunArgs) -> Result<()> {
    // The arguments and files are checked before the device is opened. A camera must be opened
    // first, and its format depends on what the device takes. Output files are created after the
    // device was set up.
    let files = args.map_files()?;
    args.check()?;
    let open_device = || Device::open(args.device.as_deref());
    let (mut opened, mut device) = if camera::is_device(&args.input) {
        let device = open_device()?;
        (film(args, &device)?, Some(device))
    } else {
        (open(args)?, None)
    };
    let from = Side {
        format: opened.format,
        size: opened.size,
    };
    let to = Side {
        format: args.out_format,
        size: args.size.unwrap_or(opened.size).check()?,
    };
    opened.tags.resize(from.size, to.size);
    let mut maps = files
        .iter()
        .map(|path| args.read_maps(path, to.size))
        .collect::<Result<Vec<_>>>()?;
    if maps.is_empty() {
        maps.push(Maps::Identity);
    }
    let (total, first) = match &mut opened.frames {
        Frames::Stored(source, _) => {
            let total = args.frames.unwrap_or(source.count());
            (Some(total), Some(source.frame(0)?))
        }
        Frames::Filmed(_) => (args.frames, None),
    };

    let mut outputs = Vec::with_capacity(maps.len());
    for maps in maps {
        let device = device.take().map_or_else(open_device, Ok)?;
        outputs.push((device, maps));
    }
    let over;
    let input = match &mut opened.frames {
        Frames::Stored(source, colours) => Input::Source(source, *colours),
        Frames::Filmed(camera) => {
            over = interrupted()?;
            Input::Camera(camera, &over)
        }
    };
    let mut stream = Stream::new(input, outputs, [from, to], total)?;
    let Outputs {
        frames: mut written,
        mut save_in,
        save_out,
        report,
    } = Outputs::create(args, to, &opened.tags)?;
    if let (Some(file), Some(frame)) = (&mut save_in, first) {
        file.write(&frame)?;
    }
    let mut last = vec![Vec::new(); written.len()];
    let outcome = stream.run(
        |number, read| match &mut save_in {
            Some(file) if number == 0 => file.write(&read()?),
            _ => Ok(()),
        },
        |which, number, read| {
            // If the number of frames is not known, any frame may be the last.
            let may_be_last = total.is_none_or(|total| number + 1 == total);
            if may_be_last || !matches!(written[which], Written::Picture(_)) {
                last[which] = read()?;
                written[which].write(&last[which])?;
            }
            Ok(())
        },
    )?;
    for (file, last) in written.into_iter().zip(&last) {
        file.finish(to, last)?;
    }
    if let Some(mut file) = save_out {
        file.write(&last[0])?;
    }
    if let Some(mut file) = report {
        let text = format!("{:#}\n", stream.report([from, to], files, &outcome));
        file.write(text.as_bytes())?;
    }
    if outcome.frames > 1 {
        eprintln!("dewarp: {outcome}");
    }
    match outcome.errors {
        0 => Ok(()),
        errors => Err(Error::failed(format!(
            "{errors} of {} frames came back with an error; see the kernel log",
            outcome.frames * args.output.len() as u64
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: RunArgs,
    }

    #[test]
    fn what_cannot_be_written_is_found_when_the_files_are_created() {
        let dir = std::env::temp_dir().join(format!("dewarp-outputs-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let side = Side {
            format: NV12,
            size: "640x480".parse().unwrap(),
        };
        let create = |option: &str, name: &str| {
            let file = dir.join(name);
            let words = ["run", "photo.png", "-o", "/dev/null", option];
            let mut line = Line::parse_from(words.map(Into::into).into_iter().chain([file]));
            if option == "-o" {
                line.args.output.remove(0);
            }
            Outputs::create(&line.args, side, &Tags::picture()).map(|_| ())
        };
        let options = ["--save-in", "--save-out", "--report", "-o"];
        let cases = options.map(|option| (option, "a.nv12"));
        for (option, name) in cases.into_iter().chain([("-o", "a.png"), ("-o", "a.y4m")]) {
            create(option, name).unwrap();
            let error = create(option, &format!("none/{name}")).unwrap_err();
            assert_eq!(error.exit_code(), 1);
            let said = error.to_string();
            assert!(
                said.contains(name) && said.contains("No such file"),
                "{said}"
            );
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
