// SPDX-License-Identifier: GPL-2.0
//! Texts of formats that are known by name and not read.

/// What a text that is none of the formats which are read is.
pub fn name(text: &str) -> Option<&'static str> {
    let start = text.trim_start_matches('\u{feff}').trim_start();
    let first = start.lines().next().unwrap_or_default();
    let has = |word: &str| text.contains(word);
    Some(match () {
        () if first.starts_with("Calibration results") && has("projection") => {
            "Kalibr's results-cam.txt, which is not read: take the camchain.yaml beside it"
        }
        () if has("<calibration>") && has("<projection>") && has("<f>") => {
            "a calibration of Metashape (Agisoft), which is not read: export it as OpenCV's XML"
        }
        () if start.starts_with('<') && has("<document") && has("<sensor") => {
            "a document of Metashape (Agisoft), which is not read: export the calibration as OpenCV's XML"
        }
        () if has("Pix4D") || has("pix4d") => "a file of Pix4D, which is not read",
        () if has("PhotoModeler") => "a file of PhotoModeler, which is not read",
        () if start.starts_with("<rdf:RDF") || has("stCamera:") => {
            "a lens profile of Adobe (LCP), which is not read"
        }
        () if (first.starts_with("p ") || has("\np ")) && has("\ni ")
            || first.starts_with("# hugin project") =>
        {
            "a project of Hugin or PTGui, which is not read"
        }
        () if has("3DE4") || has("3de4") || has("tde4") => {
            "a lens of 3DEqualizer, which is not read"
        }
        () if has("#omnidirectional camera")
            || first.starts_with("#polynomial coefficients for the DIRECT") =>
        {
            "a calibration of Scaramuzza's OCamCalib, which is not read"
        }
        () if has("MATLAB") || first.starts_with("% Intrinsic and Extrinsic Camera Parameters") => {
            "a file of MATLAB's calibration toolbox, which is not read"
        }
        () => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_named_by_what_only_they_have() {
        for (start, name) in [
            (
                "Calibration results\n====\nCamera-system parameters:\ncam0:\n projection: [1 2 3 4]\n",
                "Kalibr's results-cam",
            ),
            (
                "<?xml?>\n<calibration>\n  <projection>frame</projection>\n  <f>3700.5</f>\n</calibration>",
                "a calibration of Metashape",
            ),
            (
                "p f0 w3000 h1500 v360\nm g1\n\ni w4000 h3000 f0 v65\n",
                "a project of Hugin",
            ),
            ("Pix4D camera calibration file 0\n", "a file of Pix4D"),
            (
                "#polynomial coefficients for the DIRECT mapping function\n5 -2.0 0.0\n",
                "a calibration of Scaramuzza",
            ),
        ] {
            assert!(super::name(start).unwrap().starts_with(name), "{name}");
        }
        assert_eq!(name("a: 1\n"), None);
    }
}
