//! The model can fail: each defect that `seed.py` plants is found by the claim that is against it.
#![cfg(feature = "seeded")]

use tower_reauth_model::{claims, schedule, stored};

macro_rules! find {
    ($claims:ident, $run:ident; $($defect:ident by $claim:ident($callers:literal), $number:literal: $message:literal;)+) => {$(
        #[test]
        #[should_panic(expected = $message)]
        fn $defect() {
            tower_reauth::seed(stringify!($defect));
            schedule::$run($number, || $claims::$claim($callers));
        }
    )+};
}

// The number is that of the preemptions.
find! {
    claims, all;
    flight_is_taken_out_before_its_answer_is_in by cold_calls_share_one_request(2), 1: "one token request";
    waiters_are_woken_before_the_answer_is_in by cold_calls_share_one_request(1), 1: "LoggedOut";
    landing_does_not_look_which_login_it_is by logins_do_not_mix(1), 1: "RenewalLost";
    generation_is_told_after_the_lock by nothing_is_sent_with_a_copy_after_logout(1), 1: "a login that had ended before it";
    generation_is_told_before_the_change by nothing_is_sent_after_logout(1), 1: "a login that had ended before it";
    status_is_told_as_it_was_under_the_lock by a_stray_token_is_revoked(1), 1: "the status that was told";
    status_is_the_one_that_was_told_last by cold_calls_share_one_request(2), 1: "Active";
    compare_and_swap_is_left_out by rejected_calls_share_one_renewal(2), 1: "one renewal";
    flight_under_way_is_not_joined by cold_calls_share_one_request(2), 1: "RenewalLost";
    replay_does_not_look_which_login_it_is by logins_do_not_mix(2), 0: "the tokens of two logins";
    replay_goes_without_a_last_look by nothing_is_sent_after_logout(1), 1: "a replay carries";
    copied_token_is_used_whatever_its_generation by nothing_is_sent_after_logout(1), 1: "had ended before it";
    copied_token_outlives_a_renewal by calls_after_a_renewal_carry_its_token(1), 1: "given out before it";
    death_of_a_flight_is_not_told by a_flight_that_dies_leaves_nobody_waiting(1), 1: "deadlock";
    waiter_looks_for_the_landing_before_it_queues by cold_calls_share_one_request(1), 1: "deadlock";
    who_is_left_when_the_waking_ends_is_not_woken by a_flight_that_dies_leaves_nobody_waiting(2), 1: "deadlock";
    dead_flight_is_not_taken_out by a_flight_that_dies_leaves_nobody_waiting(1), 1: "RenewalLost";
    whoever_was_woken_does_not_wake_the_next by the_woken_wake_the_others(2), 0: "deadlock";
    waiter_does_not_give_up_what_is_overdue by a_flight_that_nobody_drives_is_given_up(1), 1: "deadlock";
    flight_that_was_given_up_leaves_no_pause by a_late_landing_changes_nothing_of_others(1), 0: "before the pause is over";
    late_landing_takes_the_next_flight_out by a_late_failure_changes_nothing_of_others(2), 0: "RenewalLost";
    late_answer_is_kept_whatever_came_meanwhile by a_late_landing_changes_nothing_of_others(1), 1: "given out before it";
    flight_learns_of_the_logout_after_the_lock by a_stray_token_is_revoked(1), 1: "a token outlived its login";
}

find! {
    stored, all;
    tokens_are_handed_out_before_they_are_saved by processes_share_one_renewal(1), 0: "before it was saved";
    nobody_looks_again_with_the_lease by processes_share_one_refusal(2), 0: "one token request";
    login_after_a_mark_is_ones_own by processes_share_one_login_after_a_logout(2), 0: "Ok(3)";
    lease_is_never_given_back by processes_share_one_renewal(1), 0: "a lease was not given back";
    logout_leaves_no_mark by a_logout_wins_over_the_flights_of_others(1), 0: "LoggedOut";
    pair_that_a_mark_overtook_is_not_revoked by a_logout_wins_over_the_flights_of_others(1), 0: "outlived its login";
    lease_is_given_back_before_the_save by the_lease_protects_when_a_claim_is_lost(2), 0: "sent twice";
    claim_is_not_written by processes_without_leases_share_one_renewal(2), 0: "sent twice";
    newer_record_is_written_over by processes_without_leases_share_one_renewal(2), 0: "sent twice";
}

// The number is that of the executions.
find! {
    stored, sample;
    refusal_is_believed_without_a_look by whoever_came_second_adopts(2), 2_000: "something better";
    what_could_not_be_saved_is_not_tried_again by what_cannot_be_saved_is_saved_later(1), 2_000: "a lease was not given back";
    whoever_waits_is_not_woken by whoever_waits_is_woken(2), 2_000: "deadlock";
    lease_counts_as_a_claim by a_lease_that_runs_out_costs_nothing(2), 2_000: "sent twice";
    asks_are_not_answered by whoever_has_the_password_is_asked(1), 2_000: "deadlock";
}
