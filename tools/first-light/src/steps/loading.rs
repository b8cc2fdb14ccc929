// SPDX-License-Identifier: GPL-2.0

//! Loads and removes a driver's module.

use anyhow::anyhow;

use crate::board;
use crate::module::{self, Driver};
use crate::report::Judged;
use crate::session::{Halt, Outcome, Session};

/// Loads the driver and waits until it is bound to the engine.
pub fn load(session: &mut Session) -> Outcome {
    session.intend("the driver resets the engine when it is loaded")?;
    let loaded = module::load(session.driver, &session.kit, session.parameters)
        .and_then(|()| module::wait_bound());
    if let Err(why) = loaded {
        let said = session.log.read_new();
        session.text("kernel log", said.join("\n"))?;
        let last = said
            .last()
            .map_or(String::new(), |line| format!(": {line}"));
        return Err(Halt::Driver(anyhow!("{why:#}{last}")));
    }
    let said = session.log.read_new();
    let (hz, from) = board::axi_hz(&said);
    session.axi_hz = hz;
    let printed = said.iter().find(|line| line.contains("registered as"));
    let printed = printed.map_or("the driver said nothing", String::as_str);
    session.report(Judged::allowed(
        "the driver finds its engine",
        "one line in the kernel's log",
        printed,
    ))?;
    let clock = Judged::allowed(
        "AXI clock",
        "500 MHz (or 400 MHz, the nominal mode)",
        format!("{hz} Hz ({from})"),
    );
    session.report(match hz {
        400_000_000 | 500_000_000 => clock,
        _ => Judged::differs(clock.topic, clock.assumed, clock.found),
    })?;
    Ok(session.text("kernel log", said.join("\n"))?)
}

/// Removes the driver.
pub fn unload(session: &mut Session) -> Outcome {
    module::unload(session.driver.module()).map_err(Halt::Driver)?;
    let said = session.log.read_new();
    if !said.is_empty() {
        session.text("kernel log at the end", said.join("\n"))?;
    }
    let errors = said.iter().filter(|line| line.contains("rror")).count();
    if session.driver == Driver::C && errors > 0 {
        session.report(Judged::differs(
            "errors in the kernel's log",
            "none",
            format!("{errors} lines"),
        ))?;
    }
    Ok(())
}
