// SPDX-License-Identifier: GPL-2.0
/* The tracepoints, and a function for each. */

#include "helpers.h"

#define CREATE_TRACE_POINTS
#include "dw100_events.h"

void dw100_trace_job_start(u64 frame, u64 context, u32 source, u32 destination)
{
	trace_dw100_job_start(frame, context, source, destination);
}

void dw100_trace_irq(u64 frame, u32 status, bool busy, bool latched)
{
	trace_dw100_irq(frame, status, busy, latched);
}

void dw100_trace_job_finish(u64 frame, u64 context, u32 status, bool done,
			    u64 engine_ns, u64 wait_ns)
{
	trace_dw100_job_finish(frame, context, status, done, engine_ns, wait_ns);
}
