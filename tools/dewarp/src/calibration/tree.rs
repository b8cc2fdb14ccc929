// SPDX-License-Identifier: GPL-2.0
//! The tree of names and numbers that YAML, JSON and OpenCV's XML write in
//! different ways.

use roxmltree::{Document, Node};
use yaml_rust2::yaml::Hash;
use yaml_rust2::{Yaml, YamlLoader};

use super::Parsed;
use crate::format::Size;

/// A value of a calibration file.
pub struct Tree(Yaml);

impl Tree {
    /// Reads YAML, JSON (which YAML contains) or OpenCV's XML.
    pub fn parse(text: &str) -> Parsed<Self> {
        let text = text.trim_start_matches('\u{feff}');
        if text.trim_start().starts_with('<') {
            return from_xml(text);
        }
        // OpenCV's first line, `%YAML:1.0`, is no YAML directive.
        let text = match text.split_once('\n') {
            Some((first, rest)) if first.starts_with("%YAML") => rest,
            _ => text,
        };
        let documents = YamlLoader::load_from_str(text)
            .map_err(|error| format!("it is neither YAML nor JSON nor XML: {error}"))?;
        match documents.into_iter().next() {
            Some(root @ Yaml::Hash(_)) => Ok(Tree(root)),
            Some(_) => Err("it has no keys: it is no camera calibration".into()),
            None => Err("it is empty".into()),
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<Tree> {
        match &self.0[key] {
            Yaml::BadValue | Yaml::Null => None,
            value => Some(Tree(value.clone())),
        }
    }

    /// The value of the first of these keys that is there, with its name.
    pub fn first<'a>(&self, keys: impl IntoIterator<Item = &'a str>) -> Option<(&'a str, Tree)> {
        keys.into_iter().find_map(|key| Some((key, self.get(key)?)))
    }

    /// The keys.
    pub fn keys(&self) -> Vec<&str> {
        let keys = self.0.as_hash().into_iter().flat_map(Hash::keys);
        keys.filter_map(Yaml::as_str).collect()
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        self.0.as_str()
    }

    /// The numbers of a matrix (in its `data`) or of a list, however nested.
    pub fn numbers(&self, name: &str) -> Parsed<Vec<f64>> {
        let data = match &self.0["data"] {
            Yaml::BadValue => &self.0,
            data => data,
        };
        let mut values = Vec::new();
        collect(data, name, &mut values)?;
        Ok(values)
    }

    /// The number of a key.
    pub fn number(&self, key: &str) -> Parsed<Option<f64>> {
        match self.get(key) {
            Some(value) => match value.numbers(key)?[..] {
                [number] => Ok(Some(number)),
                _ => Err(format!("{key} is not one number")),
            },
            None => Ok(None),
        }
    }

    /// The picture's size, from the first pair of keys that is there.
    pub fn size(&self, pairs: &[[&str; 2]]) -> Parsed<Option<Size>> {
        for [width, height] in pairs {
            if let (Some(w), Some(h)) = (self.number(width)?, self.number(height)?) {
                return size([w, h], &format!("{width} and {height}")).map(Some);
            }
        }
        Ok(None)
    }
}

/// A size of whole pixels.
pub fn size([width, height]: [f64; 2], name: &str) -> Parsed<Size> {
    let side = |value: f64| {
        // CAST: checked to be a whole number in range.
        (value.fract() == 0.0 && (1.0..=65536.0).contains(&value)).then_some(value as u32)
    };
    match (side(width), side(height)) {
        (Some(width), Some(height)) => Ok(Size { width, height }),
        _ => Err(format!("{name}: {width}x{height} is no size of a picture")),
    }
}

fn collect(value: &Yaml, name: &str, values: &mut Vec<f64>) -> Parsed<()> {
    match value {
        Yaml::Array(items) => items
            .iter()
            .try_for_each(|item| collect(item, name, values)),
        Yaml::Integer(number) => {
            values.push(*number as f64);
            Ok(())
        }
        // OpenCV writes `0.` and `1.5e-01`; all of them are Rust numbers too.
        Yaml::Real(text) | Yaml::String(text) => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => {
                values.push(number);
                Ok(())
            }
            _ => Err(format!("{name}: {text} is not a number")),
        },
        _ => Err(format!("{name} is not a list of numbers")),
    }
}

/// OpenCV's `FileStorage` in XML.
fn from_xml(text: &str) -> Parsed<Tree> {
    let document = Document::parse(text).map_err(|error| format!("it is not XML: {error}"))?;
    let root = document.root_element();
    match root.tag_name().name() {
        "opencv_storage" => Ok(Tree(of_element(root))),
        other => Err(format!(
            "its XML is a <{other}>: known are OpenCV's <opencv_storage> and Lensfun's <lensdatabase>"
        )),
    }
}

/// Elements in an element make a map; text, the list of its words.
fn of_element(node: Node) -> Yaml {
    let children: Vec<Node> = node.children().filter(Node::is_element).collect();
    if children.is_empty() {
        let words: Vec<Yaml> = node
            .text()
            .unwrap_or_default()
            .split_whitespace()
            .map(|word| Yaml::String(word.trim_matches('"').to_owned()))
            .collect();
        return match <[Yaml; 1]>::try_from(words) {
            Ok([word]) => word,
            Err(words) => Yaml::Array(words),
        };
    }
    let mut map = Hash::new();
    for child in children {
        let name = child.tag_name().name().to_owned();
        map.insert(Yaml::String(name), of_element(child));
    }
    Yaml::Hash(map)
}
