//! The counts at the end. What can be counted at the gateway is counted there.

use crate::{board::Board, gateway::Gateway};

#[derive(Default)]
pub(crate) struct Sum {
    /// Each time that the token died: how many token requests the gateway had seen.
    pub(crate) deaths: Vec<usize>,
    /// Replicas that were killed during one of them.
    pub(crate) kills: usize,
    renewals: usize,
    token_requests: usize,
    calls: usize,
    good: usize,
    rejected: usize,
    failed: u64,
    dead_refresh_tokens: usize,
}

impl Sum {
    pub(crate) fn count(&mut self, gateway: &Gateway, board: &Board) {
        let requests = gateway.issuer.token_requests();
        // The last one may not have been noticed yet.
        let ends = self.deaths.iter().skip(1).chain([&requests]);
        self.renewals = self.deaths.iter().zip(ends).filter(|(before, after)| after > before).count();
        self.token_requests = self.deaths.first().map_or(0, |first| requests - first);
        self.calls = gateway.api.count();
        self.good = gateway.api.count_of(200);
        self.rejected = gateway.api.count_of(401);
        self.failed = board.replicas.iter().map(|report| report.failed).sum();
        self.dead_refresh_tokens = gateway.issuer.dead_refresh_tokens();
    }

    pub(crate) fn is_good(&self) -> bool {
        self.token_requests == self.renewals && self.failed == 0 && self.dead_refresh_tokens == 0
    }

    pub(crate) fn print(&self) {
        let ratio = match self.renewals {
            0 => "none".to_owned(),
            renewals => format!("{:.2}", self.token_requests as f64 / renewals as f64),
        };
        let rows = [
            ("calls at the gateway", self.calls.to_string()),
            ("answered with 200", self.good.to_string()),
            ("rejected with 401, and sent again", self.rejected.to_string()),
            ("calls that failed for their caller", self.failed.to_string()),
            ("renewals", self.renewals.to_string()),
            ("token requests for them", self.token_requests.to_string()),
            ("token requests per renewal", ratio),
            ("refresh tokens sent after their end", self.dead_refresh_tokens.to_string()),
            ("kills survived", self.kills.to_string()),
        ];
        println!();
        for (what, count) in rows {
            println!("{what:36}{count:>8}");
        }
    }
}
