/* SPDX-License-Identifier: GPL-2.0 */
/* Functions that src/platform/ binds itself: clocks, runtime PM, rate limits, debugfs. */
/* bindgen: --allowlist-function 'clk_bulk_get|clk_bulk_put|clk_get_rate|devm_pm_runtime_enable' */
/* bindgen: --allowlist-function 'helper_.*|___ratelimit' */
/* bindgen: --blocklist-type 'dentry|device|seq_file' */
/* bindgen: --raw-line 'use kernel::bindings::{dentry, device, seq_file};' */

#include <linux/clk.h>
#include <linux/pm_runtime.h>
#include <linux/ratelimit.h>

#include "helpers.h"
