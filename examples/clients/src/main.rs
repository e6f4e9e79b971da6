//! tower-reauth below other people's clients. `cargo run` plays all stories, `cargo run -- kube` one of them.

mod stories {
    pub(crate) mod kube;
    pub(crate) mod object_store;
    pub(crate) mod octocrab;
    pub(crate) mod rmcp;
}

const NAMES: [&str; 4] = ["kube", "octocrab", "object_store", "rmcp"];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let wanted: Vec<_> = std::env::args().skip(1).collect();
    if let Some(unknown) = wanted.iter().find(|name| !NAMES.contains(&name.as_str())) {
        anyhow::bail!("there is no story of {unknown}; there are those of {}", NAMES.join(", "));
    }
    for name in NAMES.into_iter().filter(|name| wanted.is_empty() || wanted.iter().any(|wish| wish == name)) {
        println!("{name}");
        match name {
            "kube" => stories::kube::play().await?,
            "octocrab" => stories::octocrab::play().await?,
            "object_store" => stories::object_store::play().await?,
            _ => stories::rmcp::play().await?,
        }
    }
    Ok(())
}
