// SPDX-License-Identifier: GPL-2.0
//! Texts of formats that are known by name but not supported.

use super::by_hand;

/// Returns the name of a format that is known but not supported, and the advice for it.
pub fn name(text: &str) -> Option<String> {
    let name = known(text)?;
    // Numbers of other models cannot be given by hand.
    Some(match name.contains(':') {
        true => format!("it is {name}"),
        false => format!("it is {name}; {}", by_hand()),
    })
}

fn known(text: &str) -> Option<&'static str> {
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
        () if has("Pix4D") || has("pix4d") => {
            "a file of Pix4D, in millimetres, which is not read: let it write pixels for OpenCV"
        }
        () if has("PhotoModeler") => "a file of PhotoModeler, which is not read",
        () if start.starts_with("<rdf:RDF") || has("stCamera:") => {
            "a lens profile of Adobe (LCP), which is not read: take Lensfun's of this lens"
        }
        () if (first.starts_with("p ") || has("\np ")) && has("\ni ")
            || first.starts_with("# hugin project") =>
        {
            "a project of Hugin or PTGui, which is not read: its a, b and c are those of Lensfun's ptlens"
        }
        () if has("3DE4") || has("3de4") || has("tde4") => {
            "a lens of 3DEqualizer, which is not read: calibrate with OpenCV"
        }
        () if has("#omnidirectional camera")
            || first.starts_with("#polynomial coefficients for the DIRECT") =>
        {
            "a calibration of Scaramuzza's OCamCalib, which is not read: calibrate with OpenCV's fisheye or \
             omnidir, or with Kalibr"
        }
        () if has("ParGroup") && has("Camera") => {
            "camera parameters of HALCON, which are not read: calibrate with OpenCV, for a division model \
             and metres cannot be said by hand"
        }
        () if dso(text) => {
            "a camera.txt of DSO or LSD-SLAM, which is not read: numbers below 1 are parts of the width and \
             the height, the sixth or fifth of FOV is --fov W, the last four of EquiDistant are --fisheye"
        }
        () if has("[LEFT_CAM_") => {
            "a calibration of a ZED, which is not read: take the numbers of its section for your resolution, \
             --center cx,cy --focal fx,fy --radial k1,k2,k3 --tangential p1,p2"
        }
        () if has("\nK_00:") && has("\nD_00:") => {
            "a calib_cam_to_cam.txt of KITTI, which is not read: take its numbers, --focal and --center of K, \
             --radial D1,D2,D5 --tangential D3,D4"
        }
        () if has("\"SourceFile\"") && has("\"FocalLength\"") => {
            "what exiftool tells of a picture, which has no distortion of its lens in it: calibrate the camera, or \
             take Lensfun's profile of it"
        }
        () if has("MATLAB") || first.starts_with("% Intrinsic and Extrinsic Camera Parameters") => {
            "a file of MATLAB's calibration toolbox, which is not read"
        }
        () => return None,
    })
}

/// Returns whether the first line has numbers, alone or after a model's name, the second a size,
/// and the third the kind of crop.
fn dso(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let number = |word: &str| word.parse::<f64>().is_ok();
    let (Some(first), Some(second), Some(third)) = (lines.next(), lines.next(), lines.next())
    else {
        return false;
    };
    let words = first.split_whitespace();
    words.clone().count() >= 5
        && words.skip(1).all(number)
        && second.split_whitespace().all(number)
        && second.split_whitespace().count() == 2
        && (["crop", "full", "none"].contains(&third) || third.split_whitespace().all(number))
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
            (
                "0.53 0.66 0.49 0.5 0.897\n1280 1024\ncrop\n640 480\n",
                "a camera.txt of DSO",
            ),
            (
                "RadTan 458.6 457.2 367.2 248.3 -0.28 0.07 0.0001 0.00001\n752 480\ncrop\n752 480\n",
                "a camera.txt of DSO",
            ),
            ("[LEFT_CAM_2K]\nfx=1068.5\n", "a calibration of a ZED"),
            (
                "corner_dist: 1\nK_00: 9.8e+02 0 6.9e+02\nD_00: -3.7e-01\n",
                "a calib_cam_to_cam.txt of KITTI",
            ),
            (
                "# INTERNAL CAMERA PARAMETERS\n\nParGroup: Camera: Parameter\n",
                "camera parameters of HALCON",
            ),
            (
                "[{\"SourceFile\":\"A.JPG\",\"Make\":\"Acme\",\"FocalLength\":\"2.7 mm\"}]",
                "what exiftool tells of a picture",
            ),
        ] {
            let found = super::name(start).unwrap();
            assert!(found.starts_with(&format!("it is {name}")), "{found}");
        }
        assert_eq!(name("a: 1\n"), None);
    }
}
