//! One user, two devices, one active token: what the layer does about it, shown step by step.
//!
//! `cargo run --example quickstart` plays the diagram of README.md, with a gateway of its own. With `--regime`, or with
//! `--api-url` for a real gateway, it plays a longer story.

mod arguments;
mod device;
mod layer_events;
mod story;
mod target;
mod timeline;
mod wire;

#[path = "../support/fields.rs"]
mod fields;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::prelude::*;

use crate::{arguments::Arguments, layer_events::LayerEvents, target::Target, timeline::Timeline};

/// Exits with 0 if no device saw a failure, 1 if one did, and 2 if the story could not begin.
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

/// Plays the story and gives back how many failures the devices saw.
async fn play(arguments: Arguments, timeline: &Timeline) -> anyhow::Result<u64> {
    let is_diagram = arguments.is_diagram();
    let (target, embedded) = Target::of(arguments, timeline).await?;
    timeline.title(&target.title);
    let devices =
        if is_diagram { story::diagram(&target, timeline).await? } else { story::longer(&target, timeline).await? };

    timeline.heading("In sum");
    if let Some(gateway) = embedded {
        timeline.counters(&gateway.counters());
        gateway.stop().await?;
    }
    for device in &devices {
        timeline.sum(device.name(), device.calls(), device.failures());
    }
    Ok(devices.iter().map(device::Device::failures).sum())
}
