// SPDX-License-Identifier: GPL-2.0
//! `dewarp tune` as a browser meets it, over HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Child;

use serde_json::{Value, json};

use dewarp::lens::Brown;
use dewarp::view::{Camera, Layout, Projection, View};
use dewarp::{Distortion, Lens, Size, VertexMap};

use crate::common::Scratch;

const SIZE: Size = Size {
    width: 640,
    height: 480,
};

/// A started server, ended at the end.
struct Page {
    child: Child,
    /// ADDRESS:PORT.
    host: String,
    /// Before every path.
    prefix: String,
}

impl Drop for Page {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Page {
    fn start(dir: &Scratch, words: &str) -> Self {
        dir.picture("photo.png", SIZE.width, SIZE.height);
        let mut child = dir.spawn(&format!("tune --port 0 {words} photo.png"));
        let mut url = String::new();
        let out = child.stdout.as_mut().unwrap();
        BufReader::new(out).read_line(&mut url).unwrap();
        let rest = url.trim().strip_prefix("http://").unwrap();
        let (host, path) = rest.split_once('/').unwrap();
        Page {
            child,
            host: host.into(),
            prefix: format!("/{path}"),
        }
    }

    /// Sends these bytes: the status and the body of the response.
    fn send(&self, bytes: &[u8]) -> (u16, Vec<u8>) {
        let port = self.host.rsplit_once(':').unwrap().1;
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        stream.write_all(bytes).unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        let end = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&all[..end]).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, all[end + 4..].to_vec())
    }

    /// A request with these header fields.
    fn ask(&self, request: &str, fields: &str, body: &str) -> (u16, String) {
        let length = body.len();
        let text = format!(
            "{request} HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n{fields}\r\n\r\n{body}"
        );
        let (status, body) = self.send(text.as_bytes());
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    fn post(&self, path: &str, body: &Value) -> (u16, String) {
        let fields = format!("Host: {0}\r\nOrigin: http://{0}", self.host);
        self.ask(
            &format!("POST {}{path}", self.prefix),
            &fields,
            &body.to_string(),
        )
    }

    /// What a request that is taken answers.
    fn said(&self, path: &str, body: &Value) -> Value {
        let (status, text) = self.post(path, body);
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Saves a map of these options: its bytes, and the command line that makes it.
    fn map(&self, dir: &Scratch, options: &Value) -> (Vec<u8>, String) {
        let request = json!({"options": options, "what": "map", "name": "tuned.bin"});
        let said = self.said("save", &request);
        let bytes = std::fs::read(dir.path("tuned.bin")).unwrap();
        (bytes, said["command"].as_str().unwrap().to_owned())
    }
}

fn lens() -> Lens {
    Lens {
        focal: [420.0, 421.0],
        center: [324.5, 236.25],
        distortion: Distortion::Brown(Brown {
            radial: [-0.29, 0.11, 0.0],
            tangential: [0.001, 0.0],
            ..Brown::NONE
        }),
    }
}

/// The options of that lens, with others.
fn options(others: &[(&str, &str)]) -> Value {
    let mut all = json!({
        "focal": "420,421", "center": "324.5,236.25", "radial": "-0.29,0.11", "tangential": "0.001,0",
    });
    for (name, value) in others {
        all[*name] = json!(value);
    }
    all
}

#[test]
fn each_slider_does_to_the_map_what_the_lens_and_the_view_do() {
    let dir = Scratch::new("tune-sliders");
    let page = Page::start(&dir, "");
    let map = |lens: Lens, see: &dyn Fn(Camera) -> Camera, alpha: Option<f64>| {
        let mut view = View::new(lens, see(Camera::like(&lens)), Layout::whole(SIZE, SIZE));
        if let Some(alpha) = alpha {
            view.fit(SIZE, alpha).unwrap();
        }
        VertexMap::from_fn(SIZE, |x, y| view.source(x, y)).to_bytes()
    };
    let same = |camera| camera;
    let base = map(lens(), &same, None);
    let with = |change: &dyn Fn(&mut Lens)| {
        let mut lens = lens();
        change(&mut lens);
        map(lens, &same, None)
    };
    let brown = |change: fn(&mut Brown)| {
        with(&|lens| {
            if let Distortion::Brown(brown) = &mut lens.distortion {
                change(brown);
            }
        })
    };
    let seen = |see: &dyn Fn(Camera) -> Camera| map(lens(), see, None);
    let cylinder = |mut camera: Camera| {
        camera.projection = Projection::Cylindrical;
        camera
    };
    type Case<'a> = (&'a [(&'a str, &'a str)], Vec<u8>);
    let cases: [Case<'_>; 12] = [
        (&[("focal", "400,421")], with(&|lens| lens.focal[0] = 400.0)),
        (&[("focal", "420,450")], with(&|lens| lens.focal[1] = 450.0)),
        (
            &[("center", "310,236.25")],
            with(&|lens| lens.center[0] = 310.0),
        ),
        (
            &[("center", "324.5,260")],
            with(&|lens| lens.center[1] = 260.0),
        ),
        (
            &[("radial", "-0.2,0.11")],
            brown(|brown| brown.radial[0] = -0.2),
        ),
        (
            &[("radial", "-0.29,0.11,0.02")],
            brown(|brown| brown.radial[2] = 0.02),
        ),
        (
            &[("tangential", "0.001,-0.004")],
            brown(|brown| brown.tangential[1] = -0.004),
        ),
        (&[("alpha", "0.5")], map(lens(), &same, Some(0.5))),
        (&[("zoom", "1.5")], seen(&|camera| camera.zoomed(1.5))),
        (
            &[("pan", "-12")],
            seen(&|camera| camera.looking(-12.0, 0.0, 0.0)),
        ),
        (
            &[("tilt", "5"), ("roll", "7")],
            seen(&|camera| camera.looking(0.0, 5.0, 7.0)),
        ),
        (&[("projection", "cylindrical")], seen(&cylinder)),
    ];
    assert_eq!(page.map(&dir, &options(&[])).0, base);
    for (others, right) in cases {
        let (made, _) = page.map(&dir, &options(others));
        assert!(made == right, "{others:?}");
        assert!(made != base, "{others:?} changes nothing");
    }
}

#[test]
fn the_printed_command_makes_the_saved_map() {
    let dir = Scratch::new("tune-command");
    std::fs::write(
        dir.path("lens.yml"),
        "image_width: 1280\nimage_height: 960\ncamera_matrix: {rows: 3, cols: 3, data: [840, 0, 650, 0, \
         842, 470, 0, 0, 1]}\ndistortion_coefficients: {rows: 1, cols: 4, data: [-0.02, 0.004, -0.003, \
         0.0005]}\nfisheye_model: 1\n",
    )
    .unwrap();
    let page = Page::start(&dir, "--calibration lens.yml --size 320x240");
    for options in [
        json!({}),
        json!({"pan": "-3.5", "tilt": "2", "alpha": "0.25"}),
        json!({"fisheye": "-0.02,0.004,0,0", "focal": "420.125,420.2", "center": "324,230"}),
        json!({"double-sphere": "-0.2,0.6", "focal": " 400 , 400", "center": "320,240", "zoom": "0.5"}),
    ] {
        let (made, command) = page.map(&dir, &options);
        std::fs::rename(dir.path("tuned.bin"), dir.path("kept.bin")).unwrap();
        let shell = std::process::Command::new("sh")
            .args([
                "-c",
                &format!("dewarp() {{ \"$DEWARP\" \"$@\"; }}\n{command}"),
            ])
            .env("DEWARP", env!("CARGO_BIN_EXE_dewarp"))
            .current_dir(dir.path(""))
            .output()
            .unwrap();
        assert!(shell.status.success(), "{command}: {shell:?}");
        let again = std::fs::read(dir.path("tuned.bin")).unwrap();
        // Not the page's own: it would not be written over.
        std::fs::remove_file(dir.path("tuned.bin")).unwrap();
        assert!(made == again, "{command}");
        // The page shows the same line before anything is saved.
        let shown = page.said("check", &json!({ "options": options }));
        assert_eq!(shown["command"], command.replace("tuned.bin", "map.bin"));
    }
    // The lens is in pixels of the picture, half of the calibration's: f / 2, (c + 0.5) / 2 - 0.5.
    let start = page.said("start", &json!({}));
    assert_eq!(start["lens"]["focal"], json!([420.0, 421.0]));
    assert_eq!(start["lens"]["center"], json!([324.75, 234.75]));
    assert_eq!(
        start["lens"]["fisheye"],
        json!([-0.02, 0.004, -0.003, 0.0005])
    );
}

#[test]
fn what_is_saved_is_what_the_other_commands_read_and_print() {
    let dir = Scratch::new("tune-save");
    let page = Page::start(&dir, "");
    let (made, _) = page.map(&dir, &options(&[]));
    let save = |what: &str, name: &str| {
        page.post(
            "save",
            &json!({"options": options(&[]), "what": what, "name": name}),
        )
    };
    assert_eq!(save("calibration", "saved.yml").0, 200);
    let read = dir.run("map lens --size 640x480 --calibration saved.yml -o read.bin");
    assert_eq!(read, (0, String::new()));
    assert!(std::fs::read(dir.path("read.bin")).unwrap() == made);

    assert_eq!(save("libcamera", "dewarp.yaml").0, 200);
    let text = std::fs::read_to_string(dir.path("dewarp.yaml")).unwrap();
    assert_eq!(
        text,
        "version: 1\nmodules:\n  - Dewarp:\n      cm: [ 420.0, 0.0, 324.5, 0.0, 421.0, 236.25, 0.0, 0.0, \
         1.0 ]\n      coefficients: [ -0.29, 0.11, 0.001, 0.0, 0.0 ]\n"
    );
    let (status, text) = page.post(
        "save",
        &json!({"options": options(&[("pan", "3")]), "what": "libcamera", "name": "other.yaml"}),
    );
    assert_eq!(status, 422);
    assert!(text.contains("libcamera's section has no pan"), "{text}");
    for name in ["../up.bin", "photo.png", "/tmp/map.bin", ".bin", ""] {
        let (status, text) = save("map", name);
        assert!(
            status == 422 && text.contains("is no name for this file"),
            "{text}"
        );
    }
    std::fs::write(dir.path("mine.bin"), "mine").unwrap();
    let (status, text) = save("map", "mine.bin");
    assert!(
        status == 422 && text.contains("give another name"),
        "{text}"
    );
    assert_eq!(std::fs::read(dir.path("mine.bin")).unwrap(), b"mine");
}

#[test]
fn numbers_in_the_place_of_a_file_stay_in_the_pixels_of_the_sensor() {
    let dir = Scratch::new("tune-sensor");
    std::fs::write(
        dir.path("lens.yml"),
        "image_width: 1280\nimage_height: 960\ncamera_matrix: {rows: 3, cols: 3, data: [840, 0, 650, 0, \
         842, 470, 0, 0, 1]}\ndistortion_coefficients: {rows: 1, cols: 5, data: [-0.2, 0.1, 0, 0, 0]}\n",
    )
    .unwrap();
    let page = Page::start(&dir, "--calibration lens.yml");
    // In pixels of the picture, half of the sensor's. libcamera halves both numbers.
    let lens = json!({"focal": "420,421", "center": "324.75,234.75", "radial": "-0.1,0.1"});
    let request = json!({"options": lens, "what": "libcamera", "name": "dewarp.yaml"});
    assert_eq!(page.said("save", &request)["notes"], json!([]));
    let text = std::fs::read_to_string(dir.path("dewarp.yaml")).unwrap();
    let due = "cm: [ 840.0, 0.0, 649.5, 0.0, 842.0, 469.5, 0.0, 0.0, 1.0 ]";
    assert!(text.contains(due), "{text}");
}

#[test]
fn what_the_numbers_cannot_say_of_a_file_is_told() {
    let dir = Scratch::new("tune-told");
    std::fs::write(
        dir.path("lens.yml"),
        "camera_matrix: {rows: 3, cols: 3, data: [420, 0, 324, 0, 421, 236, 0, 0, 1]}\n\
         distortion_coefficients: {rows: 1, cols: 5, data: [-0.2, 0.1, 0, 0, 0]}\n",
    )
    .unwrap();
    let page = Page::start(&dir, "--calibration lens.yml");
    let warnings = page.said("check", &json!({"options": {}}))["warnings"].to_string();
    let due = "the file does not say the size of its pictures: taken as 640x480";
    assert!(warnings.contains(due), "{warnings}");
}

#[test]
fn wrong_values_get_the_sentences_of_the_command_line() {
    let dir = Scratch::new("tune-wrong");
    let page = Page::start(&dir, "");
    let cases = [
        ("pan", "200", "--pan=200"),
        ("focal", "1,1", "--focal=1,1"),
        ("radial", "1", "--radial=1"),
        ("alpha", "7", "--alpha=7"),
        ("zoom", "nan", "--zoom=nan"),
        ("projection", "flat", "--projection=flat"),
        ("fisheye", "0,0,0,0", "--fisheye=0,0,0,0"),
    ];
    for (name, value, word) in cases {
        let (status, text) = page.post("check", &json!({"options": options(&[(name, value)])}));
        assert_eq!(status, 422, "{text}");
        let text: Value = serde_json::from_str(&text).unwrap();
        let lens = "--focal=420,421 --center=324.5,236.25 --radial=-0.29,0.11 --tangential=0.001,0";
        let rest: Vec<&str> = lens
            .split(' ')
            .filter(|other| !other.starts_with(&format!("--{name}=")))
            .collect();
        let line = format!(
            "map lens --size 640x480 {} {word} -o no.bin",
            rest.join(" ")
        );
        let (code, said) = dir.run(&line);
        assert_eq!(code, 2, "{said}");
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        let error = text["error"].as_str().unwrap();
        // The command line has its usage behind it.
        let begins =
            ["error: ", "dewarp: "].map(|begin| said.starts_with(&format!("{begin}{error}")));
        assert!(begins.contains(&true), "{error} | {said}");
    }
    for (body, why) in [
        ("{", "the request is no JSON"),
        ("[]", "the request has no options"),
        (r#"{"options":{"output":"x"}}"#, "the page has no option"),
        (r#"{"options":{"pan":1}}"#, "is no text"),
    ] {
        let fields = format!("Host: {}", page.host);
        let (status, text) = page.ask("POST /check", &fields, body);
        assert!(status == 422 && text.contains(why), "{status} {text}");
    }
    let deep = "[".repeat(10_000);
    let (status, _) = page.ask("POST /check", &format!("Host: {}", page.host), &deep);
    assert_eq!(status, 422);
}

#[test]
fn others_are_refused() {
    let dir = Scratch::new("tune-refused");
    let page = Page::start(&dir, "");
    let host = format!("Host: {}", page.host);
    let port = page.host.rsplit_once(':').unwrap().1;
    assert_eq!(page.ask("GET /", &host, "").0, 200);
    assert_eq!(page.ask("GET /page.js", &host, "").0, 200);
    assert_eq!(page.ask("GET /etc/passwd", &host, "").0, 404);
    assert_eq!(
        page.ask("GET /", &format!("Host: evil.example:{port}"), "")
            .0,
        421
    );
    assert_eq!(page.ask("GET /", "X: y", "").0, 421);
    let foreign = format!("{host}\r\nOrigin: http://evil.example");
    assert_eq!(page.ask("POST /start", &foreign, "{}").0, 403);
    let (status, text) = page.ask("POST /check", &host, &"x".repeat(20_000));
    assert_eq!(
        (status, text.as_str()),
        (413, "a body has 16384 bytes at most\n")
    );
    // As many as no memory holds, and none of them sent.
    let most = format!(
        "POST /check HTTP/1.1\r\n{host}\r\nContent-Length: {}\r\n\r\n",
        "9".repeat(30)
    );
    let mut stream = TcpStream::connect(&page.host).unwrap();
    stream.write_all(most.as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 413 "), "{line}");
    let long = format!("GET /{} HTTP/1.1\r\n{host}\r\n\r\n", "a".repeat(9000));
    assert_eq!(page.send(long.as_bytes()).0, 431);
    // It still serves.
    assert_eq!(page.ask("GET /", &host, "").0, 200);
}

#[test]
fn another_address_takes_the_token() {
    let dir = Scratch::new("tune-token");
    let page = Page::start(&dir, "--address 0.0.0.0");
    let port = page.host.rsplit_once(':').unwrap().1;
    let host = format!("Host: 127.0.0.1:{port}");
    assert_eq!(page.prefix.len(), 34);
    let with = |prefix: &str| page.ask(&format!("POST {prefix}start"), &host, "{}").0;
    assert_eq!(with(&page.prefix), 200);
    let shorter = format!("{}/", &page.prefix[..32]);
    for wrong in ["/", "//", &shorter, "/00000000000000000000000000000000/"] {
        assert_eq!(with(wrong), 403, "{wrong}");
    }
    assert_eq!(page.ask("GET /", &host, "").0, 403);
}

#[test]
fn pictures_are_jpegs_of_the_output_size() {
    let dir = Scratch::new("tune-pictures");
    let page = Page::start(&dir, "--size 320x240");
    for (show, sides) in [
        ("dewarped", [320, 240]),
        ("source", [640, 480]),
        ("scale", [320, 264]),
    ] {
        let body = json!({"options": options(&[]), "show": show}).to_string();
        let head = format!("Host: {}\r\nContent-Length: {}", page.host, body.len());
        let text = format!("POST /picture HTTP/1.1\r\nConnection: close\r\n{head}\r\n\r\n{body}");
        let (status, bytes) = page.send(text.as_bytes());
        assert_eq!(status, 200, "{show}");
        std::fs::write(dir.path("page.jpg"), bytes).unwrap();
        let picture = dewarp::Picture::load(&dir.path("page.jpg")).unwrap();
        assert_eq!([picture.size.width, picture.size.height], sides, "{show}");
    }
}
