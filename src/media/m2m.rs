// SPDX-License-Identifier: GPL-2.0

//! A mem2mem device, as its driver sees it: the operations that the driver implements, and the
//! registration of the device. The video node exists only while the driver is bound. The media node
//! can exist longer, if a process keeps it from being unregistered.

pub(crate) use super::{
    device::Device,
    job::{
        Job,
        Run, //
    },
    operations::Operations,
    request::Controls, //
};

use super::{
    callbacks,
    format::Api,
    registration::Registration, //
};
use crate::platform::binding::Binding;
use kernel::{
    device,
    devres,
    prelude::*,
    sync::Arc, //
};

/// Registers `/dev/videoN` and `/dev/mediaN` until `parent` is unbound. Userspace describes formats
/// and buffers with `api`.
///
/// Unbinding first unregisters the video node and ends `binding`, which must be the binding of
/// `parent`: [`Operations::run`] is not called any more. It then stops the streams, and so waits
/// for the running frame. Everything that was registered with `parent` before the nodes, such as
/// the interrupt, is still registered meanwhile.
///
/// A process can prevent its stream from being stopped for an unlimited time. So after
/// [`PATIENCE`](super::unregister::PATIENCE) [`Operations::abandon`] ends the running frame, and
/// unbinding goes on; the stream is stopped when that is possible. All operations but
/// [`Operations::run`] and [`Operations::apply_controls`] may be called until then.
///
/// Returns the device and the N of `/dev/videoN`.
pub(crate) fn register<T: Operations>(
    parent: &device::Device<device::Bound>,
    module: &'static ThisModule,
    api: Api,
    binding: Arc<Binding>,
    data: Arc<T::Device>,
) -> Result<(Arc<Device<T>>, u16)> {
    let device = callbacks::jobs::device::<T>(parent, api, binding, data)?;
    // SAFETY: The parent is bound, and devres drops the registration before the parent is unbound.
    let registration = unsafe { Registration::new(device.clone(), module)? };
    let number = registration.number();
    devres::register(parent, registration, GFP_KERNEL)?;
    Ok((device, number))
}
