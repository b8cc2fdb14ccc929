/* SPDX-License-Identifier: GPL-2.0 */
/* What src/platform/ binds beside the kernel crate: runtime PM. */
/* bindgen: --allowlist-function 'devm_pm_runtime_enable|helper_pm_.*' */
/* bindgen: --blocklist-type 'device' */
/* bindgen: --raw-line 'use kernel::bindings::device;' */

#include <linux/pm_runtime.h>

#include "helpers.h"
