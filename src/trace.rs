// SPDX-License-Identifier: GPL-2.0

//! The driver's tracepoints, group `dw100`. A tracepoint that is not enabled costs a call. On a
//! kernel without tracepoints they cost nothing.

use crate::dewarp::{
    frame::Program,
    statistics::Ended,
    status::Status, //
};

mod bindings {
    //! The functions of `trace/helpers.h`, as the module's own bindgen run generates them.

    #![allow(dead_code, missing_docs, non_camel_case_types, unreachable_pub)]

    include!(concat!(
        env!("BINDINGS_DIR"),
        "/trace/bindings_generated.rs"
    ));
}

/// Records `dw100_job_start`: the engine is about to be started with frame number `frame` of the
/// device, which is a frame of the open file number `context`.
pub(crate) fn job_start(frame: u64, context: u64, program: &Program) {
    if cfg!(CONFIG_TRACEPOINTS) {
        bindings::dw100_trace_job_start(
            frame,
            context,
            program.source_size,
            program.destination_size,
        );
    }
}

/// Records `dw100_irq`: the interrupt handler was called while a frame runs. Its `status` has the
/// events, and its `busy` is FRAME_BUSY. If there was an event, the AXI master is disabled. If
/// `latched` is true, the interrupt ends the frame.
pub(crate) fn irq(frame: u64, status: Status, latched: bool) {
    if cfg!(CONFIG_TRACEPOINTS) {
        bindings::dw100_trace_irq(frame, status.pending(), status.is_busy(), latched);
    }
}

/// Records `dw100_job_finish`: the frame's buffers are about to be returned. Its engine time is 0
/// if the watchdog or unbinding ended it.
pub(crate) fn job_finish(frame: u64, context: u64, ended: &Ended) {
    if cfg!(CONFIG_TRACEPOINTS) {
        bindings::dw100_trace_job_finish(
            frame,
            context,
            ended.status.pending(),
            ended.done,
            ended.engine.unwrap_or(0),
            ended.wait,
        );
    }
}
