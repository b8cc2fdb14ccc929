/* SPDX-License-Identifier: GPL-2.0 */
/* What src/trace.rs calls. Any values will do, in any context. */
/* bindgen: --allowlist-function 'dw100_trace_.*' */

#include "helpers.h"
