// SPDX-License-Identifier: GPL-2.0

//! A mem2mem device, as its driver sees it: what the driver implements, and how it registers. The nodes
//! are there only while the driver is bound.

pub(crate) use super::{
    device::Device,
    job::Job,
    operations::Operations,
    request::Controls, //
};

use super::{
    callbacks,
    registration::Registration, //
};
use crate::platform::binding::Binding;
use kernel::{
    device,
    devres,
    prelude::*,
    sync::Arc, //
};

/// Registers `/dev/videoN` and `/dev/mediaN` until `parent` is unbound. Then `binding`, which is
/// that of `parent`, ends first: [`Operations::run`] is not called any more. The streams are
/// stopped, which waits for the running frame, while all that was registered with `parent` before
/// is still there, the interrupt say.
///
/// A process can keep its stream from being stopped for as long as it likes. So after
/// [`PATIENCE`](super::unregister::PATIENCE) the running frame is ended by [`Operations::abandon`],
/// and unbinding goes on; the stream is stopped when that is possible. All other operations
/// may be called until then.
///
/// Returns the device and the N of `/dev/videoN`.
pub(crate) fn register<T: Operations>(
    parent: &device::Device<device::Bound>,
    module: &'static ThisModule,
    binding: Arc<Binding>,
    data: Arc<T::Device>,
) -> Result<(Arc<Device<T>>, u16)> {
    let device = callbacks::jobs::device::<T>(parent, binding, data)?;
    // SAFETY: The parent is bound, and devres drops this before it is not.
    let registration = unsafe { Registration::new(device.clone(), module)? };
    let number = registration.number();
    devres::register(parent, registration, GFP_KERNEL)?;
    Ok((device, number))
}
