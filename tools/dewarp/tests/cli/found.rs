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
    let reason = "it has CamMatrix and CamMatrixOriginal, with different numbers, and the coefficients are likely \
        those of CamMatrixOriginal: remove the one that is not theirs";
    refuses(file, "", reason);
    let one = file.replace(
        "\"CamMatrix\": [[450, 0, 320], [0, 450, 240], [0, 0, 1]], ",
        "",
    );
    let right = one.replace("CamMatrixOriginal", "CamMatrix");
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
        "model is 5, and each program counts its models in another way",
    );
    reads(&named, "--model pinhole", LENS, "640x480");
    let listed = format!("{flat}\"model\": 2, \"coeffs\": [-0.2, 0.05, 0.001, -0.001, 0]}}");
    refuses(&listed, "", "model is 2, and each program");
    let product = format!(
        "{flat}\"camera_model\": \"Pi Camera v2\", \"dist_coeffs\": [-0.2, 0.05, 0.001, -0.001, 0]}}"
    );
    refuses(
        &product,
        "",
        "camera_model pi camera v2 is not known"
            .replace("pi camera v2", "Pi Camera v2")
            .as_str(),
    );
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
    let mei = "--center 322,241 --focal 500,501 --omni 1.2 --radial -0.2,0.05 --tangential 0.001,-0.001 and a skew of 1.5";
    reads(skewed, "", mei, "not in the file");
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
        "if those are distortion_parameters_if_available, name it dist_coeffs",
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
            "--center counts cx and cy from the middle",
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
            "it is a list of numbers without names",
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
    let map = |name: &str| std::fs::read(dir.path(name)).unwrap();
    assert!(map("three.bin") == map("four.bin"));
}
