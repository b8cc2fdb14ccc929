// SPDX-License-Identifier: GPL-2.0
//! The tree of names and numbers that YAML, JSON and OpenCV's XML describe.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};

use roxmltree::{Document, Error as XmlError, Node};
use yaml_rust2::parser::{MarkedEventReceiver, Parser};
use yaml_rust2::yaml::Hash;
use yaml_rust2::{Event, ScanError, Yaml, YamlLoader};

use super::{Parsed, by_hand, ost, text};
use crate::format::Size;

/// The greatest depth of nested values: calibrations have 4.
const DEPTH: usize = 32;

/// The greatest number of values in a file. It allows the points of some hundred pictures.
const VALUES: usize = 1_000_000;

/// A text counts as one more value for each so many bytes.
const LONG: usize = 64;

/// The most letters of a value that a message repeats.
const SHOWN: usize = 40;

/// A value of a calibration file.
#[derive(Clone)]
pub struct Tree {
    value: Yaml,
    /// The keys by their plain names. It is made when a key is first looked for.
    names: OnceCell<HashMap<String, String>>,
}

impl From<Yaml> for Tree {
    fn from(value: Yaml) -> Self {
        Tree {
            value,
            names: OnceCell::new(),
        }
    }
}

impl Tree {
    /// Reads YAML, JSON (a subset of YAML), OpenCV's XML, or ROS's `ost.txt`.
    pub fn parse(text: &str) -> Parsed<Self> {
        let text = text.trim_start_matches('\u{feff}');
        if text.trim_start().starts_with('<') {
            return from_xml(text);
        }
        if ost::is_one(text) {
            return ost::tree(text).map(Tree::from);
        }
        let mut text = text::yaml(text)?;
        let loaded = load(&text).or_else(|cause| {
            // OpenCV's and Python's parsers accept this although YAML does not.
            text = text::mended(&text);
            load(&text).map_err(|_| cause)
        })?;
        let documents = loaded.map_err(|error| no_yaml(&error, &text))?;
        match documents.into_iter().next() {
            Some(root @ Yaml::Hash(_)) => with_names(root).map(Tree::from),
            // The cameras are named by their positions.
            Some(Yaml::Array(items)) if items.iter().any(|item| item.as_hash().is_some()) => {
                let name = |index: usize| Yaml::String(index.to_string());
                let places = items.into_iter().enumerate();
                let items = places.map(|(index, item)| (name(index), item));
                with_names(Yaml::Hash(items.collect())).map(Tree::from)
            }
            Some(Yaml::Array(_)) => Err(format!("it is a list without names; {}", by_hand())),
            Some(_) => Err(text::unknown("it has no keys")),
            None => Err("it is empty".into()),
        }
    }

    /// Returns the value of a key.
    pub fn get(&self, key: &str) -> Option<Tree> {
        match &self.value[key] {
            Yaml::BadValue | Yaml::Null => None,
            value => Some(value.clone().into()),
        }
    }

    /// Returns the value of the first of these keys that exists, with its name.
    pub fn first<'a>(&self, keys: impl IntoIterator<Item = &'a str>) -> Option<(&'a str, Tree)> {
        keys.into_iter().find_map(|key| Some((key, self.get(key)?)))
    }

    /// Returns the value of the first of these names that exists in any spelling, with its key. The
    /// names are given without capitals and signs: `cameramatrix` finds `Camera_Matrix`.
    pub fn spelled<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Option<(String, Tree)> {
        names.into_iter().find_map(|name| {
            let key = self.key(name)?;
            Some((key.to_owned(), self.get(key)?))
        })
    }

    /// Returns the first key that has this name in any spelling.
    pub fn key(&self, name: &str) -> Option<&str> {
        self.plain_names().get(name).map(String::as_str)
    }

    /// Returns the keys' plain names, each with the first key that has it.
    pub fn plain_names(&self) -> &HashMap<String, String> {
        self.names.get_or_init(|| {
            let mut names = HashMap::new();
            for key in self.keys() {
                names.entry(plain(key)).or_insert_with(|| key.to_owned());
            }
            names
        })
    }

    /// Calls `visit` with each key that has one value, in this map and in those inside it, and with
    /// the value as text.
    pub fn each(&self, visit: &mut dyn FnMut(&str, &str)) {
        each(&self.value, visit);
    }

    /// Returns the map with other keys: those that `rename` returns, and none of the rest. The first of two equal ones
    /// counts.
    pub fn renamed(&self, rename: impl Fn(&str) -> Option<String>) -> Tree {
        let mut map = Hash::new();
        for key in self.keys() {
            if let (Some(name), Some(value)) = (rename(key), self.get(key)) {
                map.entry(Yaml::String(name)).or_insert(value.value);
            }
        }
        Yaml::Hash(map).into()
    }

    /// Returns the keys.
    pub fn keys(&self) -> Vec<&str> {
        let keys = self.value.as_hash().into_iter().flat_map(Hash::keys);
        keys.filter_map(Yaml::as_str).collect()
    }

    /// Returns the value if it is a text.
    pub fn text(&self) -> Option<&str> {
        self.value.as_str()
    }

    /// Returns the value if it is true or false.
    pub fn flag(&self) -> Option<bool> {
        self.value.as_bool()
    }

    /// Returns the values of a list.
    pub fn items(&self) -> Vec<Tree> {
        let items = self.value.as_vec().into_iter().flatten();
        items.cloned().map(Tree::from).collect()
    }

    /// Returns the numbers of a matrix (in its `data`) or of a list, however nested.
    pub fn numbers(&self, name: &str) -> Parsed<Vec<f64>> {
        let mut values = Vec::new();
        collect(self.data(), name, &mut values)?;
        let Some([rows, columns]) = self.written_shape()? else {
            return Ok(values);
        };
        // OpenCV's type of the elements: `d`, or `2f` for pairs.
        let kind = self.get("dt");
        let kind = kind.as_ref().and_then(Tree::text).unwrap_or_default();
        let channels = kind
            .trim_end_matches(char::is_alphabetic)
            .parse()
            .unwrap_or(1.0);
        let count = values.len() as f64;
        if rows * columns * channels != count {
            // `-0,2` is read as two whole numbers.
            let whole = values.iter().filter(|value| value.fract() == 0.0).count() as f64;
            let excess = count - rows * columns * channels;
            let why = match excess > 0.0 && whole >= 2.0 * excess {
                true => ": are there decimal commas? They must be points",
                false => "",
            };
            return Err(format!(
                "{name} has {count} numbers in its data, but rows: {rows} and cols: {columns}{why}"
            ));
        }
        Ok(values)
    }

    /// Returns the `N` numbers of a matrix of this shape: rows and columns.
    pub fn matrix<const N: usize>(&self, name: &str, shape: [usize; 2]) -> Parsed<[f64; N]> {
        let [rows, columns] = shape;
        let values = self.numbers(name)?.try_into().map_err(|values: Vec<f64>| {
            let count = values.len();
            format!("{name} has {count} numbers, not {N} ({rows}x{columns})")
        })?;
        let lines = self.data().as_vec().into_iter().flatten();
        let lines: Vec<f64> = lines
            .filter_map(|line| Some(line.as_vec()?.len() as f64))
            .collect();
        let nested = lines.first().map(|columns| [lines.len() as f64, *columns]);
        let wanted = shape.map(|side| side as f64);
        match self.written_shape()?.or(nested) {
            Some(found) if found != wanted => {
                let [r, c] = found;
                Err(format!("{name} is {r}x{c}, not {rows}x{columns}"))
            }
            _ => Ok(values),
        }
    }

    /// Returns the rows and columns that the file gives for a matrix.
    fn written_shape(&self) -> Parsed<Option<[f64; 2]>> {
        let (rows, columns) = (self.number("rows")?, self.number("cols")?);
        Ok(rows.zip(columns).map(|(rows, columns)| [rows, columns]))
    }

    fn data(&self) -> &Yaml {
        match &self.value["data"] {
            Yaml::BadValue => &self.value,
            data => data,
        }
    }

    /// Returns the number of a key.
    pub fn number(&self, key: &str) -> Parsed<Option<f64>> {
        match self.get(key) {
            Some(value) => match value.numbers(key)?[..] {
                [number] => Ok(Some(number)),
                _ => Err(format!("{key} is not one number")),
            },
            None => Ok(None),
        }
    }
}

#[cfg(test)]
thread_local! {
    /// The number of calls of [`plain`], for a test of what a file with many keys costs.
    pub static PLAIN: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Returns a key in lower case, with only its letters and digits.
pub fn plain(key: &str) -> String {
    #[cfg(test)]
    PLAIN.set(PLAIN.get() + 1);
    let letters = key.chars().filter(|letter| letter.is_ascii_alphanumeric());
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}

/// Returns the places in a key at which its words end: at signs, and where capitals begin. Each has the length of the
/// sign.
pub fn ends(key: &str) -> Vec<(usize, usize)> {
    let mut ends = Vec::new();
    let mut before = ' ';
    for (place, letter) in key.char_indices() {
        if !letter.is_ascii_alphanumeric() {
            ends.push((place, letter.len_utf8()));
        } else if letter.is_ascii_uppercase() && before.is_ascii_lowercase() {
            ends.push((place, 0));
        }
        before = letter;
    }
    ends
}

/// Returns the words of a key in lower case.
pub fn words(key: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut start = 0;
    for (place, length) in ends(key) {
        words.push(key[start..place].to_lowercase());
        start = place + length;
    }
    words.push(key[start..].to_lowercase());
    words.retain(|word| !word.is_empty());
    words
}

/// Creates a size of whole pixels, or returns an error that begins with `name`.
pub fn size([width, height]: [f64; 2], name: &str) -> Parsed<Size> {
    let side = |value: f64| {
        // CAST: it was checked to be a whole number in range.
        (value.fract() == 0.0 && (1.0..=65536.0).contains(&value)).then_some(value as u32)
    };
    match (side(width), side(height)) {
        (Some(width), Some(height)) => Ok(Size { width, height }),
        _ => Err(format!("{name}: {width}x{height} is no size of a picture")),
    }
}

/// Returns what the loader makes of YAML: documents, or why it refuses them. The text is refused before, if
/// it is no YAML, if a value is nested too deeply, or if there are too many values. The loader has no such
/// limits, and it copies values that have an anchor and those that an alias stands for, so these count again.
fn load(text: &str) -> Parsed<Result<Vec<Yaml>, ScanError>> {
    let mut parser = Parser::new_from_str(text);
    let mut loader = YamlLoader::default();
    let (mut documents, mut count) = (0, 0);
    // The anchors of the open values, and the number of values before each.
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut sizes = BTreeMap::new();
    loop {
        let (event, marker) = parser.next_token().map_err(|error| no_yaml(&error, text))?;
        // The anchor of a value that is complete, and the number of values before it.
        let mut complete = None;
        match &event {
            Event::StreamEnd => break,
            Event::DocumentEnd => documents += 1,
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                open.push((*anchor, count));
                count += 1;
            }
            Event::SequenceEnd | Event::MappingEnd => complete = open.pop(),
            Event::Alias(anchor) => count += sizes.get(anchor).copied().unwrap_or(1),
            Event::Scalar(value, _, anchor, _) => {
                complete = Some((*anchor, count));
                count += 1 + value.len() / LONG;
            }
            _ => {}
        }
        // Anchors are counted from 1.
        if let Some((anchor @ 1.., before)) = complete {
            sizes.insert(anchor, count - before);
            count += count - before;
        }
        if open.len() > DEPTH {
            return Err(too_deep());
        }
        if count > VALUES {
            return Err(format!(
                "it has more than {VALUES} values: it is no camera calibration"
            ));
        }
        loader.on_event(event, marker);
    }
    if loader.documents().len() < documents {
        // This loader keeps its error to itself.
        return Ok(YamlLoader::load_from_str(text));
    }
    Ok(Ok(loader.documents().to_vec()))
}

/// Returns a value whose maps have texts as keys: numbers, such as those of cameras, become texts.
fn with_names(value: Yaml) -> Parsed<Yaml> {
    match value {
        Yaml::Array(items) => items
            .into_iter()
            .map(with_names)
            .collect::<Parsed<_>>()
            .map(Yaml::Array),
        Yaml::Hash(map) => {
            let mut names = Hash::with_capacity(map.len());
            for (key, value) in map {
                let key = match key {
                    Yaml::Integer(number) => Yaml::String(number.to_string()),
                    Yaml::Real(text) => Yaml::String(text),
                    key => key,
                };
                if let (Some(name), true) = (key.as_str(), names.contains_key(&key)) {
                    return Err(format!("the key {name} stands twice"));
                }
                names.insert(key, with_names(value)?);
            }
            Ok(Yaml::Hash(names))
        }
        value => Ok(value),
    }
}

fn too_deep() -> String {
    format!("its values are more than {DEPTH} deep in each other: it is no camera calibration")
}

fn no_yaml(error: &ScanError, text: &str) -> String {
    // The loader formats the key as Rust does.
    let twice = error.info().strip_suffix(": duplicated key in mapping");
    let marker = error.marker();
    match twice.and_then(|key| key.split('"').nth(1)) {
        Some(key) => format!(
            "the key {key} stands twice, again in line {}",
            marker.line()
        ),
        None if marker.index() >= text.trim_end().chars().count() => text::cut(),
        None => text::unknown(&format!(
            "line {}, column {}: {}",
            marker.line(),
            marker.col() + 1,
            error.info()
        )),
    }
}

fn collect(value: &Yaml, name: &str, values: &mut Vec<f64>) -> Parsed<()> {
    match value {
        Yaml::Array(items) => items.iter().try_for_each(|item| match item {
            Yaml::Array(empty) if empty.is_empty() => {
                Err(format!("{name} has an empty list in its list"))
            }
            item => collect(item, name, values),
        }),
        Yaml::Integer(number) => {
            values.push(*number as f64);
            Ok(())
        }
        // Python's `str()` of a matrix is a text with several numbers.
        Yaml::Real(text) | Yaml::String(text) => {
            let words = text.split(|letter: char| letter.is_whitespace() || "[]".contains(letter));
            let words = words.map(|word| word.trim_end_matches(','));
            let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
            if words.is_empty() {
                return Err(no_number(name, text));
            }
            words.into_iter().try_for_each(|word| {
                // OpenCV writes `0.` and `1.5e-01`; Rust parses both.
                let number = word.parse::<f64>().ok().filter(|number| number.is_finite());
                values.push(number.ok_or_else(|| no_number(name, word))?);
                Ok(())
            })
        }
        _ => Err(format!("{name} is not a list of numbers")),
    }
}

/// Returns the error for a text in the place of a number, in one line.
fn no_number(name: &str, text: &str) -> String {
    let shown: String = text.chars().take(SHOWN).collect();
    let shown = shown.replace(char::is_control, " ");
    let digits = |part: &str| part.ends_with(|letter: char| letter.is_ascii_digit());
    let mut parts = text.split(',');
    let why = match (parts.next(), parts.next()) {
        (Some(whole), Some(_)) if digits(whole) => ": decimal commas must be points",
        _ if text.eq_ignore_ascii_case("nan") || text.eq_ignore_ascii_case(".nan") => {
            ": the calibration failed, calibrate again"
        }
        _ => "",
    };
    format!("{name}: {shown} is not a number{why}")
}

fn each(value: &Yaml, visit: &mut dyn FnMut(&str, &str)) {
    match value {
        Yaml::Array(items) => items.iter().for_each(|item| each(item, visit)),
        Yaml::Hash(map) => {
            for (key, value) in map {
                let key = key.as_str().unwrap_or_default();
                match value {
                    Yaml::String(text) | Yaml::Real(text) => visit(key, text),
                    Yaml::Integer(number) => visit(key, &number.to_string()),
                    Yaml::Boolean(flag) => visit(key, &flag.to_string()),
                    _ => each(value, visit),
                }
            }
        }
        _ => {}
    }
}

/// Parses OpenCV's `FileStorage` in XML.
fn from_xml(text: &str) -> Parsed<Tree> {
    // The declaration must be the first thing in the file.
    let document = Document::parse(text.trim_start()).map_err(|error| match error {
        XmlError::UnclosedRootNode | XmlError::UnexpectedEndOfStream => text::cut(),
        error => format!("it is not XML: {error}"),
    })?;
    let root = document.root_element();
    match root.tag_name().name() {
        "opencv_storage" => of_element(root, 0).map(Tree::from),
        other => Err(format!(
            "its XML is a <{other}>: known are OpenCV's <opencv_storage> and Lensfun's \
             <lensdatabase>; {}",
            by_hand()
        )),
    }
}

/// Converts an element: child elements become a map, and text becomes the list of its words.
fn of_element(node: Node, depth: usize) -> Parsed<Yaml> {
    if depth > DEPTH {
        return Err(too_deep());
    }
    let children: Vec<Node> = node.children().filter(Node::is_element).collect();
    if children.is_empty() {
        // A comment ends a text, and another one follows.
        let texts = node.children().filter(Node::is_text);
        let words: Vec<Yaml> = texts
            .filter_map(|node| node.text())
            .flat_map(str::split_whitespace)
            .map(|word| Yaml::String(word.trim_matches('"').to_owned()))
            .collect();
        return Ok(match <[Yaml; 1]>::try_from(words) {
            Ok([word]) => word,
            Err(words) => Yaml::Array(words),
        });
    }
    // The items of a list are all called `_`.
    if children.iter().all(|child| child.has_tag_name("_")) {
        let items = children
            .into_iter()
            .map(|child| of_element(child, depth + 1));
        return Ok(Yaml::Array(items.collect::<Parsed<_>>()?));
    }
    let mut map = Hash::new();
    for child in children {
        let name = child.tag_name().name();
        let value = of_element(child, depth + 1)?;
        if map.insert(Yaml::String(name.to_owned()), value).is_some() {
            return Err(format!("the key {name} stands twice"));
        }
    }
    Ok(Yaml::Hash(map))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_has_the_shape_that_is_written_and_wanted() {
        let matrix = |value: &str| {
            let tree = Tree::parse(&format!("R: {value}\n")).unwrap();
            tree.get("R").unwrap().matrix::<6>("R", [2, 3])
        };
        let right = Ok([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        for value in [
            "[1, 2, 3, 4, 5, 6]",
            "[[1, 2, 3], [4, 5, 6]]",
            "{rows: 2, cols: 3, data: [1, 2, 3, 4, 5, 6]}",
            "{rows: 2, cols: 3, dt: d, data: [[1, 2, 3], [4, 5, 6]]}",
        ] {
            assert_eq!(matrix(value), right, "{value}");
        }
        for (value, error) in [
            ("[1, 2, 3, 4, 5]", "R has 5 numbers, not 6 (2x3)"),
            ("[[1, 2], [3, 4], [5, 6]]", "R is 3x2, not 2x3"),
            (
                "{rows: 3, cols: 2, data: [1, 2, 3, 4, 5, 6]}",
                "R is 3x2, not 2x3",
            ),
            (
                "{rows: 2, cols: 4, data: [1, 2, 3, 4, 5, 6]}",
                "R has 6 numbers in its data, but rows: 2 and cols: 4",
            ),
        ] {
            assert_eq!(matrix(value), Err(error.to_owned()), "{value}");
        }
        let pairs = Tree::parse("p: {rows: 1, cols: 2, dt: 2f, data: [1, 2, 3, 4]}\n").unwrap();
        let pairs = pairs.get("p").unwrap().numbers("p");
        assert_eq!(pairs, Ok(vec![1.0, 2.0, 3.0, 4.0]));
    }

    #[test]
    fn a_list_and_a_comment_in_xml_lose_nothing() {
        let text = "<opencv_storage><a><_><b>1</b></_><_><b>2</b></_></a>\
            <c>1 <!-- two --> 2</c></opencv_storage>";
        let tree = Tree::parse(text).unwrap();
        let items = tree.get("a").unwrap().items();
        let numbers: Vec<_> = items.iter().map(|item| item.number("b")).collect();
        assert_eq!(numbers, [Ok(Some(1.0)), Ok(Some(2.0))]);
        let both = tree.get("c").unwrap().numbers("c");
        assert_eq!(both, Ok(vec![1.0, 2.0]));
    }

    #[test]
    fn aliases_are_followed_until_they_are_too_many() {
        let twice = Tree::parse("a: &a [1, 2]\nb: [*a, *a]\n").unwrap();
        let twice = twice.get("b").unwrap().numbers("b");
        assert_eq!(twice, Ok(vec![1.0, 2.0, 1.0, 2.0]));
        let mut bomb = String::from("a: &a0 [1]\n");
        for level in 1..=9 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb += &format!("{level}: &a{level} [{aliases}]\n");
        }
        // A long text that is repeated, and copies of copies.
        let long = format!(
            "a: &a {}\nb:\n{}",
            "x".repeat(1 << 20),
            "- *a\n".repeat(100)
        );
        let ones = vec!["1"; 1000].join(", ");
        let copies = format!("a: {}[{ones}]{}\n", "&a [".repeat(20), "]".repeat(20));
        for text in [bomb, long, copies] {
            let error = Tree::parse(&text).err().unwrap();
            assert!(
                error.starts_with("it has more than 1000000 values"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_lies_too_deep_is_refused() {
        let deep = |open: &str, close: &str| open.repeat(20_000) + &close.repeat(20_000);
        let xml = format!("<opencv_storage>{}</opencv_storage>", deep("<a>", "</a>"));
        for text in [xml, deep("- ", ""), format!("a: {}", "[".repeat(40))] {
            let error = Tree::parse(&text).err().unwrap();
            assert!(
                error.starts_with("its values are more than 32 deep"),
                "{error}"
            );
        }
    }

    #[test]
    fn keys_are_found_however_they_are_spelled() {
        let tree = Tree::parse("Camera-Matrix: 1\nDistCoeffs: 2\n").unwrap();
        let found = |names: &[&str]| tree.spelled(names.iter().copied()).map(|(key, _)| key);
        assert_eq!(
            found(&["k", "cameramatrix"]).as_deref(),
            Some("Camera-Matrix")
        );
        assert_eq!(found(&["distcoeffs"]).as_deref(), Some("DistCoeffs"));
        assert_eq!(found(&["dist"]), None);
    }

    #[test]
    fn a_file_that_ends_in_the_middle_is_told_so() {
        for text in [
            "{\"camera_matrix\": ",
            "a: [1, 2",
            "<opencv_storage><a>1</a>",
            "<opencv_storage><a",
        ] {
            let error = Tree::parse(text).err().unwrap();
            assert!(
                error.starts_with("the file ends in the middle"),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_named() {
        let xml = "<opencv_storage><K>1</K><K>2</K></opencv_storage>";
        let error = Tree::parse(xml).err();
        assert_eq!(error.as_deref(), Some("the key K stands twice"));
        // OpenCV's first line is counted.
        let error = Tree::parse("%YAML:1.0\n---\na: 1\nb: 2\na: 1\n").err();
        let named = "the key a stands twice, again in line 5";
        assert_eq!(error.as_deref(), Some(named));
        let error = Tree::parse("a: 1\nimage_width: 2\nimage_width: 3\n").err();
        let named = "the key image_width stands twice, again in line 3";
        assert_eq!(error.as_deref(), Some(named));
        // Neither by the corrections for what is no YAML, nor in spite of them.
        let error = Tree::parse("note: |\n  see [1\nk3: 0.1\nk3: 0.2\n").err();
        let named = "the key k3 stands twice, again in line 4";
        assert_eq!(error.as_deref(), Some(named));
        let error = Tree::parse("fx:500.0\nfy: 510\nfx: 510\n").err();
        let named = "the key fx stands twice, again in line 3";
        assert_eq!(error.as_deref(), Some(named));
    }
}
