// SPDX-License-Identifier: GPL-2.0
//! The C ABI that QEMU's shim (tests/qemu/dw100.c) calls; its header documents each
//! function. This is the only unsafe code of the crate.

#![expect(unsafe_code, reason = "C ABI")]

use std::ffi::CStr;
use std::ffi::CString;
use std::ffi::c_char;
use std::ffi::c_int;
use std::ffi::c_void;
use std::fs::File;
use std::io::Write;
use std::ptr;

use crate::engine::Engine;
use crate::memory::BusError;
use crate::memory::Memory;

/// The version of the ABI. Raise it with any change to the functions below or to
/// [`Dma`].
pub const ABI_VERSION: u32 = 1;

/// The version of the state that [`dw100_model_save`] writes. Raise it with any change
/// to that state: an older model would otherwise drop new fields silently.
const STATE_VERSION: u32 = 2;

/// How the host accesses memory. Both functions return 0; any other value is an AXI
/// error.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Dma {
    opaque: *mut c_void,
    read: extern "C" fn(*mut c_void, u64, *mut c_void, usize) -> c_int,
    write: extern "C" fn(*mut c_void, u64, *const c_void, usize) -> c_int,
}

impl Memory for Dma {
    fn read(&mut self, address: u64, buf: &mut [u8]) -> Result<(), BusError> {
        match (self.read)(self.opaque, address, buf.as_mut_ptr().cast(), buf.len()) {
            0 => Ok(()),
            _ => Err(BusError { address }),
        }
    }

    fn write(&mut self, address: u64, data: &[u8]) -> Result<(), BusError> {
        match (self.write)(self.opaque, address, data.as_ptr().cast(), data.len()) {
            0 => Ok(()),
            _ => Err(BusError { address }),
        }
    }
}

/// An engine, and its connections to its host.
pub struct Model {
    engine: Engine,
    dma: Dma,
    trace: Option<File>,
    message: CString,
    saved: Vec<u8>,
}

impl Model {
    /// Keeps an error message for the host and returns it; returns NULL if there is
    /// none.
    fn report(&mut self, result: Result<(), String>) -> *const c_char {
        match result {
            Ok(()) => ptr::null(),
            Err(text) => {
                self.message = CString::new(text.replace('\0', " ")).unwrap_or_default();
                self.message.as_ptr()
            }
        }
    }

    /// Writes the frame records that have ended to the trace file, each at once and as a
    /// whole line.
    fn flush(&mut self) {
        for frame in self.engine.take_frames() {
            let Some(file) = &mut self.trace else {
                continue;
            };
            let written = serde_json::to_string(&frame)
                .map_err(std::io::Error::from)
                .and_then(|line| file.write_all((line + "\n").as_bytes()));
            if let Err(error) = written {
                eprintln!("imx8mp-dw100: the trace ends here: {error}");
                self.trace = None;
            }
        }
    }
}

/// Returns the model behind a pointer from the host.
///
/// # Safety
///
/// `model` must come from [`dw100_model_new`], must not be freed, and no other call may use
/// it now.
unsafe fn model<'a>(model: *mut Model) -> &'a mut Model {
    // SAFETY: By the safety requirements. DMA callbacks do not call the model: the shim
    // lets them access plain memory only.
    unsafe { &mut *model }
}

/// Copies a string of the host.
///
/// # Safety
///
/// `text` must be a C string that outlives the call.
unsafe fn string(text: *const c_char) -> String {
    // SAFETY: By the safety requirements.
    unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned()
}

/// Returns the version of this ABI.
#[unsafe(no_mangle)]
pub extern "C" fn dw100_model_abi_version() -> u32 {
    ABI_VERSION
}

/// Creates a new engine, as after power-on.
///
/// # Safety
///
/// `dma` must point to callbacks that can be called for as long as the model lives.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dw100_model_new(dma: *const Dma) -> *mut Model {
    // SAFETY: By the safety requirements.
    let dma = unsafe { *dma };
    Box::into_raw(Box::new(Model {
        engine: Engine::default(),
        dma,
        trace: None,
        message: CString::default(),
        saved: Vec::new(),
    }))
}

/// Frees a model, and closes its trace before that.
///
/// # Safety
///
/// `m` must be NULL or a live model that no other call uses. It must not be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dw100_model_free(m: *mut Model) {
    if !m.is_null() {
        // SAFETY: By the safety requirements; the box was made by dw100_model_new().
        let mut owned = unsafe { Box::from_raw(m) };
        owned.engine.close_trace();
        owned.flush();
    }
}

/// Applies model keys. Returns NULL, or a message that says what is wrong.
///
/// # Safety
///
/// `m` is a live model that no other call uses, `keys` a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dw100_model_configure(
    m: *mut Model,
    keys: *const c_char,
) -> *const c_char {
    // SAFETY: By the safety requirements.
    let (m, keys) = unsafe { (model(m), string(keys)) };
    let result = m.engine.configure(&keys);
    m.report(result)
}

/// Opens the trace file. Returns NULL, or a message that says what is wrong.
///
/// # Safety
///
/// `m` is a live model that no other call uses, `path` a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dw100_model_trace(m: *mut Model, path: *const c_char) -> *const c_char {
    // SAFETY: By the safety requirements.
    let (m, path) = unsafe { (model(m), string(path)) };
    let result = File::create(&path).map_err(|error| format!("cannot write {path}: {error}"));
    let result = result.map(|file| m.trace = Some(file));
    m.report(result)
}

/// Ends the last frame's record.
///
/// # Safety
///
/// `m` is a live model that no other call uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dw100_model_close_trace(m: *mut Model) {
    // SAFETY: By the safety requirements.
    let m = unsafe { model(m) };
    m.engine.close_trace();
    m.flush();
}

/// Does a power-on reset.
///
/// # Safety
///
/// `m` is a live model that no other call uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dw100_model_reset(m: *mut Model) {
    // SAFETY: By the safety requirements.
    let m = unsafe { model(m) };
    m.engine.reset();
    m.flush();
}

/// Reads a register.
///
/// # Safety
///
/// `m` is a live model that no other call uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dw100_model_read(m: *mut Model, now_ns: i64, offset: u64) -> u32 {
    // SAFETY: By the safety requirements.
    let m = unsafe { model(m) };
    m.engine.land_burst(now_ns, &mut m.dma);
    let value = m.engine.read(now_ns, offset);
    m.flush();
    value
}

/// Writes a register.
///
/// # Safety
///
/// `m` is a live model that no other call uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dw100_model_write(m: *mut Model, now_ns: i64, offset: u64, value: u32) {
    // SAFETY: By the safety requirements.
    let m = unsafe { model(m) };
    m.engine.land_burst(now_ns, &mut m.dma);
    m.engine.write(now_ns, offset, value);
    m.flush();
}

/// Does what is due at `now_ns`.
///
/// # Safety
///
/// `m` is a live model that no other call uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dw100_model_tick(m: *mut Model, now_ns: i64) {
    // SAFETY: By the safety requirements.
    let m = unsafe { model(m) };
    m.engine.tick(now_ns, &mut m.dma);
    m.flush();
}

/// Returns the level of the interrupt line.
///
/// # Safety
///
/// `m` is a live model that no other call uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dw100_model_line(m: *mut Model) -> bool {
    // SAFETY: By the safety requirements.
    unsafe { model(m) }.engine.line()
}

/// Returns when the next tick is due, nanoseconds; `INT64_MAX` for never.
///
/// # Safety
///
/// `m` is a live model that no other call uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dw100_model_deadline(m: *mut Model) -> i64 {
    // SAFETY: By the safety requirements.
    unsafe { model(m) }.engine.deadline().unwrap_or(i64::MAX)
}

/// Reads from the mailbox page.
///
/// # Safety
///
/// `m` is a live model that no other call uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dw100_model_mailbox_read(m: *mut Model, offset: u64) -> u32 {
    // SAFETY: By the safety requirements.
    unsafe { model(m) }.engine.mailbox_read(offset)
}

/// Writes a byte to the mailbox page. Returns NULL, or a message that says what is wrong
/// with the line that the byte ended.
///
/// # Safety
///
/// `m` is a live model that no other call uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dw100_model_mailbox_write(
    m: *mut Model,
    offset: u64,
    byte: u8,
) -> *const c_char {
    // SAFETY: By the safety requirements.
    let m = unsafe { model(m) };
    let result = m.engine.mailbox_write(offset, byte);
    m.report(result)
}

/// Returns the engine's state as bytes, which are valid until the next call.
///
/// # Safety
///
/// `m` is a live model that no other call uses, `len` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dw100_model_save(m: *mut Model, len: *mut usize) -> *const u8 {
    // SAFETY: By the safety requirements.
    let m = unsafe { model(m) };
    // This cannot fail: the state has no map with keys other than strings, and there is
    // no writer that could fail. If it did, the loading side would refuse the empty
    // state.
    m.saved = serde_json::to_vec(&(STATE_VERSION, &m.engine)).unwrap_or_default();
    // SAFETY: By the safety requirements.
    unsafe { *len = m.saved.len() };
    m.saved.as_ptr()
}

fn load(state: &[u8]) -> Result<Engine, String> {
    let wrong = |error| format!("the saved state is not of this model: {error}");
    match serde_json::from_slice(state) {
        Ok((STATE_VERSION, engine)) => serde_json::from_value(engine).map_err(wrong),
        Ok((version, _)) => Err(format!(
            "the saved state is of version {version}, this model's of {STATE_VERSION}"
        )),
        Err(error) => Err(wrong(error)),
    }
}

/// Loads a saved state. Returns NULL, or a message that says why it was refused.
///
/// # Safety
///
/// `m` is a live model that no other call uses, `state` points to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dw100_model_load(
    m: *mut Model,
    state: *const u8,
    len: usize,
) -> *const c_char {
    let state = match len {
        0 => &[],
        // SAFETY: By the safety requirements.
        _ => unsafe { std::slice::from_raw_parts(state, len) },
    };
    // SAFETY: By the safety requirements.
    let m = unsafe { model(m) };
    let result = load(state).map(|engine| m.engine = engine);
    m.report(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_of_another_version_is_refused() {
        let engine = Engine::default();
        let saved = |version: u32| serde_json::to_vec(&(version, &engine)).unwrap();
        assert_eq!(load(&saved(STATE_VERSION)).as_ref(), Ok(&engine));
        let error = load(&saved(1)).unwrap_err();
        assert_eq!(error, "the saved state is of version 1, this model's of 2");
        for state in [serde_json::to_vec(&engine).unwrap(), Vec::new()] {
            let error = load(&state).unwrap_err();
            assert!(
                error.starts_with("the saved state is not of this model"),
                "{error}"
            );
        }
    }
}
