// SPDX-License-Identifier: GPL-2.0

//! `dw100-board uapi …`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::SUCCESS
}
