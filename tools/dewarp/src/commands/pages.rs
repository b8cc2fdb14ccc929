// SPDX-License-Identifier: GPL-2.0
//! `dewarp completions` and `dewarp man`: what packagers install, made from the command line's own
//! description.

use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_complete::Shell;

use dewarp::{Error, Result};

use crate::print;

#[derive(Args)]
#[command(after_help = "Example:\n  dewarp completions bash > dewarp.bash")]
pub struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

#[derive(Args)]
#[command(after_help = "Example:\n  dewarp man man1")]
pub struct ManArgs {
    /// Where to write a page for `dewarp` and one for each command [default: the first page is
    /// printed].
    directory: Option<PathBuf>,
}

/// Prints the completion script of a shell.
pub fn completions(args: &CompletionsArgs, mut command: Command) -> Result<()> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    print(&script)
}

/// Prints or writes the man pages.
pub fn man(args: &ManArgs, command: Command) -> Result<()> {
    let failed = |error: std::io::Error, path: &Path| Error::file("cannot write", path, error);
    match &args.directory {
        Some(path) => {
            std::fs::create_dir_all(path).map_err(|error| failed(error, path))?;
            clap_mangen::generate_to(command, path).map_err(|error| failed(error, path))
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command)
                .render(&mut page)
                .map_err(|error| Error::failed(error.to_string()))?;
            print(&page)
        }
    }
}
