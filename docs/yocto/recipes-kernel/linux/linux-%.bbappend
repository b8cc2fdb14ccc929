# SPDX-License-Identifier: GPL-2.0
# Not tried. For a kernel recipe that inherits kernel-yocto, of Yocto 6.0 and later.

FILESEXTRAPATHS:prepend := "${THISDIR}/files:"
SRC_URI:append = " file://dw100-rust.cfg"
KERNEL_FEATURES:append = " rust"

# Both drivers take the same device: this keeps the C driver from being loaded at boot.
KERNEL_MODULE_PROBECONF += "dw100"
module_conf_dw100 = "blacklist dw100"
