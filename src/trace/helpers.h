/* SPDX-License-Identifier: GPL-2.0 */
/* Functions for the tracepoints, which are static inlines. */
#ifndef TRACE_HELPERS_H
#define TRACE_HELPERS_H

#include <linux/types.h>

void dw100_trace_job_start(u64 frame, u64 context, u32 source, u32 destination);
void dw100_trace_irq(u64 frame, u32 status, bool busy, bool latched);
void dw100_trace_job_finish(u64 frame, u64 context, u32 status, bool done,
			    u64 engine_ns, u64 wait_ns);

#endif /* TRACE_HELPERS_H */
