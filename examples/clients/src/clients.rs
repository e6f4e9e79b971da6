//! The code that `tower_reauth::manual::sdks` shows, file by file.

#[path = "../../../src/manual/sdks/kube.rs"]
pub mod kube;
#[path = "../../../src/manual/sdks/object_store.rs"]
pub mod object_store;
#[path = "../../../src/manual/sdks/octocrab.rs"]
pub mod octocrab;
#[path = "../../../src/manual/sdks/rmcp.rs"]
pub mod rmcp;
