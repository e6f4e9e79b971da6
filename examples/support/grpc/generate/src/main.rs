//! Writes the client and the server of the `Orders` service anew: no `.proto` file, so no `protoc` either.
//!
//! `cargo run --manifest-path examples/support/grpc/generate/Cargo.toml`, then `cargo fmt`.

use std::{fs, io, path::Path};

use tonic_prost_build::manual::{Builder, Method, Service};

fn main() -> io::Result<()> {
    let to = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a manifest lies in a folder");
    for (name, client) in [("client.rs", true), ("server.rs", false)] {
        Builder::new()
            .build_client(client)
            .build_server(!client)
            .build_transport(false)
            .out_dir(to)
            .compile(&[orders()]);
        fs::rename(to.join("orders.v1.Orders.rs"), to.join(name))?;
    }
    Ok(())
}

fn orders() -> Service {
    let method = |name: &str, route: &str, input: &str, output: &str| {
        Method::builder()
            .name(name)
            .route_name(route)
            .input_type(format!("crate::grpc::{input}"))
            .output_type(format!("crate::grpc::{output}"))
            .codec_path("tonic_prost::ProstCodec")
    };
    Service::builder()
        .name("Orders")
        .package("orders.v1")
        .comment("Takes orders, and talks about them.")
        .method(method("place", "Place", "Order", "Receipt").comment("One order.").build())
        .method(method("list", "List", "Query", "Order").comment("All orders.").server_streaming().build())
        .method(method("import", "Import", "Order", "Receipt").comment("Many orders.").client_streaming().build())
        .method(
            method("discuss", "Discuss", "Order", "Order")
                .comment("Every order is answered by itself.")
                .client_streaming()
                .server_streaming()
                .build(),
        )
        .build()
}
