/* SPDX-License-Identifier: GPL-2.0 */
/* What src/platform/ binds beside the kernel crate: runtime PM, rate limits. */
/* bindgen: --allowlist-function 'devm_pm_runtime_enable|helper_.*|___ratelimit' */
/* bindgen: --blocklist-type 'device' */
/* bindgen: --raw-line 'use kernel::bindings::device;' */

#include <linux/pm_runtime.h>
#include <linux/ratelimit.h>

#include "helpers.h"
