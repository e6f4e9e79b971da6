//! Tells the sources that they are compiled for the model.

fn main() {
    println!("cargo::rustc-cfg=tower_reauth_model");
    // Features of the real crate, all of them off.
    println!("cargo::rustc-check-cfg=cfg(tower_reauth_model)");
    println!("cargo::rustc-check-cfg=cfg(feature, values(any()))");
    println!("cargo::rerun-if-changed=build.rs");
}
