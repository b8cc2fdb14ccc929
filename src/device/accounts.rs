// SPDX-License-Identifier: GPL-2.0

//! The accounts of the files that are open.

use crate::dewarp::statistics::Account;
use kernel::{
    current,
    fmt,
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};

/// The accounts of a device's open files.
#[pin_data]
pub(super) struct Accounts {
    /// It is held briefly, and taken after every other lock.
    #[pin]
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    /// The number of files that were ever opened.
    opened: u64,
    open: KVec<Arc<Account>>,
}

impl Accounts {
    /// Creates an empty list.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            list <- new_mutex!(List::default(), "Accounts::list"),
        })
    }

    /// Creates an account for a file that the current process is opening. It is in the list until
    /// [`close`](Self::close) removes it.
    pub(super) fn open(&self) -> Result<Arc<Account>> {
        let mut list = self.list.lock();
        list.opened += 1;
        let account = Account::new(list.opened, current!().tgid());
        let account = Arc::new(account, GFP_KERNEL)?;
        list.open.push(account.clone(), GFP_KERNEL)?;
        Ok(account)
    }

    /// Removes an account from the list. Frames may refer to it for longer.
    pub(super) fn close(&self, account: &Arc<Account>) {
        let mut list = self.list.lock();
        list.open.retain(|other| !Arc::ptr_eq(other, account));
    }

    /// Prints all accounts, each after an empty line.
    pub(super) fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = self.list.lock();
        list.open.iter().try_for_each(|account| {
            f.write_str("\n")?;
            core::fmt::Display::fmt(&**account, f)
        })
    }
}
