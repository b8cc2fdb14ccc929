// SPDX-License-Identifier: GPL-2.0

//! What is counted of the files that are open.

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
pub(crate) struct Accounts {
    /// Taken for a moment, after every other lock.
    #[pin]
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    /// How many files were ever opened.
    opened: u64,
    open: KVec<Arc<Account>>,
}

impl Accounts {
    /// None.
    pub(super) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                list <- new_mutex!(List::default(), "Accounts::list"),
            }),
            GFP_KERNEL,
        )
    }

    /// One for a file that the current process is opening.
    pub(super) fn open(this: &Arc<Self>) -> Result<Opened> {
        let mut list = this.list.lock();
        list.opened += 1;
        let account = Account::new(list.opened, current!().tgid());
        let account = Arc::new(account, GFP_KERNEL)?;
        list.open.push(account.clone(), GFP_KERNEL)?;
        drop(list);
        Ok(Opened {
            account,
            accounts: this.clone(),
        })
    }

    /// Shows them all, an empty line before each.
    pub(super) fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = self.list.lock();
        list.open
            .iter()
            .try_for_each(|account| write!(f, "\n{}", **account))
    }
}

/// An account that is in the list until this is dropped. Frames may refer to it for longer.
pub(crate) struct Opened {
    account: Arc<Account>,
    accounts: Arc<Accounts>,
}

impl Opened {
    /// The account.
    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.account
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let mut list = self.accounts.list.lock();
        list.open
            .retain(|account| !Arc::ptr_eq(account, &self.account));
    }
}
