// SPDX-License-Identifier: GPL-2.0
//! Texts of formats that are known by name but not supported.

use super::by_hand;

/// Returns the name of a format that is known but not supported, and the advice for it.
pub fn name(text: &str) -> Option<String> {
    if let Some(options) = dso(text) {
        return Some(format!(
            "it is a camera.txt of DSO or LSD-SLAM, which is not read: say {options}"
        ));
    }
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
    // A comment may name the program that computed the numbers.
    let lines = || {
        text.lines()
            .filter(|line| !line.trim_start().starts_with(['#', '/']))
    };
    let names = |word: &str| lines().any(|line| line.contains(word));
    Some(match () {
        () if first.starts_with("Calibration results") && has("projection")
            || has("Camera-system parameters")
            || has("Normalized Residuals") && has("Reprojection error") =>
        {
            "Kalibr's results-cam.txt, which is not read: take the camchain.yaml beside it"
        }
        () if start.starts_with("<!DOCTYPE html") || start.starts_with("<html") => {
            "a page of a browser: download the file itself, which GitHub calls raw"
        }
        () if first.starts_with("404: Not Found") => {
            "the answer of a server that does not have the file: download it again"
        }
        () if first.starts_with("version https://git-lfs") => {
            "a pointer of git LFS, and not the file: git lfs pull fetches it"
        }
        () if map(start) => {
            "a finished map of vertices and no lens: `dewarp run --map` and `dewarp info` take it"
        }
        () if has("!!python/object") || has("!!python/name") || has("array([") => {
            "numpy's objects as Python dumps or prints them: write JSON, with tolist() of each matrix"
        }
        () if !start.starts_with('{') && printed(text) => {
            "what Python prints of numpy's matrices: write JSON, with tolist() of each matrix"
        }
        () if has("<matfile") && has("<LSC") => {
            "NXP's calibration of the ISP, which has no lens: that is in the JSON files of dewarp_config"
        }
        () if has("dwe =") || has("dwe=") => {
            "NXP's entry of a sensor, which has no lens: that is in the JSON file that its dwe names"
        }
        () if has("\"rpi.") || has("\"algorithms\"") && has("\"target\"") => {
            "libcamera's tuning file for the Raspberry Pi, which has no lens: calibrate it, with OpenCV"
        }
        () if lines().any(|line| line.trim_end() == "algorithms:") => {
            "libcamera's tuning file without a section Dewarp, which has no lens: `dewarp export libcamera` makes the section \
             of a calibration"
        }
        () if has("inv_poly_parameters") => {
            "a camera of camodocal with Scaramuzza's model, which is not read: calibrate with KANNALA_BRANDT \
             or MEI"
        }
        () if has("MappingCoefficients") => {
            "a fisheye of MATLAB with Scaramuzza's model, which is not read: calibrate with OpenCV's fisheye \
             or with Kalibr"
        }
        () if has("CALIBRATION_LensDistortionModel") => {
            "the calibration of an Azure Kinect, whose numbers are parts of the picture's sides and have an \
             order of their own: its SDK tells pixels (k4a_calibration_camera_t), and with these, say --center \
             cx,cy --focal fx,fy --radial k1,...,k6 --tangential p1,p2"
        }
        () if has("PPX:") && has("Coeffs:") => {
            "what rs-enumerate-devices prints, which is not read: with the numbers of your stream's size, \
             --center PPX,PPY --focal Fx,Fy --radial 0,0 if all Coeffs are 0, which is usual"
        }
        () if has("<calibration>") && has("<projection>") => {
            "a calibration of Metashape (Agisoft), which is not read: export it as OpenCV's XML"
        }
        () if start.starts_with('<') && has("<document") && has("<sensor") => {
            "a document of Metashape (Agisoft), which is not read: export the calibration as OpenCV's XML"
        }
        () if names("Pix4D") || names("pix4d") => {
            "a file of Pix4D, in millimetres, which is not read: let it write pixels for OpenCV"
        }
        () if names("PhotoModeler") => "a file of PhotoModeler, which is not read",
        () if start.starts_with("<rdf:RDF") || has("stCamera:") => {
            "a lens profile of Adobe (LCP), which is not read: take Lensfun's of this lens"
        }
        () if (first.starts_with("p ") || has("\np ")) && has("\ni ")
            || first.starts_with("# hugin project") =>
        {
            "a project of Hugin or PTGui, which is not read: its a, b and c are those of Lensfun's ptlens"
        }
        () if names("3DE4.") || names("3DE4 ") || names("tde4_") => {
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
        () if has("\"radial_poly\"") => {
            "a camera of WoodScape, whose k1 to k4 give the radius in pixels by the angle, which is not read: they are \
             no --fisheye; calibrate with OpenCV's fisheye"
        }
        () if has("\"invpol\"") => {
            "a calibration of Scaramuzza's OCamCalib, which is not read: calibrate with OpenCV's fisheye or omnidir, or \
             with Kalibr"
        }
        () if has("cam_model: FishPoly") => {
            "a camera of the model FishPoly, which is not read: its k2 to k7 are no --fisheye; calibrate with OpenCV's \
             fisheye"
        }
        () if has("\"equirectangular\"") && text.lines().any(|line| line == "Camera:") => {
            "the settings of stella or OpenVSLAM for panoramas, which have no lens: a panorama is not distorted by one"
        }
        () if has("xcr:Distortion") => {
            "an XMP of RealityCapture, whose numbers are parts of the picture's longer side, which is not read: export \
             the cameras for COLMAP"
        }
        () if has("Dewarp Data") || has("DewarpData=") => {
            "the Dewarp Data of a DJI camera, whose numbers after the date are fx, fy, cx, cy, k1, k2, p1, p2, k3: \
             cx and cy count from the middle of the picture, --radial takes k1,k2,k3 and --tangential p1,p2"
        }
        () if has("<px>") && has("<u0>") => {
            "a camera of ViSP, which is not read: --focal px,py --center u0,v0, and --radial kud,0 of the model with \
             distortion"
        }
        () if has("Distortion Model: distortion.") || has("Brown Conrady [") => {
            "what a program prints of a RealSense camera, which is not read: --center is ppx,ppy, --focal is fx,fy, and \
             --radial 0,0 if all coefficients are 0, for those of inverse_brown_conrady are no others' numbers"
        }
        () if has("[LEFT_CAM_") => {
            "a calibration of a ZED, which is not read: take the numbers of its section for your resolution, \
             --center cx,cy --focal fx,fy --radial k1,k2,k3 --tangential p1,p2"
        }
        () if first.starts_with("P0: ") && has("\nP1: ") => {
            "a calib.txt of KITTI, whose pictures are rectified already: there is no distortion to undo"
        }
        () if has("\nK_00:") && has("\nD_00:") => {
            "a calib_cam_to_cam.txt of KITTI, which is not read: take its numbers, --focal and --center of K, \
             --radial D1,D2,D5 --tangential D3,D4"
        }
        () if has("\"SourceFile\"") && has("\"FocalLength\"") => {
            "what exiftool tells of a picture, which has no distortion of its lens in it: calibrate the camera, or \
             take Lensfun's profile of it"
        }
        () if toml(start) => {
            "TOML or an INI file, which is not read (of TOML, json.dumps(tomllib.load(FILE)) of Python makes JSON)"
        }
        () if names("MATLAB") && !start.starts_with(['{', '['])
            || first.starts_with("% Intrinsic and Extrinsic Camera Parameters") =>
        {
            "a file of MATLAB's calibration toolbox, which is not read"
        }
        () => return None,
    })
}

/// Returns whether a text is a map: NXP's `userMap`, with a word of 8 hexadecimal digits in each
/// line, or the YAML of NXP's tool for mainline.
fn map(text: &str) -> bool {
    let word = |line: &str| line.len() == 8 && line.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut words = text.split_whitespace().take(3);
    (words.clone().count() == 3 && words.all(word))
        || (text.contains("output-resolution:") && text.contains("mapping:"))
}

/// Returns whether a text has a matrix as numpy prints it, with blanks between the numbers.
fn printed(text: &str) -> bool {
    text.split("[[").skip(1).any(|rest| {
        let row = rest.split(']').next().unwrap_or_default();
        let mut words = row.split_whitespace();
        words.clone().count() > 1 && words.all(|word| word.parse::<f64>().is_ok())
    })
}

/// Returns whether a text begins with a section in brackets and has a key with a value.
fn toml(start: &str) -> bool {
    let lines = start.lines().map(str::trim);
    let mut lines = lines.filter(|line| !(line.is_empty() || line.starts_with(['#', ';'])));
    let section = |line: &str| {
        let name = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'));
        name.is_some_and(|name| {
            name.starts_with(|first: char| first.is_ascii_alphabetic() || "[/".contains(first))
        })
    };
    let set = |line: &str| {
        let key = line.split_once('=').map(|(key, _)| key.trim());
        key.is_some_and(|key| !key.is_empty() && !key.contains(char::is_whitespace))
    };
    lines.next().is_some_and(section) && lines.any(set)
}

/// Returns the options for a camera.txt of DSO or LSD-SLAM: its first line has numbers, alone or after a model's
/// name, the second a size, and the third the kind of crop.
fn dso(text: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut line = || Some(lines.next()?.split_whitespace().collect::<Vec<&str>>());
    let (first, second, third) = (line()?, line()?, line()?);
    let numbers = |words: &[&str]| {
        let numbers = words.iter().map(|word| word.parse::<f64>().ok());
        numbers.collect::<Option<Vec<f64>>>()
    };
    let (model, words) = match first.split_first()? {
        (name, words) if name.parse::<f64>().is_err() => (*name, words),
        _ => ("", &first[..]),
    };
    let ([width, height], [fx, fy, cx, cy, bend @ ..]) =
        (&numbers(&second)?[..], &numbers(words)?[..])
    else {
        return None;
    };
    if *width < 1.0
        || *height < 1.0
        || bend.is_empty()
        || !(["crop", "full", "none"].contains(&third[0]) || numbers(&third).is_some())
    {
        return None;
    }
    // Both programs take the numbers as parts of the sides if the principal point is.
    let parts = *cx < 1.0 && *cy < 1.0;
    let [sides, middle] = if parts {
        [[*width, *height], [0.5; 2]]
    } else {
        [[1.0; 2], [0.0; 2]]
    };
    let list = |values: &[f64]| {
        // A ten-thousandth of a pixel is enough.
        let values = values
            .iter()
            .map(|value| ((value * 1e4).round() / 1e4).to_string());
        values.collect::<Vec<String>>().join(",")
    };
    let exact = |values: &[f64]| {
        values
            .iter()
            .map(f64::to_string)
            .collect::<Vec<String>>()
            .join(",")
    };
    let bend = match (model, bend) {
        ("" | "FOV", [0.0]) | ("Pinhole", [_]) => "--radial 0,0".to_owned(),
        ("" | "FOV", [w]) => format!("--fov {w}"),
        ("" | "RadTan", [k1, k2, p1, p2]) => {
            format!(
                "--radial {} --tangential {}",
                exact(&[*k1, *k2]),
                exact(&[*p1, *p2])
            )
        }
        ("EquiDistant" | "KannalaBrandt", [_, _, _, _]) => format!("--fisheye {}", exact(bend)),
        _ => "and its last numbers, of a model that is not known here".to_owned(),
    };
    Some(format!(
        "--source {width}x{height} --focal {} --center {} {bend}",
        list(&[fx * sides[0], fy * sides[1]]),
        list(&[cx * sides[0] - middle[0], cy * sides[1] - middle[1]]),
    ))
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
            ("<!DOCTYPE html>\n<html>\n", "a page of a browser"),
            ("404: Not Found", "the answer of a server"),
            (
                "version https://git-lfs.github.com/spec/v1\noid sha256:4d\n",
                "a pointer of git LFS",
            ),
            ("00000000\n00000100\n00000200\n", "a finished map"),
            (
                "{input-resolution: [640, 480], mapping: [0, 256], output-resolution: [640, 480]}\n",
                "a finished map",
            ),
            (
                "mtx: !!python/object/apply:numpy.core.multiarray._reconstruct\n",
                "numpy's objects",
            ),
            ("{'mtx': array([[500., 0., 322.]])}\n", "numpy's objects"),
            (
                "Camera matrix :\n[[500.   0. 322.]\n [  0. 501. 241.]]\n",
                "what Python prints",
            ),
            (
                "<?xml?>\n<matfile name=\"OS08a20\"><sensor><LSC/></sensor></matfile>",
                "NXP's calibration of the ISP",
            ),
            (
                "name = \"os08a20\"\ndwe = \"dewarp_config/os08a20.json\"\n",
                "NXP's entry of a sensor",
            ),
            (
                "{\"version\": 2.0, \"algorithms\": [{\"rpi.awb\": {}}]}",
                "libcamera's tuning file for the Raspberry Pi",
            ),
            (
                "model_type: scaramuzza\ninv_poly_parameters:\n  p0: 1\n",
                "a camera of camodocal",
            ),
            (
                "{\"MappingCoefficients\": [1, 2, 3, 4]}",
                "a fisheye of MATLAB",
            ),
            (
                "{\"ModelType\": \"CALIBRATION_LensDistortionModelBrownConrady\"}",
                "the calibration of an Azure Kinect",
            ),
            (
                "  PPX:  322.0\n  Distortion: Inverse Brown Conrady\n  Coeffs:  0 0 0 0 0\n",
                "what rs-enumerate-devices prints",
            ),
            (
                "P0: 7.1e+02 0 6.0e+02\nP1: 7.1e+02\n",
                "a calib.txt of KITTI",
            ),
            (
                "Residuals\nCamera-system parameters:\n",
                "Kalibr's results-cam",
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
