// SPDX-License-Identifier: GPL-2.0
//! `dewarp tune`: serves a page on which the correction of a lens is tuned by eye.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use clap::Args;

use dewarp::format::{NV12, SIZES};
use dewarp::source;
use dewarp::{Error, Format, Picture, Result, Size};
#[cfg(feature = "device")]
use dewarp::{
    camera::{self, Camera},
    device::{Device, Way},
    format::FORMATS,
};

use super::lens::{LensArgs, numbers_of};
use super::map;
use crate::tune::feed::{Feed, Frame};
use crate::tune::guard::Guard;
use crate::tune::image::Image;
use crate::tune::options::{Asked, Fixed};
use crate::tune::save::Folder;
use crate::tune::{Tuner, http};
#[cfg(feature = "device")]
use crate::tune::{engine::Engine, feed::Live};

#[derive(Args)]
#[command(after_help = format!("{SIZES}\n\nExamples:\n  dewarp tune photo.jpg\n  dewarp tune \
    --calibration camera.yml --in-format nv12 --source 1280x720 /dev/video1\n  dewarp tune --address \
    0.0.0.0 photo.jpg\n\nThe page saves its files in the directory in which dewarp was started. Ctrl-C \
    ends it."))]
pub struct TuneArgs {
    /// A picture (.png, .jpg), or a camera (/dev/videoN).
    input: PathBuf,
    /// Size of the output [default: the input's].
    #[arg(long, value_name = "WxH", allow_negative_numbers = true)]
    size: Option<Size>,
    /// Size of a camera's frames [default: what it is set to].
    #[arg(long, value_name = "WxH", allow_negative_numbers = true)]
    source: Option<Size>,
    /// Format of a camera's frames [default: what it is set to].
    #[arg(long, value_name = "FORMAT")]
    in_format: Option<Format>,
    /// The device that dewarps [default: the first one whose driver is dw100, or else software].
    #[arg(short, long, value_name = "/dev/videoN")]
    device: Option<PathBuf>,
    /// Address at which the page is served. On one that other machines reach, the page's address has
    /// a token, and is only for those who know it; HTTP hides nothing from who can listen.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// TCP port, 0 for any that is free.
    #[arg(long, value_name = "PORT", default_value_t = 8100)]
    port: u16,
    #[command(flatten)]
    lens: LensArgs,
}

/// Serves the page until Ctrl-C.
pub fn tune(args: &TuneArgs) -> Result<()> {
    let opened = Opened::of(args)?;
    let size = source::output(args.size.unwrap_or(opened.size))?;
    let mut fixed = Fixed {
        size,
        source: opened.size,
        file: args.lens.of_file(),
        calibrated: None,
        arranged: false,
    };
    let start = begin(args, &mut fixed)?;
    #[cfg(feature = "device")]
    let engine = match opened.device {
        Some(device) => Some(Mutex::new(Engine::new(
            device,
            opened.format,
            opened.size,
            size,
        )?)),
        None => None,
    };
    let address = SocketAddr::new(args.address, args.port);
    let failed = |error| Error::failed(format!("cannot serve at {address}: {error}; see --port"));
    let listener = TcpListener::bind(address).map_err(failed)?;
    let here = std::env::current_dir()
        .map_err(|error| Error::failed(format!("cannot find the current directory: {error}")))?;
    let tuner = Tuner {
        guard: Guard::new(listener.local_addr().map_err(failed)?)?,
        fixed,
        feed: opened.feed,
        still: opened.still,
        #[cfg(feature = "device")]
        engine,
        folder: Folder::new(here),
        start,
        made: Mutex::default(),
    };
    crate::print(format!("{}\n", tuner.guard.url()).as_bytes())?;
    eprintln!("dewarp: open this page in a browser; Ctrl-C ends it");
    if args.address.is_unspecified() {
        eprintln!(
            "dewarp: on another machine, replace {} by the IP address of this one",
            args.address
        );
    }
    http::serve(&listener, &tuner);
    Ok(())
}

/// Returns the numbers of the lens at the start, or an empty list if it has none.
fn begin(args: &TuneArgs, fixed: &mut Fixed) -> Result<Vec<(&'static str, Vec<f64>)>> {
    if !fixed.file.is_empty() {
        let straight = map::lens(&Asked::default().map(fixed, "map.bin"))?;
        (fixed.calibrated, fixed.arranged) = (straight.calibrated, straight.arranged);
        return Ok(numbers_of(&straight.lens).unwrap_or_default());
    }
    if args.lens.has_any() {
        let (described, _) = args.lens.read(None, None)?;
        let said = source::Said {
            calibrated: None,
            source: Some(fixed.source),
            crop: args.lens.sensor_crop,
        };
        let lens = said.source(fixed.size)?.lens(described.calibration.lens);
        return Ok(numbers_of(&lens).unwrap_or_default());
    }
    // The lens is not known: assume 64 degrees across and no distortion.
    let Size { width, height } = fixed.source;
    let focal = (f64::from(width) * 0.8).round();
    let center = [width, height].map(|side| (f64::from(side) - 1.0) / 2.0);
    Ok(vec![
        ("focal", vec![focal; 2]),
        ("center", center.to_vec()),
        ("radial", vec![0.0; 6]),
        ("tangential", vec![0.0; 2]),
    ])
}

/// The opened input.
struct Opened {
    size: Size,
    feed: Feed,
    still: Option<Image>,
    #[cfg(feature = "device")]
    format: Format,
    /// The device, if there is one.
    #[cfg(feature = "device")]
    device: Option<Device>,
}

impl Opened {
    fn of(args: &TuneArgs) -> Result<Self> {
        #[cfg(feature = "device")]
        if camera::is_device(&args.input) {
            return Self::film(args);
        }
        let picture = Picture::load(&args.input)?;
        let size = picture.size.check()?;
        if args.source.is_some_and(|source| source != size) {
            return Err(Error::bad_use(format!(
                "{} is a picture of {size}; --source is for cameras, --size for the output",
                args.input.display()
            )));
        }
        let format = args.in_format.unwrap_or(NV12);
        let frame = Frame {
            format,
            size,
            bytes: picture.to_frame(format)?,
        };
        #[cfg(not(feature = "device"))]
        if args.device.is_some() {
            return Err(Error::bad_use(
                "this dewarp was built without the feature device",
            ));
        }
        Ok(Opened {
            size,
            feed: Feed::Still(Arc::new(frame)),
            still: Some(Image::of_picture(&picture)),
            #[cfg(feature = "device")]
            format,
            #[cfg(feature = "device")]
            device: device(args)?,
        })
    }

    #[cfg(feature = "device")]
    fn film(args: &TuneArgs) -> Result<Self> {
        let device = device(args)?;
        let takes = match &device {
            Some(device) => device.takes(Way::In),
            None => FORMATS.map(|format| format.name.to_owned()).to_vec(),
        };
        let camera = Camera::open(&args.input, args.in_format, args.source, &takes)?;
        let (size, format) = (camera.size.check()?, camera.format);
        Ok(Opened {
            size,
            feed: Feed::Live(Live::start(camera)?),
            still: None,
            format,
            device,
        })
    }
}

/// Opens the device that the options name, or any that exists.
#[cfg(feature = "device")]
fn device(args: &TuneArgs) -> Result<Option<Device>> {
    match &args.device {
        Some(path) => Device::open(Some(path)).map(Some),
        None => Ok(Device::open(None).ok()),
    }
}
