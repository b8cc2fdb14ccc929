// SPDX-License-Identifier: GPL-2.0

//! Streams while something else loads the kernel or the streams, and a task that keeps a CPU busy.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::picture::Bands;
use crate::v4l2::{Device, PATIENCE, Request, Sent, Stream, Which};

/// Buffers of each queue.
const BUFFERS: usize = 3;

/// The size of a frame, pixels.
const SIZE: (u32, u32) = (176, 144);

/// Runs [`stream`] in several files, each for so many frames and so many seconds at least. Prints
/// how many frames there were.
pub fn run(files: u32, frames: u32, seconds: u32, faults: bool) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(seconds.into());
    let counts = thread::scope(|scope| {
        let threads: Vec<_> = (0..files)
            .map(|file| {
                let goes_on = move |count| count < frames || Instant::now() < end;
                scope.spawn(move || stream(file, SIZE, faults, goes_on))
            })
            .collect();
        let counts = threads.into_iter().map(|thread| match thread.join() {
            Ok(counts) => counts,
            Err(_) => bail!("a thread panicked"),
        });
        counts.collect::<Result<Vec<_>>>()
    })?;
    let [frames, failed] = [0, 1].map(|which| counts.iter().map(|count| count[which]).sum::<u32>());
    println!("{frames} frames, {failed} failed");
    for count in &counts {
        ensure!(
            count[0] > count[1],
            "a file had {count:?} frames and failures"
        );
    }
    ensure!(
        (failed > 0) == faults,
        "{failed} frames failed, with faults {faults}"
    );
    Ok(())
}

/// Streams while `goes_on` returns `true`. It is given the number of frames so far. Checks that
/// every buffer is returned once, in order, with its pixels; with `faults`, or as failed. Every
/// second file streams by requests.
///
/// Returns the number of frames, and how many failed.
pub fn stream(
    file: u32,
    (width, height): (u32, u32),
    faults: bool,
    goes_on: impl Fn(u32) -> bool,
) -> Result<[u32; 2]> {
    let device = Device::open()?;
    let bands = Bands::set_to(&device, width, height)?;
    let band = file % 8 + 1;
    let map = bands.map(band);
    device.set_map(Which::Current, &map)?;
    let media = device.media()?;
    let requests = (0..if file % 2 == 1 { BUFFERS } else { 0 })
        .map(|_| media.request())
        .collect::<Result<Vec<Request>, _>>()?;
    let stream = Stream::start(&device, BUFFERS as u32)?;
    let send = |index: usize| -> Result<()> {
        let request = requests.get(index);
        if let Some(request) = request {
            device.set_map(Which::Request(request), &map)?;
        }
        let sent = Sent {
            request,
            ..Default::default()
        };
        stream.queue(index, &sent)?;
        request.map_or(Ok(()), Request::queue)?;
        Ok(())
    };
    for index in 0..BUFFERS {
        stream.output.write(index, &bands.source)?;
        send(index)?;
    }
    let mut counts = [0; 2];
    while goes_on(counts[0]) || counts[0] as usize % BUFFERS != 0 {
        let due = counts[0];
        let told = || format!("frame {due} of file {file}");
        let (output, capture) = stream.dequeue_any().with_context(told)?;
        let index = due as usize % BUFFERS;
        ensure!(
            [output.index, capture.index] == [index; 2] && capture.sequence == due,
            "{}: buffers {} and {} came, number {}",
            told(),
            output.index,
            capture.index,
            capture.sequence
        );
        if capture.failed() {
            ensure!(faults, "{} failed", told());
            counts[1] += 1;
        } else {
            bands
                .check(&stream.capture.read(index), band)
                .with_context(told)?;
            for plane in stream.capture.planes(index) {
                plane.fill(0xa5);
            }
        }
        if let Some(request) = requests.get(index) {
            ensure!(request.completed(PATIENCE)?, "{}: its request", told());
            request.reinit()?;
        }
        counts[0] += 1;
        send(index)?;
    }
    Ok(counts)
}

/// Keeps a CPU busy for `busy`, and sleeps for `gap`, several times.
pub fn hog(busy: Duration, gap: Duration, times: u32) {
    for _ in 0..times {
        let pause = Instant::now() + busy;
        while Instant::now() < pause {}
        thread::sleep(gap);
    }
}
