//! The claims, over all schedules with a number of preemptions, and over a sample of the others.

use tower_reauth_model::{claims, schedule, stored};

macro_rules! prove {
    ($claims:ident, sample of $executions:literal;
        $($claim:ident: $($callers:literal callers $preemptions:literal preemptions),*;)+) => {$(
        #[test]
        fn $claim() {
            $(schedule::all($preemptions, || $claims::$claim($callers));)*
            schedule::sample($executions, || $claims::$claim(3));
        }
    )+};
}

prove! {
    claims, sample of 20_000;
    cold_calls_share_one_request: 1 callers 4 preemptions, 2 callers 1 preemptions, 3 callers 0 preemptions;
    rejected_calls_share_one_renewal: 1 callers 3 preemptions, 2 callers 1 preemptions;
    calls_after_a_renewal_carry_its_token: 1 callers 2 preemptions, 2 callers 0 preemptions;
    rejected_calls_join_a_renewal_ahead: 1 callers 2 preemptions, 2 callers 1 preemptions;
    a_dropped_caller_costs_the_others_nothing: 1 callers 1 preemptions, 2 callers 0 preemptions;
    a_failure_is_everybodys: 1 callers 4 preemptions, 2 callers 2 preemptions, 3 callers 0 preemptions;
    a_flight_that_dies_leaves_nobody_waiting: 1 callers 3 preemptions, 2 callers 0 preemptions;
    a_renewal_outlives_those_who_waited_too_long: 1 callers 3 preemptions, 2 callers 1 preemptions;
    a_flight_that_nobody_drives_is_given_up: 1 callers 3 preemptions, 2 callers 0 preemptions;
    a_late_landing_changes_nothing_of_others: 1 callers 1 preemptions, 2 callers 0 preemptions;
    a_late_failure_changes_nothing_of_others: 1 callers 1 preemptions, 2 callers 0 preemptions;
    the_woken_wake_the_others: 2 callers 0 preemptions;
    nothing_is_sent_after_logout: 1 callers 3 preemptions, 2 callers 0 preemptions;
    nothing_is_sent_with_a_copy_after_logout: 1 callers 1 preemptions, 2 callers 0 preemptions;
    logins_do_not_mix: 1 callers 2 preemptions;
    logout_login_and_a_dropped_caller: 1 callers 2 preemptions, 2 callers 0 preemptions;
    a_stray_token_is_revoked: 1 callers 2 preemptions, 2 callers 0 preemptions;
}

prove! {
    // Where two sessions have too many schedules, a sample alone.
    stored, sample of 2_000;
    processes_share_one_renewal: 2 callers 0 preemptions;
    processes_without_leases_share_one_renewal: 2 callers 0 preemptions;
    old_answers_cost_nothing:;
    the_lease_protects_when_a_claim_is_lost:;
    what_cannot_be_saved_is_saved_later:;
    what_seems_to_be_unsaved_is_not_lost:;
    a_lease_that_runs_out_costs_nothing:;
    whoever_waits_is_woken:;
    news_and_leases_that_run_out_cost_nothing:;
    whoever_has_the_password_is_asked:;
    a_logout_wins_over_those_who_wait_for_the_lease:;
    processes_share_one_login: 2 callers 0 preemptions;
    processes_share_one_login_after_a_logout: 2 callers 0 preemptions;
    processes_share_one_refusal: 2 callers 0 preemptions;
    whoever_came_second_adopts:;
    a_logout_wins_over_the_flights_of_others:;
    a_logout_wins_without_leases:;
    a_logout_wins_over_its_own_flight: 1 callers 0 preemptions;
    the_last_handle_goes_and_the_answer_is_saved:;
    the_last_handle_goes_and_the_answer_is_saved_later:;
}
