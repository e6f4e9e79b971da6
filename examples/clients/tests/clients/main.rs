//! What the clients of the manual's page promise.

mod kube;
mod object_store;
mod octocrab;
mod rmcp;
