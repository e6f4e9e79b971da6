//! One user, two devices, one active token: what the layer does about it, shown step by step.
//!
//! `cargo run --example quickstart` plays the diagram of README.md, with a gateway of its own. With `--regime`, or with
//! `--api-url` for a real gateway, it plays a longer story, and with `--features dpop` and `--dpop` one about a thief.

mod arguments;
mod device;
mod layer_events;
mod story;
mod target;
#[cfg(feature = "dpop")]
mod theft;
mod timeline;
mod wire;

#[path = "../support/fields.rs"]
mod fields;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

use anyhow::bail;
use clap::Parser;
use tracing_subscriber::prelude::*;

use crate::{arguments::Arguments, device::Device, layer_events::LayerEvents, target::Target, timeline::Timeline};

/// Exits with 0 if no device saw a failure and no thief came in, 1 if one did, and 2 if the story could not begin.
#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let timeline = Timeline::new(arguments.no_color);
    tracing_subscriber::registry().with(LayerEvents::new(timeline.clone())).init();

    match play(arguments, &timeline).await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("quickstart: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Plays the story and gives back how many failures the devices saw, and how often a thief came in.
async fn play(arguments: Arguments, timeline: &Timeline) -> anyhow::Result<u64> {
    let (is_diagram, is_theft) = (arguments.is_diagram(), arguments.dpop);
    if is_theft && cfg!(not(feature = "dpop")) {
        bail!("that story needs a feature: cargo run --features dpop --example quickstart -- --dpop");
    }
    let (target, embedded) = Target::of(arguments, timeline).await?;
    let story = if is_theft { "One user, one device, one thief" } else { "One user, two devices, one gateway" };
    timeline.title(story, &target.title);
    let (devices, break_ins): (Vec<Device>, u64) = match is_theft {
        #[cfg(feature = "dpop")]
        true => {
            let (tablet, break_ins) = theft::play(&target, timeline).await?;
            (vec![tablet], break_ins)
        }
        _ if is_diagram => (story::diagram(&target, timeline).await?.into(), 0),
        _ => (story::longer(&target, timeline).await?.into(), 0),
    };

    timeline.heading("In sum");
    if let Some(gateway) = embedded {
        timeline.counters(&gateway.counters());
        gateway.stop().await?;
    }
    for device in &devices {
        timeline.sum(device.name(), device.calls(), device.failures());
    }
    Ok(break_ins + devices.iter().map(Device::failures).sum::<u64>())
}
