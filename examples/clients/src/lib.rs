//! What the stories and the tests share: the clients of the manual's page, and servers for them.

pub mod bucket;
pub mod clients;
pub mod cluster;
pub mod forge;
pub mod server;
pub mod tools;
