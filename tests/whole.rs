//! No file of tests is left out of every program.

use std::{fs, path::Path};

/// Crates and data of their own, and what several programs share.
const NO_TESTS: [&str; 5] = ["browser", "compile_fail", "keys", "peers", "process_support"];

#[test]
fn every_file_belongs_to_a_program() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let (programs, manifest) = (text("tests/main.rs") + &text("tests/told.rs"), text("Cargo.toml"));
    for entry in fs::read_dir(root.join("tests")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let is_program = ["main", "told"].contains(&name) || manifest.contains(&format!("\nname = \"{name}\"\n"));
        let is_part = programs.contains(&format!("mod {name};\n"));
        assert!(
            is_program || is_part || NO_TESTS.contains(&name),
            "tests/{name} is named neither in a program nor in Cargo.toml"
        );
    }
}
