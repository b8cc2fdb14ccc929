// SPDX-License-Identifier: GPL-2.0
//! The requests of the page of `dewarp tune`, which are JSON, and their responses, which are JSON
//! or a JPEG. All maps are made by the code of `dewarp map`.

pub mod calibration;
#[cfg(feature = "device")]
pub mod engine;
pub mod feed;
pub mod guard;
pub mod http;
pub mod image;
pub mod options;
pub mod save;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use dewarp::{Error, Result, Size, Straight, preview};

use crate::commands::export;
use crate::commands::map;
#[cfg(feature = "device")]
use engine::Engine;
use feed::{Feed, Frame};
use guard::Guard;
use http::{Answer, Head, Response};
use image::Image;
use options::{Asked, Fixed, line};
use save::Folder;

/// The name of a map before it is saved.
const MAP: &str = "map.bin";

/// The number of maps that are kept. Pictures in flight may alternate between two sets of options.
const KEPT: usize = 2;

/// The largest number of pixels of a picture for the page. Larger ones are reduced evenly.
const SHOWN: u32 = 1920 * 1080;

/// The state that the page's requests use.
pub struct Tuner {
    pub guard: Guard,
    pub fixed: Fixed,
    pub feed: Feed,
    /// The picture, if the input is one.
    pub still: Option<Image>,
    #[cfg(feature = "device")]
    pub engine: Option<Mutex<Engine>>,
    pub folder: Folder,
    /// The numbers of the lens at the start, if it has them.
    pub start: Vec<(&'static str, Vec<f64>)>,
    /// The newest maps, with their arguments.
    pub made: Mutex<Vec<(Vec<String>, Arc<Straight>)>>,
}

impl Answer for Tuner {
    fn admit(&self, head: &Head) -> std::result::Result<(), Response> {
        self.guard.admit(head).map(drop)
    }

    fn answer(&self, head: &Head, body: &[u8]) -> Response {
        let path = match self.guard.admit(head) {
            Ok(path) => path,
            Err(response) => return response,
        };
        let file = |kind, text: &str| Response {
            status: 200,
            kind,
            body: text.as_bytes().to_vec(),
        };
        let answered = match (&head.method[..], path) {
            ("GET", "") => return file("text/html; charset=utf-8", include_str!("tune/page.html")),
            ("GET", "page.css") => {
                return file("text/css; charset=utf-8", include_str!("tune/page.css"));
            }
            ("GET", "page.js") => {
                return file(
                    "text/javascript; charset=utf-8",
                    include_str!("tune/page.js"),
                );
            }
            ("POST", "start") => Ok(said(&self.begin())),
            ("POST", "check") => self.check(body),
            ("POST", "picture") => self.picture(body),
            ("POST", "save") => self.save(body),
            _ => return Response::text(404, "the page has nothing of this name"),
        };
        answered.unwrap_or_else(|error| Response {
            status: match error {
                Error::Use(_) => 422,
                Error::Failed(_) => 500,
            },
            ..said(&json!({"error": error.to_string()}))
        })
    }
}

fn said(value: &Value) -> Response {
    Response {
        status: 200,
        kind: "application/json",
        body: value.to_string().into_bytes(),
    }
}

fn read(body: &[u8]) -> Result<Value> {
    serde_json::from_slice(body)
        .map_err(|error| Error::bad_use(format!("the request is no JSON: {error}")))
}

impl Tuner {
    /// Returns what the page needs at the start.
    fn begin(&self) -> Value {
        let Fixed {
            size, source, file, ..
        } = &self.fixed;
        let lens: serde_json::Map<String, Value> = self
            .start
            .iter()
            .map(|(name, values)| ((*name).to_owned(), json!(values)))
            .collect();
        let side = |size: &Size| json!([size.width, size.height]);
        json!({
            "size": side(size),
            "source": side(source),
            "lens": lens,
            "file": !file.is_empty(),
            "live": self.feed.is_live(),
            "device": self.has_device(),
        })
    }

    #[cfg(feature = "device")]
    fn has_device(&self) -> bool {
        self.engine.is_some()
    }

    #[cfg(not(feature = "device"))]
    fn has_device(&self) -> bool {
        false
    }

    /// Returns the map of these options, under this name.
    fn map(&self, asked: &Asked, name: &str) -> Result<Arc<Straight>> {
        let words = asked.map(&self.fixed, name);
        if let Some((_, made)) = kept(&self.made).iter().find(|(of, _)| *of == words) {
            return Ok(Arc::clone(made));
        }
        let straight = Arc::new(map::lens(&words)?);
        let mut made = kept(&self.made);
        made.insert(0, (words, Arc::clone(&straight)));
        made.truncate(KEPT);
        Ok(straight)
    }

    /// Returns remarks about how the page uses the file, which `dewarp map` cannot make.
    fn remarks(&self, asked: &Asked) -> Vec<String> {
        let fixed = &self.fixed;
        let mut remarks = Vec::new();
        if fixed.arranged && asked.has_lens() {
            remarks.push(
                "the calibration file also describes a flip, a part or a camera of the output: the numbers of \
                 the lens replace the file, and these are left out"
                    .to_owned(),
            );
        }
        if !fixed.file.is_empty() && fixed.calibrated.is_none() {
            remarks.push(format!(
                "the file does not say the size of its pictures: taken as {}, the input's",
                fixed.source
            ));
        }
        remarks
    }

    /// Returns the command line that does the same, with its notes and warnings.
    fn check(&self, body: &[u8]) -> Result<Response> {
        let asked = Asked::of(&read(body)?)?;
        let straight = self.map(&asked, MAP)?;
        let warnings = [self.remarks(&asked), straight.warnings.clone()].concat();
        Ok(said(&json!({
            "command": line("dewarp map lens", &asked.map(&self.fixed, MAP)),
            "notes": straight.notes,
            "warnings": warnings,
        })))
    }

    /// Returns a picture: dewarped, as it came, or the local scale.
    fn picture(&self, body: &[u8]) -> Result<Response> {
        let request = read(body)?;
        let made = self.map(&Asked::of(&request)?, MAP);
        let image = match request.get("show").and_then(Value::as_str) {
            Some("source") => self.source()?,
            Some("scale") => {
                let straight = made?;
                let scale = preview::heat_with_key(&straight.map, straight.source)?;
                let image = Image::of_picture(&scale);
                image.coarse(step(image.size))
            }
            Some("dewarped") => self.dewarped(&*made?)?,
            _ => return Err(Error::bad_use("show is dewarped, source or scale")),
        };
        Ok(Response {
            status: 200,
            kind: "image/jpeg",
            body: image.jpeg()?,
        })
    }

    fn source(&self) -> Result<Image> {
        let image = match &self.still {
            Some(image) => return Ok(image.coarse(step(image.size))),
            None => of_frame(&*self.feed.next()?)?,
        };
        Ok(image.coarse(step(image.size)))
    }

    fn dewarped(&self, straight: &Straight) -> Result<Image> {
        let step = step(self.fixed.size);
        #[cfg(feature = "device")]
        if let Some(engine) = &self.engine {
            let frame = self.feed.next()?;
            let mut engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
            let made = engine.dewarped(&frame, &straight.map)?;
            return Ok(of_frame(&made)?.coarse(step));
        }
        match &self.still {
            Some(image) => Ok(image.dewarped(&straight.map, step)),
            None => Ok(of_frame(&*self.feed.next()?)?.dewarped(&straight.map, step)),
        }
    }

    /// Saves a file, and returns what was saved.
    fn save(&self, body: &[u8]) -> Result<Response> {
        let request = read(body)?;
        let asked = Asked::of(&request)?;
        let name = request.get("name").and_then(Value::as_str);
        let name = name.ok_or(Error::bad_use("the request has no name"))?;
        let mut notes: Vec<String>;
        let mut command = String::new();
        match request.get("what").and_then(Value::as_str) {
            Some("map") => {
                let endings = [".bin"];
                save::check(name, &endings)?;
                // Made again, because the file may have changed.
                let straight = map::lens(&asked.map(&self.fixed, name))?;
                self.folder
                    .write(name, &endings, &straight.map.to_bytes())?;
                notes = [self.remarks(&asked), straight.warnings].concat();
                command = line("dewarp map lens", &asked.map(&self.fixed, name));
            }
            Some("calibration") => {
                let straight = self.map(&asked, MAP)?;
                let text = calibration::text(&straight.lens, self.fixed.source)?;
                self.folder
                    .write(name, &[".yml", ".yaml"], text.as_bytes())?;
                notes = self.remarks(&asked);
                if self.fixed.arranged && !asked.has_lens() {
                    notes.push(
                        "the file's flip, part or camera of the output is not saved".to_owned(),
                    );
                }
            }
            Some("libcamera") => {
                let words = asked.libcamera(&self.fixed)?;
                let section = export::of_words(&words)?;
                self.folder
                    .write(name, &[".yml", ".yaml"], section.text.as_bytes())?;
                notes = section.notes;
                if asked.has_lens() && self.fixed.calibrated.is_none() {
                    notes.push(format!(
                        "the section is in pixels of {}: if the sensor's analogue crop has another size, run \
                         this command with --sensor WxH",
                        self.fixed.source
                    ));
                }
                command = line("dewarp export libcamera", &words);
            }
            _ => {
                return Err(Error::bad_use(
                    "what is saved is map, calibration or libcamera",
                ));
            }
        }
        Ok(said(
            &json!({"saved": name, "command": command, "notes": notes}),
        ))
    }
}

fn of_frame(frame: &Frame) -> Result<Image> {
    Image::of_frame(frame.format, frame.size, &frame.bytes)
}

/// Returns how many pixels, across and down, are reduced to one.
fn step(size: Size) -> u32 {
    let fits = |step: &u32| (size.width / step) * (size.height / step) <= SHOWN;
    (1..).find(fits).unwrap_or(1)
}

fn kept<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
