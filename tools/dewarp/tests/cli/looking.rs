// SPDX-License-Identifier: GPL-2.0
//! The commands that look at maps.

use crate::common::Scratch;
use crate::maps::{map, said};

#[test]
fn info_explains_a_map() {
    let dir = Scratch::new("info");
    let (code, text) = dir.run("map identity --size 640x480 --source 1280x480 -o map.bin");
    assert!(
        code == 0 && text.contains("2.00 times as high as the part it shows"),
        "{text}"
    );
    let text = said(&dir, "info map.bin");
    assert_eq!(
        text,
        "map       41x31 vertices, 5084 bytes\n\
         output    640x480 or 640x472 or 632x480 or 632x472\n\
         guess     the size is the likeliest; as many vertices have 480x640, or smaller maps one after \
         the other: --size tells\n\
         source    x from 0 to 1280, y from 0 to 480\n\
         scale     one output pixel takes 1.00 (at 16,16) to 2.00 (at 16,16) source pixels\n\
         middle    one output pixel takes 2.00 source pixels across and 1.00 down\n\
         blocks    1200, of which 0 show only an edge of the source, 0 only the boundary colour, and 0 \
         show it mirrored\n"
    );
    assert!(said(&dir, "info --size 632x480 map.bin").contains("output    632x480\n"));
    assert!(!said(&dir, "info --size 640x480 map.bin").contains("guess"));
    // Three maps, as for `run --maps`.
    let maps = std::fs::read(dir.path("map.bin")).unwrap().repeat(3);
    std::fs::write(dir.path("three.maps"), maps).unwrap();
    assert!(said(&dir, "info three.maps").contains("maps one after the other: --size tells\n"));
    let first = said(&dir, "info --size 640x480 three.maps");
    assert!(
        first.starts_with("map       41x31 vertices, the first of 3 in the file\n"),
        "{first}"
    );
    let (code, text) = dir.run("info --size 800x600 map.bin");
    assert!(
        code == 2 && text.contains("the map has 5084 bytes"),
        "{text}"
    );
    std::fs::write(dir.path("no.bin"), [1, 2, 3]).unwrap();
    let (code, text) = dir.run("info no.bin");
    assert_eq!(
        (code, text.as_str()),
        (
            2,
            "dewarp: no.bin is no map: no output has 3 bytes of vertices\n"
        )
    );
}

#[test]
fn info_tells_what_is_out_of_sight_turned_and_seen() {
    let dir = Scratch::new("info-more");
    let words = "--center 320,240 --focal 300,300 --radial -0.25,0.05,0 --tangential 0.1,0";
    let made = dir.run(&format!("map lens --size 640x480 {words} -o map.bin"));
    assert_eq!(made.0, 0, "{made:?}");
    let text = said(&dir, "info --size 640x480 --source 640x480 map.bin");
    let told = "sight     46 of 1271 vertices are out of sight and show the boundary colour\n";
    assert!(text.contains(told), "{text}");
    assert!(!text.contains("4095.9375"), "{text}");
    // A pinhole of 90 degrees across: 2 atan(320 / 320), 2 atan(240 / 320), 2 atan(400 / 320).
    let lens = "--center 320,240 --focal 320,320 --radial 0,0";
    map(&dir, &format!("lens --size 640x480 --rotate 180 {lens}"));
    let text = said(&dir, &format!("info --size 640x480 {lens} map.bin"));
    assert!(
        text.contains("across and 1.00 down, turned by 180 degrees\n"),
        "{text}"
    );
    let view = text
        .lines()
        .find_map(|line| line.strip_prefix("view      "))
        .unwrap();
    let numbers: Vec<f64> = view
        .split(' ')
        .filter_map(|word| word.parse().ok())
        .collect();
    for (number, right) in numbers.iter().zip([90.0, 73.74, 102.68]) {
        assert!((number - right).abs() < 0.3, "{view}");
    }
    assert_eq!(numbers.len(), 3, "{view}");
}

#[cfg(feature = "preview")]
#[test]
fn preview_puts_grid_result_and_scale_side_by_side() {
    let dir = Scratch::new("preview");
    map(&dir, "identity --size 320x240 --source 640x480");
    dir.picture("photo.jpg", 640, 480);
    assert_eq!(
        dir.run("preview photo.jpg --map map.bin --size 320x240 -o preview.png"),
        (0, String::new())
    );
    let size = dewarp::Picture::load(&dir.path("preview.png"))
        .unwrap()
        .size;
    assert_eq!(size.to_string(), "1296x480");
    let (code, text) = dir.run("preview photo.jpg --map map.bin -o preview.png");
    assert!(
        code == 2 && text.contains("the map is for an output of 320x240 or 320x232 or"),
        "{text}"
    );
}
