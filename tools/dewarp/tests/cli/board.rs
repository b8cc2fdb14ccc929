// SPDX-License-Identifier: GPL-2.0
//! `dewarp board` as a user meets it. Whether OpenCV finds what is drawn is tested by
//! `tests/calibrate.py`.

use crate::common::Scratch;

#[test]
fn a_board_is_drawn_as_the_file_name_says() {
    let dir = Scratch::new("board");
    for (name, start) in [
        ("board.pdf", &b"%PDF-"[..]),
        ("board.svg", b"<svg "),
        ("board.png", b"\x89PNG"),
    ] {
        let (code, said) = dir.run(&format!("board --kind charuco -o {name}"));
        assert_eq!((code, said.as_str()), (0, ""), "{name}");
        let bytes = std::fs::read(dir.path(name)).unwrap();
        assert!(bytes.starts_with(start), "{name}");
    }
}

#[test]
fn a_board_that_cannot_be_is_refused_and_nothing_is_written() {
    let dir = Scratch::new("no-board");
    for (words, what) in [
        (
            "-o board.jpg",
            "board.jpg is neither .pdf nor .svg nor .png",
        ),
        ("--squares 9 -o a.pdf", "9 is not COLUMNSxROWS"),
        ("--squares 3x9 -o a.pdf", "of 4 or more squares each"),
        ("--square 26 -o a.pdf", "A4 has room for 277.0 x 175.0 mm"),
        (
            "--square -25 -o a.pdf",
            "a square's side is 5 to 25.0 mm on A4, not -25",
        ),
        (
            "--kind charuco --squares 11x10 -o a.pdf",
            "take 55 markers, and there are 50",
        ),
        ("--paper a5 -o a.pdf", "[possible values: a4, a3, letter]"),
    ] {
        let (code, said) = dir.run(&format!("board {words}"));
        assert_eq!(code, 2, "{words}: {said}");
        assert!(said.contains(what), "{words}: {said}");
    }
    let left = std::fs::read_dir(dir.path("")).unwrap().count();
    assert_eq!(left, 0);
}

#[test]
fn the_examples_of_the_help_work() {
    let dir = Scratch::new("board-help");
    let (_, help, _) = dir.start("board --help");
    let examples = help
        .lines()
        .filter_map(|line| line.strip_prefix("  dewarp "));
    let examples: Vec<&str> = examples.collect();
    assert_eq!(examples.len(), 2, "{help}");
    for example in examples {
        assert_eq!(dir.run(example), (0, String::new()), "{example}");
    }
}
