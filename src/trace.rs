// SPDX-License-Identifier: GPL-2.0

//! The driver's tracepoints, group `dw100`. They cost a call while nobody looks, and nothing on a
//! kernel without tracepoints.

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

/// `dw100_job_start`: the engine is about to be started with frame number `frame` of the device,
/// which is one of the open file number `context`.
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

/// `dw100_irq`: the engine has interrupted while a frame runs, and its AXI master is disabled. The
/// status has the events, and `busy` is FRAME_BUSY. The interrupt is the frame's end if it is
/// `latched`.
pub(crate) fn irq(frame: u64, status: Status, latched: bool) {
    if cfg!(CONFIG_TRACEPOINTS) {
        bindings::dw100_trace_irq(frame, status.pending(), status.is_busy(), latched);
    }
}

/// `dw100_job_finish`: the frame's buffers are about to be given back. It has no engine time (0) if
/// the watchdog gave it up.
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
