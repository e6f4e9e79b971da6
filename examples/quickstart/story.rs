//! What the user does with the two devices.

use http::Method;

use crate::{device::Device, target::Target, timeline::Timeline};

/// Plays the diagram of README.md, and gives back the devices with what they saw. The headings stand in the diagram, too.
pub(crate) async fn diagram(target: &Target, timeline: &Timeline) -> anyhow::Result<[Device; 2]> {
    timeline.heading("Both devices log in");
    let mut desktop = Device::log_in("desktop", target, timeline).await?;
    let mut tablet = Device::log_in("tablet", target, timeline).await?;

    timeline.heading("The tablet works");
    tablet.call(Method::GET, target).await?;

    timeline.heading("The desktop logs out");
    desktop.log_out().await;

    timeline.heading("The tablet goes on");
    tablet.call(Method::POST, target).await?;

    Ok([desktop, tablet])
}

/// Plays what the diagram leaves out as well: tokens that die while others are fetched, and a refresh.
pub(crate) async fn longer(target: &Target, timeline: &Timeline) -> anyhow::Result<[Device; 2]> {
    timeline.heading("Both devices log in");
    let mut desktop = Device::log_in("desktop", target, timeline).await?;
    let mut tablet = Device::log_in("tablet", target, timeline).await?;

    timeline.heading("Both work");
    work(&mut desktop, target).await?;
    work(&mut tablet, target).await?;

    timeline.heading("The desktop refreshes its token");
    desktop.refresh().await;

    timeline.heading("Both work");
    work(&mut desktop, target).await?;
    work(&mut tablet, target).await?;

    timeline.heading("The desktop logs out");
    desktop.log_out().await;

    timeline.heading("The tablet goes on");
    work(&mut tablet, target).await?;

    Ok([desktop, tablet])
}

async fn work(device: &mut Device, target: &Target) -> anyhow::Result<()> {
    for number in 0..target.requests {
        // A real API is only read; the embedded one takes orders too, to show that a body is sent again.
        let method = if target.embedded && number % 2 == 0 { Method::POST } else { Method::GET };
        device.call(method, target).await?;
    }
    Ok(())
}
