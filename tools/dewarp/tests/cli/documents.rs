// SPDX-License-Identifier: GPL-2.0
//! Every command line of the documents, run as it stands there.

use std::path::Path;

use crate::common::Scratch;

/// A document.
struct Document {
    name: &'static str,
    /// The fewest commands that it must have.
    fewest: usize,
    /// Whether each command has only what those before it made, and the files that the page mentions.
    in_order: bool,
}

const DOCUMENTS: [Document; 4] = [
    Document {
        name: "README.md",
        fewest: 2,
        in_order: true,
    },
    Document {
        name: "docs/calibration.md",
        fewest: 25,
        in_order: false,
    },
    // tests/calibrate.py makes the calibration, too, and runs them in order.
    Document {
        name: "docs/calibrate.md",
        fewest: 5,
        in_order: false,
    },
    Document {
        name: "docs/streams.md",
        fewest: 10,
        in_order: false,
    },
];

/// Commands in the shell blocks of a document: `dewarp`, or `./dewarp` where it was copied to a board.
fn commands(text: &str) -> Vec<&str> {
    let blocks = text.split("```").skip(1).step_by(2);
    let shell = blocks.filter_map(|block| block.strip_prefix("sh\n"));
    shell
        .flat_map(str::lines)
        .filter_map(|line| {
            let line = line.split('#').next()?.trim();
            line.strip_prefix("./")
                .unwrap_or(line)
                .strip_prefix("dewarp ")
        })
        .collect()
}

/// What must be there: the cameras, photographs, a video, maps.
fn furnish(dir: &Scratch, root: &Path) {
    let cameras = root.join("tools/dewarp/tests/cameras");
    for file in std::fs::read_dir(cameras).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        std::fs::copy(file.path(), dir.path(&name)).unwrap();
    }
    std::fs::create_dir(dir.path("photos")).unwrap();
    for name in ["photo.png", "photo.jpg", "photos/left14.jpg", "left14.jpg"] {
        dir.picture(name, 640, 480);
    }
    let camera = root.join("tests/pictures/left_intrinsics.yml");
    std::fs::copy(camera, dir.path("camera.yml")).unwrap();
    let frame = vec![90; 640 * 480 * 3 / 2];
    let video = [&b"YUV4MPEG2 W640 H480 F30:1\nFRAME\n"[..], &frame].concat();
    std::fs::write(dir.path("video.y4m"), video).unwrap();
    std::fs::write(dir.path("frames.nv12"), frame).unwrap();
    std::fs::write(dir.path("zoom.maps"), vec![0; 3 * 41 * 31 * 4]).unwrap();
}

#[test]
fn every_documented_command_line_works() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for Document {
        name: document,
        fewest,
        in_order,
    } in DOCUMENTS
    {
        let text = std::fs::read_to_string(root.join(document)).unwrap();
        let commands = commands(&text);
        assert!(commands.len() >= fewest, "{document}: {commands:?}");
        let dir = Scratch::new(&document.replace(['/', '.'], "-"));
        furnish(&dir, &root);
        for command in commands {
            // A map for these, whatever the command before made.
            let takes_a_map = ["run", "preview", "info"];
            if !in_order && takes_a_map.iter().any(|word| command.starts_with(word)) {
                assert_eq!(dir.run("map identity --size 640x480 -o map.bin").0, 0);
            }
            if command.starts_with("preview") && cfg!(not(feature = "preview")) {
                continue;
            }
            let (code, said) = dir.run(command);
            match command.starts_with("run") {
                // As far as it comes without a device.
                true if cfg!(feature = "device") => {
                    assert_eq!(code, 1, "{document}: dewarp {command}: {said}");
                    let no_camera =
                        command.contains("/dev/video1") && said.contains("cannot read /dev/video1");
                    assert!(
                        no_camera || said.contains("modprobe dw100_rust"),
                        "{command}: {said}"
                    );
                }
                true => assert!(code == 2 && said.contains("feature device"), "{said}"),
                false => assert_eq!(code, 0, "{document}: dewarp {command}: {said}"),
            }
            // The page tells what these are warned of.
            let warned = command.contains("--alpha 0.5") || command.contains("rational.json");
            if command.starts_with("map") && !warned {
                let mut lines = said.lines();
                assert!(
                    lines.all(|line| line.starts_with("dewarp: note: ")),
                    "{document}: dewarp {command}: {said}"
                );
            }
        }
    }
}
