# SPDX-License-Identifier: GPL-2.0
# Not tried. Written for Yocto 6.0 and later, and a kernel 7.3: see docs/board.md.

SUMMARY = "V4L2 driver in Rust for the DW100 dewarper of the i.MX8MP"
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://src/dw100.rs;beginline=1;endline=1;md5=50d2ba0afecd20f74c12a4bdbcfcfe61"

inherit module-rust

# Where the repository is.
DW100_RUST_GIT ?= "git:///path/to/dw100-rust;protocol=file;branch=main"
SRC_URI = "${DW100_RUST_GIT}"
SRCREV = "${AUTOREV}"
PV = "0.1.0+git"

COMPATIBLE_MACHINE = "(mx8mp|imx8mp)"

# The build runs bindgen for the V4L2 functions that the module calls.
DEPENDS += "bindgen-cli-native clang-native"

# The repository has a Kbuild file and no Makefile, so make runs in the kernel's source.
EXTRA_OEMAKE += "-C ${STAGING_KERNEL_DIR} M=${S}"
MAKE_TARGETS = "modules"
