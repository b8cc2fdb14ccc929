/* SPDX-License-Identifier: GPL-2.0 */
/* The functions that src/trace.rs calls. They accept any values, in any context. */
/* bindgen: --allowlist-function 'dw100_trace_.*' */

#include "helpers.h"
