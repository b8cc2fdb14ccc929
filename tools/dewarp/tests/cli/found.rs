// SPDX-License-Identifier: GPL-2.0
//! Files as they are found in public repositories, made short, with other numbers: how each is read,
//! which `dewarp info --calibration` prints, or why it is not.

use crate::common::Scratch;

/// What `dewarp info --calibration` prints of a file, and what it says on stderr.
fn info(file: &str, words: &str) -> (i32, String, String) {
    let dir = Scratch::new("found");
    std::fs::write(dir.path("file"), file).unwrap();
    dir.start(&format!("info --calibration file {words}"))
}

/// Checks the lens, the size of its pictures, and that nothing is doubtful.
fn reads(file: &str, words: &str, lens: &str, size: &str) {
    let (code, printed, said) = info(file, words);
    let expected = format!("lens      {lens}\npictures  {size}\n");
    assert_eq!(
        (code, printed, said),
        (0, expected, String::new()),
        "{file}"
    );
}

/// Checks that a file is read, and that something of it is doubtful.
fn warns(file: &str, words: &str, reason: &str) {
    let (code, _, said) = info(file, words);
    assert_eq!(code, 0, "{file}: {said}");
    assert!(said.contains(reason), "{file}: {said}");
}

/// Checks that a file is refused in one line with this reason.
fn refuses(file: &str, words: &str, reason: &str) {
    let (code, _, said) = info(file, words);
    assert_eq!((code, said.lines().count()), (2, 1), "{file}: {said}");
    assert!(said.contains(reason), "{file}: {said}");
}

const LENS: &str =
    "--center 322,241 --focal 500,501 --radial -0.2,0.05,0 --tangential 0.001,-0.001";
const FISHEYE: &str = "--center 322,241 --focal 500,501 --fisheye 0.01,-0.02,0.003,0.004";

#[test]
fn ros_s_key_beside_other_names_is_not_a_camera_info() {
    // ModalAI's voxl-calibrate-camera.
    let matrix = |name: &str, rows: u32, columns: u32, data: &str| {
        format!(
            "{name}: !!opencv-matrix\n   rows: {rows}\n   cols: {columns}\n   dt: d\n   data: [ {data} ]\n"
        )
    };
    let k = matrix("M", 3, 3, "500., 0., 322., 0., 501., 241., 0., 0., 1.");
    let rest = "reprojection_error: 0.3\nwidth: 640\nheight: 480\ndistortion_model:";
    let d = matrix("D", 4, 1, "0.01, -0.02, 0.003, 0.004");
    let fisheye = format!("%YAML:1.0\n---\n{k}{d}{rest} fisheye\n");
    reads(&fisheye, "", FISHEYE, "640x480");
    let d = matrix("D", 5, 1, "-0.2, 0.05, 0.001, -0.001, 0.");
    reads(
        &format!("%YAML:1.0\n---\n{k}{d}{rest} plumb_bob\n"),
        "",
        LENS,
        "640x480",
    );
    // calibdb.net has ROS's keys and a name of its own.
    let file = "{\"camera_matrix\": [[500, 0, 322], [0, 501, 241], [0, 0, 1]], \"distortion_coefficients\": \
        [-0.2, 0.05, 0.001, -0.001, 0], \"distortion_model\": \"rectilinear\", \"img_size\": [640, 480]}";
    reads(file, "", LENS, "640x480");
}

#[test]
fn kalibr_s_cameras_may_be_in_another_map() {
    // DSEC's cam_to_cam.yaml.
    let camera = "camera_model: pinhole\n    distortion_coeffs: [-0.2, 0.05, 0.001, -0.001]\n    \
        distortion_model: radtan\n    resolution: [640, 480]\n    camera_matrix:";
    let file = format!(
        "intrinsics:\n  cam0:\n    {camera} [500, 501, 322, 241]\n  camRect0:\n    camera_model: pinhole\n    \
         camera_matrix: [583, 583, 336, 220]\n  cam1:\n    {camera} [700, 701, 320, 240]\nextrinsics:\n  T_10: [1]\n"
    );
    reads(&file, "--camera cam0", LENS, "640x480");
    refuses(&file, "", "say which camera with --camera: cam0, cam1");
}

#[test]
fn all_of_many_cameras_can_be_chosen() {
    let camera = |name: &str, fx: u32| {
        format!(
            "\"K{name}\": [[{fx}, 0, 322], [0, 501, 241], [0, 0, 1]], \
             \"dist{name}\": [-0.2, 0.05, 0.001, -0.001, 0]"
        )
    };
    // EasyMocap counts as far as it has cameras.
    let numbers = [1, 2, 3, 10].map(|number| camera(&format!("_{number}"), 500 + number - 3));
    let file = format!(
        "{{{}, \"width\": 640, \"height\": 480}}",
        numbers.join(", ")
    );
    refuses(&file, "", "say which camera with --camera: 1, 2, 3, 10");
    reads(&file, "--camera 3", LENS, "640x480");
    // Without 0 and 1 there are several, too.
    let two = [camera("_2", 400), camera("_3", 500)].join(", ");
    let file = format!("{{{two}, \"width\": 640, \"height\": 480}}");
    refuses(&file, "", "say which camera with --camera: 2, 3");
    reads(&file, "--camera 3", LENS, "640x480");
    let words = [camera("_rear", 500), camera("_front", 400)].join(", ");
    let file = format!("{{{words}, \"width\": 640, \"height\": 480}}");
    refuses(&file, "", "say which camera with --camera: rear, front");
    reads(&file, "--camera rear", LENS, "640x480");
    // The inverse of a matrix is no camera's.
    let one = camera("", 500);
    let file = format!(
        "{{{one}, \"K_inv\": [[0.002, 0, -0.6], [0, 0.002, -0.5], [0, 0, 1]], \"w\": 640, \"h\": 480}}"
    );
    reads(&file, "", LENS, "640x480");
    // Maps in maps, and keys that are numbers.
    let camera = |fx: u32| {
        format!(
            "{{fx: {fx}, fy: 501, cx: 322, cy: 241, k1: -0.2, k2: 0.05, p1: 0.001, p2: -0.001, k3: 0, width: 640, \
             height: 480}}"
        )
    };
    let file = format!("4:\n  RGB: {}\n  Depth: {}\n", camera(500), camera(400));
    refuses(&file, "", "say which camera with --camera: 4.RGB, 4.Depth");
    reads(&file, "--camera 4.RGB", LENS, "640x480");
    let file = format!(
        "streams:\n  ir:\n    modes: [{}, {}]\n",
        camera(400),
        camera(500)
    );
    reads(&file, "--camera streams.ir.1", LENS, "640x480");
    refuses("1: {fx: 1}\n\"1\": {fx: 2}\n", "", "the key 1 stands twice");
}

#[test]
fn the_matrix_of_undistorted_pictures_is_not_taken_for_the_camera_s() {
    // A2D2.
    let file = "{\"CamMatrix\": [[450, 0, 320], [0, 450, 240], [0, 0, 1]], \"CamMatrixOriginal\": [[500, 0, 322], \
        [0, 501, 241], [0, 0, 1]], \"Distortion\": [[-0.2, 0.05, 0.001, -0.001, 0]], \"Lens\": \"Telecam\", \
        \"Resolution\": [640, 480]}";
    let reason = "it has CamMatrix and CamMatrixOriginal, with different numbers: keep the one to which the \
        coefficients belong, under the name CamMatrix";
    refuses(file, "", reason);
    let without = file.replace(
        "\"CamMatrix\": [[450, 0, 320], [0, 450, 240], [0, 0, 1]], ",
        "",
    );
    let right = without.replace("CamMatrixOriginal", "CamMatrix");
    reads(&right, "", LENS, "640x480");
    // OpenCV's new camera matrix stands beside the camera's in many files.
    let new = right.replace(
        "\"Lens\"",
        "\"undistorted_camera_matrix\": [[1, 0, 2], [0, 1, 2], [0, 0, 1]], \"Lens\"",
    );
    reads(&new, "", LENS, "640x480");
    // OpenVSLAM and stella have the rectified camera, and beside it the pair's own.
    let pair = |point: &str, start: &str| {
        let k = "[500, 0, 322, 0, 501, 241, 0, 0, 1]";
        let d = "[-0.2, 0.05, 0.001, -0.001, 0]";
        let r = "[1, 0, 0, 0, 1, 0, 0, 0, 1]";
        [
            "model: perspective".to_owned(),
            format!("K_left: {k}"),
            format!("D_left: {d}"),
            format!("R_left: {r}"),
        ]
        .into_iter()
        .map(|line| format!("{start}{point}{line}\n"))
        .collect::<String>()
    };
    let camera = |start: &str| {
        [
            "fx: 435",
            "fy: 435",
            "cx: 367",
            "cy: 252",
            "k1: 0",
            "k2: 0",
            "p1: 0",
            "p2: 0",
            "cols: 640",
            "rows: 480",
        ]
        .map(|line| format!("{start}{line}\n"))
        .concat()
    };
    let flat = camera("Camera.") + &pair("", "StereoRectifier.");
    reads(&flat, "", LENS, "640x480");
    let nested = format!(
        "Camera:\n{}StereoRectifier:\n{}",
        camera("  "),
        pair("", "  ")
    );
    reads(&nested, "--camera left", LENS, "640x480");
    let unsaid = flat.replace("StereoRectifier.model: perspective\n", "");
    reads(&unsaid, "", LENS, "640x480");
    let fisheye = flat.replace("perspective", "fisheye").replace(
        "[-0.2, 0.05, 0.001, -0.001, 0]",
        "[0.01, -0.02, 0.003, 0.004]",
    );
    reads(&fisheye, "", FISHEYE, "640x480");
    let other = flat.replace("perspective", "cubic");
    refuses(&other, "", "StereoRectifier.model cubic is not supported");
}

#[test]
fn a_model_that_is_a_number_or_another_s_is_asked_about() {
    let flat =
        "{\"fx\": 500, \"fy\": 501, \"cx\": 322, \"cy\": 241, \"width\": 640, \"height\": 480, ";
    // RealSense's and Orbbec's libraries count their models differently.
    let named = format!(
        "{flat}\"distortion\": {{\"k1\": -0.2, \"k2\": 0.05, \"p1\": 0.001, \"p2\": -0.001, \"k3\": 0, \
        \"model\": 5}}}}"
    );
    refuses(
        &named,
        "",
        "model is 5, and programs number their models differently",
    );
    reads(&named, "--model pinhole", LENS, "640x480");
    let listed = format!("{flat}\"model\": 2, \"coeffs\": [-0.2, 0.05, 0.001, -0.001, 0]}}");
    refuses(&listed, "", "model is 2, and programs number");
    let product = format!(
        "{flat}\"camera_model\": \"Pi Camera v2\", \"dist_coeffs\": [-0.2, 0.05, 0.001, -0.001, 0]}}"
    );
    refuses(&product, "", "camera_model Pi Camera v2 is not known");
    reads(&product, "--model pinhole", LENS, "640x480");
    // R-VIO2 has a flag, BoofCV another polynomial, and DGP a xi of 0.
    let slam = "Camera.fx: 500\nCamera.fy: 501\nCamera.cx: 322\nCamera.cy: 241\nCamera.k1: 0.01\nCamera.k2: -0.02\n\
        Camera.p1: 0.003\nCamera.p2: 0.004\nCamera.width: 640\nCamera.height: 480\nCamera.Fisheye: 1\n";
    refuses(slam, "", "Camera.Fisheye is set, as in R-VIO2");
    let boof = "model: kannala_brandt\npinhole: {fx: 500, fy: 501, cx: 322, cy: 241, width: 640, height: 480}\n\
        symmetric: [1, 0.01]\nradial: []\n";
    refuses(boof, "", "its symmetric is that of BoofCV's kannala_brandt");
    let dgp = format!(
        "{flat}\"k1\": -0.2, \"k2\": 0.05, \"p1\": 0.001, \"p2\": -0.001, \"k3\": 0, \"xi\": 0}}"
    );
    reads(&dgp, "", LENS, "640x480");
    // Autoware's key.
    let autoware = "DistModel: equidistant\nCameraMat: [[500, 0, 322], [0, 501, 241], [0, 0, 1]]\n\
        DistCoeff: [0.01, -0.02, 0.003, 0.004, 0]\nImageSize: [640, 480]\n";
    reads(autoware, "", FISHEYE, "640x480");
    let skewed = "camera_matrix: [[500, 1.5, 322], [0, 501, 241], [0, 0, 1]]\nxi: 1.2\nD: [-0.2, 0.05, 0.001, -0.001]\n";
    let mei = "--center 322,241 --focal 500,501 --omni 1.2 --radial -0.2,0.05 --tangential 0.001,-0.001\nskew      1.5, which \
        no option describes";
    reads(skewed, "", mei, "not in the file");
    // No sign of a model, or one that has no part in it.
    for other in [
        "\"lens\": \"Standard\"",
        "\"lens\": \"\"",
        "\"lens\": [2.8, 12]",
        "\"type\": \"calibration\"",
    ] {
        reads(
            &format!("{flat}{other}, \"dist_coeffs\": [-0.2, 0.05, 0.001, -0.001, 0]}}"),
            "",
            LENS,
            "640x480",
        );
        refuses(
            &format!("{flat}{other}, \"dist_coeffs\": [-0.2, 0.05, 0.001, -0.001]}}"),
            "",
            "say which with --model",
        );
    }
    let zeros = format!("{flat}\"model\": 4, \"coeffs\": [0, 0, 0, 0, 0]}}");
    warns(&zeros, "", "all coefficients are 0: the lens bends nothing");
    let more = format!(
        "{flat}\"model\": \"mei\", \"xi\": 1.2, \"dist_coeffs\": [-0.2, 0.05, 0.001, -0.001, 0.3]}}"
    );
    refuses(
        &more,
        "",
        "omnidirectional camera (Mei), and has more than k1, k2, p1 and p2",
    );
}

#[test]
fn what_was_photographed_is_not_the_camera_s() {
    let file = "{\"fx\": 500, \"fy\": 501, \"cx\": 322, \"cy\": 241, \"dist_coeffs\": [-0.2, 0.05, 0.001, -0.001, 0], \
        \"chessboard\": {\"cols\": 9, \"rows\": 6, \"size\": 0.025}}";
    reads(file, "", LENS, "not in the file");
    // Northstar has rows and columns, as Python's shape has them.
    let file = "{\"camera_resolution\": {\"rows\": 2, \"cols\": 1, \"data\": [720, 1280]}, \"camera_matrix\": [[680, 0, \
        625], [0, 714, 478], [0, 0, 1]], \"distortion_coefficients\": [0.01, 0.09, 0.005, -0.01, -0.2]}";
    let (code, printed, said) = info(file, "");
    assert!(
        code == 0 && printed.ends_with("pictures  1280x720\n"),
        "{printed}{said}"
    );
    assert!(
        said.contains("camera_resolution is taken as the height and the width"),
        "{said}"
    );
}

#[test]
fn coefficients_are_found_or_their_name_is_said() {
    let flat =
        "{\"fx\": 500, \"fy\": 501, \"cx\": 322, \"cy\": 241, \"width\": 640, \"height\": 480, ";
    let list = "[-0.2, 0.05, 0.001, -0.001, 0]";
    reads(&format!("{flat}\"disto\": {list}}}"), "", LENS, "640x480");
    refuses(
        &format!("{flat}\"distortion_parameters_if_available\": {list}}}"),
        "",
        "if those are distortion_parameters_if_available, rename the key to dist_coeffs",
    );
    let matrix = |name: &str| {
        format!(
            "{{\"{name}\": [[500, 0, 322], [0, 501, 241], [0, 0, 1]], \"image_size\": [640, 480], "
        )
    };
    for (k, d) in [
        ("intrinsic", "dist_coefficients"),
        ("matrix", "distortions"),
        ("cam_K", "cam_dist"),
        ("calibration_matrix", "dist"),
    ] {
        reads(
            &format!("{}\"{d}\": {list}}}", matrix(k)),
            "",
            LENS,
            "640x480",
        );
    }
    let nested = format!(
        "{}\"distortion\": {{\"model\": \"plumb_bob\", \"coeffs\": {list}}}}}",
        matrix("K")
    );
    reads(&nested, "", LENS, "640x480");
    let fisheye = nested
        .replace("plumb_bob", "fisheye")
        .replace(list, "[0.01, -0.02, 0.003, 0.004]");
    reads(&fisheye, "", FISHEYE, "640x480");
}

#[test]
fn a_format_that_is_not_read_is_named_with_the_way_on() {
    for (file, reason) in [
        (
            "0.5 0.6 0.49921875 0.50208333 0.9\n640 480\ncrop\n640 480\n",
            "a camera.txt of DSO or LSD-SLAM, which is not read: say --source 640x480 --focal 320,288 --center \
             319,240.5 --fov 0.9",
        ),
        (
            "RadTan 500 501 322 241 -0.2 0.05 0.001 -0.001\n640 480\ncrop\n640 480\n",
            "say --source 640x480 --focal 500,501 --center 322,241 --radial -0.2,0.05 --tangential 0.001,-0.001",
        ),
        (
            "0.5 1.6 0.25 0.96 0\n1280 720\ncrop\n640 360\n",
            "--source 1280x720 --focal 640,1152 --center 319.5,690.7 --radial 0,0",
        ),
        (
            "{\"intrinsic\": {\"k1\": 339.7, \"model\": \"radial_poly\"}}",
            "a camera of WoodScape",
        ),
        (
            "{\"pol\": [161.1, 0], \"invpol\": [246.6]}",
            "Scaramuzza's OCamCalib",
        ),
        (
            "cam_0:\n  cam_model: FishPoly\n  k2: 0.01\n",
            "the model FishPoly",
        ),
        (
            "Camera:\n  model: \"equirectangular\"\n",
            "for panoramas, which have no lens",
        ),
        (
            "<x:xmpmeta xcr:DistortionModel=\"brown3\"/>",
            "an XMP of RealityCapture",
        ),
        (
            "Dewarp Data : 2022-06-08;3713.2,3713.2,7.0,-8.7,-0.1,0.01,0,0,0\n",
            "cx and cy count from the middle",
        ),
        (
            "<root><camera><model><px>344</px><u0>163</u0></model></camera></root>",
            "--focal px,py --center u0,v0",
        ),
        (
            "[cam_0]\nmatrix = [[500, 0, 322]]\n",
            "it is TOML or an INI file, which is not read (of TOML, json.dumps",
        ),
        (
            "[[0.6, 0, 0.5], [0, 1.9, 0.5]]",
            "it is a list without names",
        ),
    ] {
        refuses(file, "", reason);
    }
}

#[test]
fn the_camera_of_a_rectified_pair_may_have_three_columns() {
    let dir = Scratch::new("square");
    let k = "image_width: 640\nimage_height: 480\nK1: [500, 0, 322, 0, 501, 241, 0, 0, 1]\nD1: [-0.2, 0.05, 0, 0, 0]\n\
        R1: [1, 0, 0, 0, 1, 0, 0, 0, 1]\n";
    let words = "map lens --size 640x480 --calibration file --rectify file -o";
    std::fs::write(
        dir.path("file"),
        format!("{k}P1: [600, 0, 322, 0, 600, 241, 0, 0, 1]\n"),
    )
    .unwrap();
    assert_eq!(dir.run(&format!("{words} three.bin")), (0, String::new()));
    std::fs::write(
        dir.path("file"),
        format!("{k}P1: [600, 0, 322, 0, 0, 600, 241, 0, 0, 0, 1, 0]\n"),
    )
    .unwrap();
    assert_eq!(dir.run(&format!("{words} four.bin")), (0, String::new()));
    assert_eq!(
        dir.run("map lens --size 640x480 --calibration file -o none.bin")
            .0,
        0
    );
    let map = |name: &str| std::fs::read(dir.path(name)).unwrap();
    assert!(map("three.bin") == map("four.bin") && map("three.bin") != map("none.bin"));
}

const K: &str = "[[500, 0, 322], [0, 501, 241], [0, 0, 1]]";
const OTHER: &str = "[[400, 0, 300], [0, 401, 200], [0, 0, 1]]";
const D: &str = "[-0.2, 0.05, 0.001, -0.001, 0]";
const IDENTITY: &str = "[[1, 0, 0], [0, 1, 0], [0, 0, 1]]";

/// A file of JSON in which K and D stand for the usual matrix and coefficients.
fn json(text: &str) -> String {
    let values = [("$K", K), ("$O", OTHER), ("$D", D), ("$I", IDENTITY)];
    let text = values.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(name, value)
    });
    format!("{{{text}, \"image_size\": [640, 480]}}")
}

#[test]
fn what_only_looks_like_a_camera_hides_none() {
    for text in [
        // Names that also begin or end like those of matrices.
        r#""cam1": {"K": $K, "D": $D, "image_size": [640, 480]}, "k10": "text""#,
        r#""cam1": {"K": $K, "D": $D, "image_size": [640, 480]}, "M12": [1, 2, 3]"#,
        r#""cam1": {"K": $K, "D": $D, "image_size": [640, 480]}, "RM": $I"#,
        r#""cam1": {"K": $K, "D": $D, "image_size": [640, 480]}, "id": "a", "im": "b""#,
        r#""K_left": $K, "D_left": $D, "K_right_path": "x.png", "dist_right_path": "y""#,
        r#""K_left": $K, "D_left": $D, "K_std": [[2, 0, 1], [0, 2, 1], [0, 0, 0]], "D_std": [0, 0, 0, 0, 0]"#,
        r#""my_cam_K": $K, "my_cam_dist": $D"#,
        // Matrices that are not a camera's.
        r#""camera": {"camera_matrix": $K, "dist_coeffs": $D, "image_size": [640, 480]}, "rotation": {"matrix": $I}"#,
        r#""cam": {"K": $K, "D": $D, "image_size": [640, 480]}, "projector": {"calibration_matrix": $O}"#,
        r#""cam": {"K": $K, "D": $D, "image_size": [640, 480]}, "stats": {"distortions": [1, 2, 3]}"#,
        r#""camera_matrix": $K, "dist": $D, "matrix": $I"#,
        r#""K": $K, "D": $D, "rotation_original": $I, "drawing_transform": $I"#,
        r#""K": $K, "D": $D, "original_K": $O, "original_D": $D"#,
        r#""K_left": $K, "D_left": $D, "K_inv": $I"#,
        // A camera of Kalibr in a file that is none.
        r#""camera_matrix": $K, "distortion_coefficients": $D, "distortion_model": "plumb_bob", "meta": {"source":
            {"camera_model": "pinhole", "distortion_coeffs": [0, 0, 0, 0], "distortion_model": "radtan", "intrinsics":
            [400, 401, 300, 200], "resolution": [640, 480]}}"#,
        r#""cameras": {"cam0": {"camera_model": "pinhole", "camera_matrix": $K, "distortion_coeffs": $D, "image_size":
            [640, 480]}}"#,
    ] {
        reads(&json(text), "", LENS, "640x480");
    }
    for (text, cameras, chosen) in [
        (
            r#""K_left": $K, "D_left": $D, "K_right": $O, "D_right": $D, "raw_K_right": $I"#,
            "left, right",
            "left",
        ),
        (
            r#""intrinsics_left": $K, "distortion_left": $D, "intrinsics_right": $O, "distortion_right": $D"#,
            "left, right",
            "left",
        ),
        (
            r#""left_cam_K": $K, "left_cam_dist": $D, "right_cam_K": $O, "right_cam_dist": $D"#,
            "left, right",
            "left",
        ),
        (
            r#""K_front_left": $K, "D_front_left": $D, "K_rear": $O, "D_rear": $D"#,
            "rear, front_left",
            "front_left",
        ),
    ] {
        let text = json(text);
        refuses(
            &text,
            "",
            &format!("say which camera with --camera: {cameras}"),
        );
        reads(&text, &format!("--camera {chosen}"), LENS, "640x480");
    }
    let raw = json(r#""K_left": $O, "D_left": $D, "K_left_orig": $K"#);
    refuses(
        &raw,
        "",
        "it has K_left and K_left_orig, with different numbers",
    );
    let many: Vec<String> = (0..40)
        .map(|number| format!("\"K{number}\": {K}, \"D{number}\": {D}"))
        .collect();
    refuses(
        &format!("{{{}}}", many.join(", ")),
        "",
        "28, 29, ... (40 in all)",
    );
}

#[test]
fn a_fisheye_that_another_map_mentions_is_told_of() {
    for text in [
        r#""rig": {"model": "fisheye", "cam0": {"K": $K, "D": $D}}"#,
        r#""settings": {"lens": "fisheye"}, "camera": {"K": $K, "D": $D}"#,
    ] {
        warns(
            &json(text),
            "",
            "and its coefficients are taken as a pinhole's: if they are a fisheye's, say --model fisheye",
        );
    }
    let flat = r#""rig": {"model": "fisheye", "left": {"fx": 500, "fy": 501, "cx": 322, "cy": 241, "dist_coeffs": $D},
        "right": {"fx": 400, "fy": 401, "cx": 322, "cy": 241, "dist_coeffs": $D}}"#;
    warns(
        &json(flat),
        "--camera rig.left",
        "it says model: fisheye, and its coefficients are taken as a pinhole's",
    );
    refuses(
        &json(r#""note": "no fisheye", "K": $K, "D": $D"#),
        "",
        "it says note: no fisheye: are its coefficients",
    );
    // Eight coefficients are no fisheye's, and a map is no flag.
    let eight = json(
        r#""note": "fisheye", "K": $K, "D": [-0.2, 0.05, 0.001, -0.001, 0.01, 0.02, 0.03, 0.04]"#,
    );
    warns(&eight, "", "");
    let named = json(
        r#""rgb": {"K": $K, "D": $D, "image_size": [640, 480]}, "fisheye": {"K": $O, "D": $D}"#,
    );
    reads(&named, "--camera rgb", LENS, "640x480");
}

#[test]
fn what_info_prints_of_a_lens_makes_the_same_map() {
    let flat =
        "\"fx\": 500, \"fy\": 501, \"cx\": 322, \"cy\": 241, \"width\": 640, \"height\": 480";
    for bend in [
        "\"dist_coeffs\": [-0.2, 0.05, 0.001, -0.001, 0.01]",
        "\"dist_coeffs\": [-0.2, 0.05, 0.001, -0.001, 0.01, 0.02, 0.03, 0.04]",
        "\"dist_coeffs\": [-0.2, 0.05, 0.001, -0.001, 0.01, 0.02, 0.03, 0.04, 0.001, 0.002, 0.003, 0.004]",
        "\"dist_coeffs\": [-0.2, 0.05, 0.001, -0.001, 0.01, 0.02, 0.03, 0.04, 0.001, 0.002, 0.003, 0.004, 0.01, -0.02]",
        "\"model\": \"fisheye\", \"dist_coeffs\": [0.01, -0.02, 0.003, 0.004]",
        "\"model\": \"ds\", \"xi\": -0.2, \"alpha\": 0.6",
        "\"model\": \"eucm\", \"alpha\": 0.6, \"beta\": 1.1",
        "\"model\": \"fov\", \"w\": 0.9",
        "\"model\": \"mei\", \"xi\": 1.2, \"dist_coeffs\": [-0.2, 0.05, 0.001, -0.001]",
    ] {
        let dir = Scratch::new("options");
        std::fs::write(dir.path("file"), format!("{{{flat}, {bend}}}")).unwrap();
        let (code, printed, said) = dir.start("info --calibration file");
        assert_eq!(code, 0, "{said}");
        let lens = printed
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("lens      "))
            .unwrap();
        for (words, name) in [
            ("--calibration file", "of-file.bin"),
            (lens, "of-options.bin"),
        ] {
            let (code, said) = dir.run(&format!("map lens --size 640x480 {words} -o {name}"));
            assert_eq!(code, 0, "{bend}: {said}");
        }
        let map = |name: &str| std::fs::read(dir.path(name)).unwrap();
        assert!(
            map("of-file.bin") == map("of-options.bin"),
            "{bend}: {lens}"
        );
    }
}

#[test]
fn cameras_of_one_name_are_told_apart() {
    let camera = |k: &str| {
        format!("{{\"camera_matrix\": {k}, \"dist_coeffs\": {D}, \"image_size\": [640, 480]}}")
    };
    let (k, other) = (camera(K), camera(OTHER));
    for (file, cameras, chosen) in [
        (
            format!(
                "{{\"left\": {{\"intrinsics\": {other}}}, \"right\": {{\"intrinsics\": {k}}}}}"
            ),
            "left.intrinsics, right.intrinsics",
            "right.intrinsics",
        ),
        (
            format!(
                "{{\"cameras\": [{{\"serial\": 4, \"calibration\": {other}}}, {{\"serial\": 5, \"calibration\": {k}}}]}}"
            ),
            "cameras.0.calibration, cameras.1.calibration",
            "cameras.1.calibration",
        ),
        (
            format!(
                "{{\"cams\": [{{\"name\": \"OV9281\", {}, {{\"name\": \"OV9281\", {}]}}",
                &other[1..],
                &k[1..]
            ),
            "0, 1",
            "1",
        ),
    ] {
        refuses(
            &file,
            "",
            &format!("say which camera with --camera: {cameras}\n"),
        );
        reads(&file, &format!("--camera {chosen}"), LENS, "640x480");
    }
    // Nodes of ROS 2, and cameras in the parameters of one.
    let info = |indent: &str, fx: u32| {
        [
            "distortion_model: plumb_bob".to_owned(),
            "image_width: 640".into(),
            "image_height: 480".into(),
            format!("k: [{fx}, 0, 322, 0, 501, 241, 0, 0, 1]"),
            format!("d: {D}"),
        ]
        .map(|line| format!("{indent}{line}\n"))
        .concat()
    };
    let node = |name: &str, fx: u32| format!("{name}:\n  ros__parameters:\n{}", info("    ", fx));
    let two = node("camera_left", 400) + &node("camera_right", 500);
    refuses(
        &two,
        "",
        "say which camera with --camera: camera_left, camera_right",
    );
    reads(&two, "--camera camera_right", LENS, "640x480");
    reads(&node("camera", 500), "", LENS, "640x480");
    let inner = format!(
        "driver:\n  ros__parameters:\n    left:\n{}    right:\n{}",
        info("      ", 500),
        info("      ", 400)
    );
    refuses(&inner, "", "say which camera with --camera: left, right");
    reads(&inner, "--camera left", LENS, "640x480");
}

#[test]
fn a_mirror_has_its_camera_s_number_and_a_mirror_of_0_is_none() {
    let four = "[-0.2, 0.05, 0.001, -0.001]";
    let camera = |number: u32, k: &str| {
        format!(
            "\"camera_matrix_{number}\": {k}, \"camera_distortion_{number}\": {four}, \"xi_{number}\": [1.{number}]"
        )
    };
    let file = format!(
        "{{{}, {}, \"image_size\": [640, 480]}}",
        camera(1, OTHER),
        camera(2, K)
    );
    let mei =
        "--center 322,241 --focal 500,501 --omni 1.2 --radial -0.2,0.05 --tangential 0.001,-0.001";
    reads(&file, "--camera 2", mei, "640x480");
    let none = json(r#""calibration_model": "generic", "K": $K, "D": $D, "xi": 0.0"#);
    refuses(
        &none,
        "",
        "calibration_model: generic is no model that is known here",
    );
    reads(&none, "--model pinhole", LENS, "640x480");
    reads(
        &none.replace("\"calibration_model\": \"generic\", ", ""),
        "",
        LENS,
        "640x480",
    );
}

#[test]
fn other_programs_that_have_the_keys_of_a_dialect_are_read() {
    // mrcal's earlier names, direct_visual_lidar_calibration, SVO, and a reconstruction of OpenSfM.
    let mrcal = "{'distortion_model': 'DISTORTION_OPENCV4', 'intrinsics': [500, 501, 322, 241, -0.2, 0.05, 0.001, -0.001], \
        'imagersize': [640, 480]}\n";
    reads(mrcal, "", LENS, "640x480");
    reads(
        &mrcal.replace("distortion_model", "lens_model"),
        "",
        LENS,
        "640x480",
    );
    let lidar = format!(
        "{{\"camera\": {{\"camera_model\": \"plumb_bob\", \"intrinsics\": [500, 501, 322, 241], \
         \"distortion_coeffs\": {D}}}}}"
    );
    reads(&lidar, "", LENS, "not in the file");
    let svo = "cameras:\n- camera:\n    label: cam0\n    image_height: 480\n    image_width: 640\n    type: pinhole\n    \
        intrinsics: [500, 501, 322, 241]\n    distortion:\n      type: fisheye\n      parameters: [0.932]\n";
    reads(
        svo,
        "",
        "--center 322,241 --focal 500,501 --fov 0.932",
        "640x480",
    );
    let models = "{\"a\": {\"projection_type\": \"brown\", \"width\": 640, \"height\": 480, \"focal_x\": 0.78125, \
        \"focal_y\": 0.78125, \"c_x\": 0.00390625, \"c_y\": 0.00234375, \"k1\": -0.2, \"k2\": 0.05, \"p1\": 0.001, \
        \"p2\": -0.001, \"k3\": 0}}";
    let lens = "--center 322,241 --focal 500,500 --radial -0.2,0.05,0 --tangential 0.001,-0.001";
    reads(models, "", lens, "640x480");
    reads(
        &format!("[{{\"cameras\": {models}, \"shots\": {{}}}}]"),
        "",
        lens,
        "640x480",
    );
    // The same coefficients twice.
    let twice = "fx: 500\nfy: 501\ncx: 322\ncy: 241\ndist_coeffs: [-0.2, 0.05, 0.001, -0.001, 0]\nk1: -0.2\nk2: 0.05\n\
        p1: 0.001\np2: -0.001\n";
    reads(twice, "", LENS, "not in the file");
    refuses(
        &twice.replace("k2: 0.05", "k2: 0.06"),
        "",
        "by their names and others in a list",
    );
    let vins = "model_type: PINHOLE\nimage_width: 640\nimage_height: 480\ndistortion_parameters:\n  k1: -0.2\n  k2: 0.05\n  \
        p1: 0.001\n  p2: -0.001\n  k3: -0.07\nprojection_parameters:\n  fx: 500\n  fy: 501\n  cx: 322\n  cy: 241\n";
    warns(
        vins,
        "",
        "its k3: -0.07 is not used: a PINHOLE of camodocal has k1, k2, p1 and p2",
    );
    let projection = format!(
        "{{\"camera_matrix\": [[500, 0, 322, 0], [0, 501, 241, 0], [0, 0, 1, 0]], \"dist\": {D}}}"
    );
    refuses(
        &projection,
        "",
        "camera_matrix has 12 numbers (3x4), as the matrix of rectified pictures has",
    );
    let part = |name: &str| {
        format!(
            "[image]\n\nwidth\n640\n\nheight\n480\n\n[{name}]\n\ncamera matrix\n500 0 322\n0 501 241\n0 0 1\n\n\
        distortion\n-0.2 0.05 0.001 -0.001 0\n\n"
        )
    };
    reads(&part("left"), "", LENS, "640x480");
    refuses(
        &(part("left") + &part("right")),
        "",
        "if it is of two cameras, each with its own [image], keep the part of one",
    );
}

#[test]
fn a_model_is_seen_wherever_it_stands() {
    let flat = r#""fx": 500, "fy": 501, "cx": 322, "cy": 241"#;
    // Known models under the keys that may also name something else.
    for model in ["ftheta", "inverse_brown_conrady"] {
        for key in ["type", "lens"] {
            let file = json(&format!(r#"{flat}, "{key}": "{model}", "coeffs": $D"#));
            refuses(&file, "", "its model is not read");
        }
        refuses(
            &json(&format!(r#""type": "{model}", "K": $K, "D": $D"#)),
            "",
            "is no model that is known here",
        );
    }
    let double_sphere = json(&format!(
        r#"{flat}, "type": "ds", "xi": -0.2, "alpha": 0.6"#
    ));
    reads(
        &double_sphere,
        "",
        "--center 322,241 --focal 500,501 --double-sphere -0.2,0.6",
        "640x480",
    );
    // In a map of coefficients by their names.
    let bent = |model: &str, rest: &str| {
        json(&format!(
            r#""K": $K, "distortion": {{"model": "{model}", {rest}}}"#
        ))
    };
    refuses(
        &bent("division", r#""k1": -0.3, "k2": 0.1"#),
        "",
        "model: division is no model that is known here",
    );
    let four = r#""k1": 0.01, "k2": -0.02, "k3": 0.003, "k4": 0.004"#;
    reads(&bent("fisheye", four), "", FISHEYE, "640x480");
    // Zeros behind four numbers are no coefficients of a pinhole.
    let zeros = json(
        r#""name": "fisheye_left", "K": $K, "D": [0.01, -0.02, 0.003, 0.004, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]"#,
    );
    refuses(
        &zeros,
        "",
        "it says name: fisheye_left: are its coefficients those of a fisheye?",
    );
    reads(&zeros, "--model fisheye", FISHEYE, "640x480");
    let slam = "Camera.type: \"Rectified\"\nCamera.fx: 500\nCamera.fy: 501\nCamera.cx: 322\nCamera.cy: 241\n\
        Camera.k1: -0.2\nCamera.k2: 0.05\nCamera.p1: 0\nCamera.p2: 0\n";
    refuses(
        slam,
        "",
        "Camera.type is Rectified, and its coefficients are not 0",
    );
}

#[test]
fn a_size_is_that_of_the_chosen_camera() {
    for (one, other) in [("1", "2"), ("_left", "_right"), ("_rgb", "_depth")] {
        for (name, rest) in [
            ("resolution", ""),
            ("image_size", ", \"image_size\": [8, 6]"),
        ] {
            let file = format!(
                "{{\"K{one}\": {OTHER}, \"D{one}\": {D}, \"{name}{one}\": [1280, 720], \"K{other}\": {K}, \
                 \"D{other}\": {D}, \"{name}{other}\": [640, 480]{rest}}}"
            );
            let camera = other.trim_start_matches('_');
            reads(&file, &format!("--camera {camera}"), LENS, "640x480");
        }
    }
    let only = format!(
        "{{\"K1\": {OTHER}, \"D1\": {D}, \"resolution1\": [1280, 720], \"K2\": {K}, \"D2\": {D}}}"
    );
    reads(&only, "--camera 2", LENS, "not in the file");
    let both = format!(
        "{{\"K1\": {OTHER}, \"D1\": {D}, \"K2\": {K}, \"D2\": {D}, \"image_size\": [640, 480]}}"
    );
    reads(&both, "--camera 2", LENS, "640x480");
}

#[test]
fn names_in_capitals_and_maps_of_pairs_are_found() {
    for text in [
        r#""ColorCameraMatrix": $K, "ColorDistCoeffs": $D"#,
        r#""cameraMatrixTop": $K, "distCoeffsTop": $D"#,
        r#""rgbK": $K, "rgbD": $D"#,
        r#""fx": 500, "fy": 501, "cx": 322, "cy": 241, "dist_coeffs": $D, "boardSize": {"width": 9, "height": 6}"#,
        // The same value twice.
        r#""fx": 500, "fy": 501, "cx": 322, "cy": 241, "u0": 322, "v0": 241, "dist_coeffs": $D"#,
    ] {
        reads(&json(text), "", LENS, "640x480");
    }
    let pair = json(r#""stereo": {"K1": $O, "D1": $D, "K2": $K, "D2": $D}"#);
    refuses(&pair, "", "say which camera with --camera: 1, 2");
    reads(&pair, "--camera 2", LENS, "640x480");
    for raw in [r#""K_raw_image": $O"#, r#""original_intrinsic_K": $O"#] {
        refuses(
            &json(&format!(r#""K": $K, "D": $D, {raw}"#)),
            "",
            "keep the one to which the coefficients belong",
        );
    }
    let transposed =
        json(r#""calibration_matrix": [[500, 0, 0], [0, 501, 0], [322, 241, 1]], "dist": $D"#);
    refuses(&transposed, "", "it is transposed, as MATLAB has it");
    let named = json(r#""fx": 500, "fy": 501, "cx": 322, "cy": 241, "dist_params": $D"#);
    refuses(&named, "", "if those are dist_params, rename the key");
    let twice = json(
        r#""fx": 500, "fy": 501, "cx": 322, "cy": 241, "model": "fisheye", "k1": 0.01, "k2": -0.02, "k3": 0.003,
        "k4": 0.004, "dist_coeffs": [0.01, -0.02, 0.003, 0.004]"#,
    );
    reads(&twice, "", FISHEYE, "640x480");
    // FAST-LIVO2 for ROS 2.
    let node = "laserMapping:\n  ros__parameters:\n    cam_model: Pinhole\n    cam_width: 640\n    cam_height: 480\n    \
        cam_fx: 500\n    cam_fy: 501\n    cam_cx: 322\n    cam_cy: 241\n    cam_d0: -0.2\n    cam_d1: 0.05\n    \
        cam_d2: 0.001\n    cam_d3: -0.001\n";
    reads(node, "", LENS, "640x480");
    let node = "/**:\n  ros__parameters:\n    camera:\n      model: Pinhole\n      width: 640\n      height: 480\n      fx: 500\n      \
        fy: 501\n      cx: 322\n      cy: 241\n      d0: -0.2\n      d1: 0.05\n      d2: 0.001\n      d3: -0.001\n";
    reads(node, "", LENS, "640x480");
}

#[test]
fn a_comment_does_not_tell_the_format() {
    for comment in [
        "# RETURNED BY MATLAB",
        "# from Pix4D",
        "# serial: a93de4f01",
    ] {
        let file = format!(
            "{comment}\nimage_width: 640\nimage_height: 480\nK: {K}\nD: {D}\nserial: a93de4f01\n"
        );
        reads(&file, "", LENS, "640x480");
    }
    refuses(
        "%YAML 1.1\n---\nversion: 1\nalgorithms:\n  - Agc:\n",
        "",
        "libcamera's tuning file without a section Dewarp",
    );
    let map =
        "{\"dewarpMode\": \"FISHEYE_EXPAND\", \"source_image\": {\"width\": 640, \"height\": 480}}";
    refuses(map, "", "FISHEYE_EXPAND");
    let lens = json(r#""lensmodel": "Sunex DSL215", "K": $K, "D": $D"#);
    refuses(
        &lens,
        "",
        "lensmodel: Sunex DSL215 is no model that is known here",
    );
    reads(&lens, "--model pinhole", LENS, "640x480");
}
