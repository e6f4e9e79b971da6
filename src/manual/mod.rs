//! Chapters that belong to no single type.

pub mod answers;
pub mod clients;
pub mod defaults;
pub mod events;
pub mod grants;
pub mod metrics;
pub mod store;
pub mod threats;
pub mod troubleshooting;

#[cfg(test)]
mod tests {
    /// The names of the variants, with those that the table puts into one row.
    #[test]
    fn troubleshooting_has_every_error_kind() {
        let (_, kinds) = include_str!("../error/kind.rs").split_once("pub enum ErrorKind {").expect("it stands there");
        let (kinds, _) = kinds.split_once("\n}").expect("it has an end");
        let kinds: Vec<_> = kinds.lines().filter_map(|line| line.trim().strip_suffix(',')).collect();
        assert!(kinds.len() >= 30, "{kinds:?}");
        let rows: Vec<_> =
            include_str!("troubleshooting.rs").lines().filter(|line| line.starts_with("//! | [`")).collect();
        for kind in kinds {
            let link = format!("[`{kind}`](crate::ErrorKind::{kind})");
            assert!(rows.iter().any(|row| row.contains(&link)), "{kind}");
        }
    }
}
