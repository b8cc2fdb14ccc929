// SPDX-License-Identifier: GPL-2.0
//! The memory that the engine accesses through its AXI port.

/// A bus access that was answered with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusError {
    /// Physical address of the access's first byte.
    pub address: u64,
}

/// Physical memory, as far as the engine can access it.
pub trait Memory {
    /// Fills `buf` from `address` on.
    fn read(&mut self, address: u64, buf: &mut [u8]) -> Result<(), BusError>;

    /// Stores `data` from `address` on.
    fn write(&mut self, address: u64, data: &[u8]) -> Result<(), BusError>;
}

/// One range of memory. Accesses outside it are bus errors.
#[derive(Clone, Debug)]
pub struct Ram {
    base: u64,
    bytes: Vec<u8>,
}

impl Ram {
    /// Creates `len` zero bytes that begin at address `base`.
    pub fn new(base: u64, len: usize) -> Self {
        Self {
            base,
            bytes: vec![0; len],
        }
    }

    /// Returns the bytes from `address` on, or an error if not all of them
    /// exist.
    pub fn slice(&mut self, address: u64, len: usize) -> Result<&mut [u8], BusError> {
        let found = address
            .checked_sub(self.base)
            .and_then(|start| usize::try_from(start).ok())
            .and_then(|start| self.bytes.get_mut(start..start.checked_add(len)?));
        found.ok_or(BusError { address })
    }
}

impl Memory for Ram {
    fn read(&mut self, address: u64, buf: &mut [u8]) -> Result<(), BusError> {
        buf.copy_from_slice(self.slice(address, buf.len())?);
        Ok(())
    }

    fn write(&mut self, address: u64, data: &[u8]) -> Result<(), BusError> {
        self.slice(address, data.len())?.copy_from_slice(data);
        Ok(())
    }
}
