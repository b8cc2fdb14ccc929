// SPDX-License-Identifier: GPL-2.0
//! The options that the page sends, as arguments of `dewarp map lens`. Only options of a list are
//! accepted, and the command line's own checks are applied to the values.

use serde_json::{Map, Value};

use dewarp::{Error, Result, Size};

/// The options that describe a lens by its numbers.
const LENS: [&str; 11] = [
    "center",
    "focal",
    "radial",
    "tangential",
    "prism",
    "sensor-tilt",
    "fisheye",
    "double-sphere",
    "eucm",
    "omni",
    "fov",
];

/// The options of a view.
const VIEW: [&str; 6] = ["alpha", "zoom", "pan", "tilt", "roll", "projection"];

/// The largest length of a value in characters: six numbers with all their digits are shorter.
const LONGEST: usize = 200;

/// The values that do not change while the page is open.
#[derive(Debug, Clone)]
pub struct Fixed {
    /// The size of the output.
    pub size: Size,
    /// The size of the input.
    pub source: Size,
    /// `--calibration` and the options that belong to it, if there is one.
    pub file: Vec<String>,
    /// Size of the file's pictures, or of their part that the input shows, if the file says it.
    pub calibrated: Option<Size>,
    /// Whether the file also describes the output: a flip, a part or a camera.
    pub arranged: bool,
}

/// The options that the page sent, by name; at first none.
#[derive(Debug, Default)]
pub struct Asked {
    options: Map<String, Value>,
}

impl Asked {
    /// Reads the object `options` of a request.
    ///
    /// Returns a bad-use error that names an option which the page does not have.
    pub fn of(request: &Value) -> Result<Self> {
        let options = request.get("options").and_then(Value::as_object);
        let options = options.ok_or(Error::bad_use("the request has no options"))?;
        for (name, value) in options {
            let known = LENS.iter().chain(&VIEW).any(|known| known == name);
            if !known {
                return Err(Error::bad_use(format!("the page has no option {name:?}")));
            }
            match value.as_str() {
                Some(text) if text.len() <= LONGEST && !text.contains(char::is_control) => {}
                _ => {
                    return Err(Error::bad_use(format!(
                        "--{name} is no text of at most {LONGEST} characters"
                    )));
                }
            }
        }
        Ok(Asked {
            options: options.clone(),
        })
    }

    fn words<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = String> + 'a {
        let word = |name: &str| Some(format!("--{name}={}", self.options.get(name)?.as_str()?));
        names.iter().filter_map(move |name| word(name))
    }

    /// Returns whether numbers of the lens are given, which replace the file.
    pub fn has_lens(&self) -> bool {
        self.words(&LENS).next().is_some()
    }

    /// Returns the arguments of the lens: those of the file unless numbers are given.
    fn lens(&self, fixed: &Fixed) -> Vec<String> {
        let words: Vec<String> = self.words(&LENS).collect();
        match words.is_empty() {
            true => fixed.file.clone(),
            false => words,
        }
    }

    /// Returns the arguments of `dewarp map lens`, for a map of this name.
    pub fn map(&self, fixed: &Fixed, output: &str) -> Vec<String> {
        let mut words = vec![
            format!("--size={}", fixed.size),
            format!("--source={}", fixed.source),
        ];
        words.extend(self.lens(fixed));
        words.extend(self.words(&VIEW));
        words.extend(["-o".to_owned(), output.to_owned()]);
        words
    }

    /// Returns the arguments of `dewarp export libcamera`.
    ///
    /// Returns a bad-use error if the section cannot represent what is asked for.
    pub fn libcamera(&self, fixed: &Fixed) -> Result<Vec<String>> {
        for name in ["pan", "tilt", "roll", "projection"] {
            if self.options.contains_key(name) {
                return Err(Error::bad_use(format!(
                    "libcamera's section has no {name}: set it back, or take the map"
                )));
            }
        }
        let mut words = self.lens(fixed);
        if words != fixed.file {
            words.push(format!("--sensor-crop={}+0+0", fixed.source));
            // The matrices are in pixels of the file's pictures, as they are without numbers.
            words.extend(fixed.calibrated.map(|size| format!("--sensor={size}")));
        }
        words.extend(self.words(&["alpha", "zoom"]));
        Ok(words)
    }
}

/// Formats arguments for a shell.
pub fn line(command: &str, words: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=.,:/+".contains(c);
    let quoted = words.iter().map(|word| match word.chars().all(plain) {
        true => word.clone(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    });
    let words: Vec<String> = std::iter::once(command.to_owned()).chain(quoted).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fixed() -> Fixed {
        let size = Size {
            width: 640,
            height: 480,
        };
        Fixed {
            size,
            source: size,
            file: vec!["--calibration=my lens.yml".into()],
            calibrated: None,
            arranged: false,
        }
    }

    #[test]
    fn the_file_counts_until_a_number_of_the_lens_is_given() {
        let asked = |options: Value| Asked::of(&json!({ "options": options })).unwrap();
        let words = asked(json!({"pan": "-3", "alpha": "0"})).map(&fixed(), "a.bin");
        assert_eq!(
            line("dewarp map lens", &words),
            "dewarp map lens --size=640x480 --source=640x480 '--calibration=my lens.yml' --alpha=0 \
             --pan=-3 -o a.bin"
        );
        let words = asked(json!({"fov": "0.9"})).map(&fixed(), "a.bin");
        assert!(words.contains(&"--fov=0.9".to_owned()));
        assert!(!words.concat().contains("calibration"), "{words:?}");
    }

    #[test]
    fn no_option_but_those_of_the_page_is_passed_on() {
        for name in [
            "output",
            "calibration",
            "rectify",
            "o",
            "strict",
            "size",
            "pan=1 --output",
        ] {
            let error = Asked::of(&json!({"options": {name: "x"}})).unwrap_err();
            assert!(
                error.to_string().contains("the page has no option"),
                "{error}"
            );
        }
        let long = "1".repeat(LONGEST + 1);
        for value in [
            json!(1),
            json!(null),
            json!(["1"]),
            json!(long),
            json!("1\n2"),
        ] {
            assert!(Asked::of(&json!({"options": {"pan": value}})).is_err());
        }
        assert!(Asked::of(&json!([])).is_err());
    }

    #[test]
    fn a_shell_reads_the_line_as_the_words() {
        let words = ["--camera=it's".to_owned(), "$(x)".to_owned()];
        assert_eq!(line("echo", &words), r"echo '--camera=it'\''s' '$(x)'");
    }
}
