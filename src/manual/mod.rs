//! Chapters that belong to no single type.

pub mod answers;
pub mod clients;
pub mod command_line;
pub mod defaults;
pub mod dpop;
pub mod events;
pub mod fleet;
pub mod grants;
pub mod load_balancer;
pub mod metrics;
pub mod migrating;
pub mod sdks;
pub mod store;
pub mod testing;
pub mod threats;
pub mod translation;
pub mod troubleshooting;

#[cfg(test)]
mod tests {
    /// The names of the variants, with those that a table puts into one row.
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
            // What to do, and why.
            assert_eq!(rows.iter().filter(|row| row.contains(&link)).count(), 2, "{kind}");
        }
    }

    /// The column says what `Error::is_transient` does, where the kind alone decides.
    #[test]
    fn troubleshooting_says_which_kinds_are_transient() {
        let (_, transient) = include_str!("../error/kind.rs").split_once("fn is_transient").expect("it stands there");
        let mut count = 0;
        for row in include_str!("troubleshooting.rs").lines().filter(|line| line.contains("(crate::ErrorKind::")) {
            let cells: Vec<_> = row.split(" | ").collect();
            let [_, kinds, _, _, _, column, _, _] = cells[..] else { continue };
            for kind in kinds.split("](crate::ErrorKind::").skip(1).filter_map(|rest| rest.split(')').next()) {
                let says = match transient.contains(&format!("Self::{kind}\n")) {
                    _ if kind == "Refused" => "until the status is `Refused`",
                    true => "yes",
                    false => "no",
                };
                assert_eq!(column, says, "{kind}");
                count += 1;
            }
        }
        assert!(count >= 30, "{count}");
    }
}
