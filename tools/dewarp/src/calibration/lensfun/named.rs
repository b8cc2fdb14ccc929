// SPDX-License-Identifier: GPL-2.0
//! The choice of a lens in a database.

use std::fmt::Display;

use roxmltree::Node;

use super::{Choice, Parsed, crop};

/// Returns the name of a lens as photographers know it, with its maker once.
pub fn name(lens: Node) -> String {
    let text = |tag| {
        child(lens, tag)
            .and_then(|node| node.text())
            .map_or("", str::trim)
    };
    let (maker, model) = (text("maker"), text("model"));
    match model.to_lowercase().starts_with(&maker.to_lowercase()) {
        true => model.to_owned(),
        false => format!("{maker} {model}"),
    }
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.has_tag_name(name))
}

/// Returns the only child element of this name, or an error if there are two.
pub fn only<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Parsed<Option<Node<'a, 'input>>> {
    let mut found = node.children().filter(|child| child.has_tag_name(name));
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(format!("its {name} stands twice")),
        (only, None) => Ok(only),
    }
}

/// Returns the lens that has this name, or whose name contains all of its
/// words, and whose calibration covers the camera's picture best.
pub fn chosen_lens<'a, 'input>(
    root: Node<'a, 'input>,
    choice: &Choice,
) -> Parsed<Node<'a, 'input>> {
    let lenses: Vec<Node> = root
        .children()
        .filter(|node| node.has_tag_name("lens"))
        .collect();
    let wanted = choice.camera.unwrap_or_default().to_lowercase();
    let words: Vec<&str> = wanted.split_whitespace().collect();
    let named = |whole: bool| -> Vec<Node<'a, 'input>> {
        let fits = |lens: &&Node| {
            let name = name(**lens).to_lowercase();
            let model = child(**lens, "model").and_then(|node| node.text());
            match whole {
                true => {
                    name == wanted || model.is_some_and(|it| it.trim().to_lowercase() == wanted)
                }
                false => words.iter().all(|word| name.contains(word)),
            }
        };
        lenses.iter().filter(fits).copied().collect()
    };
    let mut found = named(true);
    if found.is_empty() {
        found = named(false);
    }
    match (&found[..], &names(&found)[..]) {
        ([], _) => Err(match choice.camera {
            Some(wanted) => format!(
                "it has no lens named {wanted}, but {}: say part of a name with --camera",
                names(&lenses).join(", ")
            ),
            None => "it has no lens".into(),
        }),
        ([lens], _) => Ok(*lens),
        (_, [_]) => of_camera(found, choice.crop_factor),
        (_, names) => Err(format!(
            "say which lens with --camera: {}",
            names.join(", ")
        )),
    }
}

/// Returns, among calibrations of the same lens on several cameras, the one for
/// a crop factor: the one with the largest crop factor that is not above it.
fn of_camera<'a, 'input>(
    lenses: Vec<Node<'a, 'input>>,
    wanted: Option<f64>,
) -> Parsed<Node<'a, 'input>> {
    let crops = lenses.iter().map(|lens| Ok(crop(*lens)?.unwrap_or(1.0)));
    let crops = crops.collect::<Parsed<Vec<f64>>>()?;
    let mut known = crops.clone();
    known.sort_by(f64::total_cmp);
    known.dedup();
    let wanted = match (wanted, &known[..]) {
        (Some(wanted), _) => wanted,
        (None, [only]) => *only,
        _ => {
            return Err(format!(
                "it is calibrated for crop factors {}: say --crop-factor",
                list(&known)
            ));
        }
    };
    let near = |crop: &&f64| **crop <= wanted * 1.01;
    let best = known.iter().rfind(near).ok_or_else(|| {
        format!(
            "it is calibrated for crop factors {}, not for {wanted}",
            list(&known)
        )
    })?;
    let mut fit = lenses.iter().zip(&crops).filter(|(_, crop)| *crop == best);
    match (fit.next(), fit.next()) {
        (Some((lens, _)), None) => Ok(*lens),
        _ => Err(format!(
            "it has more than one calibration of this lens for a crop factor of {best}: leave one \
             of them in the file"
        )),
    }
}

/// Returns the names of lenses, each once.
fn names(lenses: &[Node]) -> Vec<String> {
    let mut names: Vec<String> = lenses.iter().map(|lens| name(*lens)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

pub fn list(values: &[impl Display]) -> String {
    let words: Vec<String> = values.iter().map(ToString::to_string).collect();
    words.join(", ")
}
