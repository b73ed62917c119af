//! `signal-all`: what a fleet's container cannot do without a shell: signal all its processes.

use anyhow::Result;
use clap::Args;

use crate::model::exit::{Exit, UsageError};
use crate::runner::{signals, tree};

#[derive(Args, Clone, Debug)]
pub(crate) struct SignalAllArgs {
    signal: String,
}

pub(crate) fn signal_all(args: &SignalAllArgs) -> Result<Exit> {
    let signal = signals::parse(&args.signal)
        .ok_or_else(|| UsageError(format!("`{}` is no signal, such as SIGINT", args.signal)))?;
    tree::signal_all_others(signal);
    Ok(Exit::Green)
}
