/* SPDX-License-Identifier: GPL-2.0 */
/* The driver's trace events: the values that are recorded, and their format. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM dw100

#if !defined(DW100_EVENTS_H) || defined(TRACE_HEADER_MULTI_READ)
#define DW100_EVENTS_H

#include <linux/tracepoint.h>

/* Sizes are as in the engine's registers: width in the low half, height in the high one. */
TRACE_EVENT(dw100_job_start,
	TP_PROTO(u64 frame, u64 context, u32 source, u32 destination),
	TP_ARGS(frame, context, source, destination),
	TP_STRUCT__entry(
		__field(u64, frame)
		__field(u64, context)
		__field(u32, source)
		__field(u32, destination)
	),
	TP_fast_assign(
		__entry->frame = frame;
		__entry->context = context;
		__entry->source = source;
		__entry->destination = destination;
	),
	TP_printk("frame=%llu context=%llu source=%ux%u destination=%ux%u",
		  __entry->frame, __entry->context,
		  __entry->source & 0xffff, __entry->source >> 16,
		  __entry->destination & 0xffff, __entry->destination >> 16)
);

TRACE_EVENT(dw100_irq,
	TP_PROTO(u64 frame, u32 status, bool busy, bool latched),
	TP_ARGS(frame, status, busy, latched),
	TP_STRUCT__entry(
		__field(u64, frame)
		__field(u32, status)
		__field(bool, busy)
		__field(bool, latched)
	),
	TP_fast_assign(
		__entry->frame = frame;
		__entry->status = status;
		__entry->busy = busy;
		__entry->latched = latched;
	),
	TP_printk("frame=%llu status=%#04x busy=%d latched=%d",
		  __entry->frame, __entry->status, __entry->busy,
		  __entry->latched)
);

TRACE_EVENT(dw100_job_finish,
	TP_PROTO(u64 frame, u64 context, u32 status, bool done, u64 engine_ns,
		 u64 wait_ns),
	TP_ARGS(frame, context, status, done, engine_ns, wait_ns),
	TP_STRUCT__entry(
		__field(u64, frame)
		__field(u64, context)
		__field(u64, engine_ns)
		__field(u64, wait_ns)
		__field(u32, status)
		__field(bool, done)
	),
	TP_fast_assign(
		__entry->frame = frame;
		__entry->context = context;
		__entry->engine_ns = engine_ns;
		__entry->wait_ns = wait_ns;
		__entry->status = status;
		__entry->done = done;
	),
	TP_printk("frame=%llu context=%llu status=%#04x done=%d engine_ns=%llu wait_ns=%llu",
		  __entry->frame, __entry->context, __entry->status,
		  __entry->done, __entry->engine_ns, __entry->wait_ns)
);

#endif /* DW100_EVENTS_H */

/* Kbuild adds this directory to the include path. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE dw100_events
#include <trace/define_trace.h>
