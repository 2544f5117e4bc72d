//! What the model has found, each as it was once shrunk.

use crate::run;
use crate::transition::Event as E;
use crate::transition::Transition::{self, *};
use crate::transition::{Setup, Wish};

fn plays(setup: &Setup, transitions: &[Transition]) {
    if let Err(error) = run(setup, transitions) {
        panic!("{error}");
    }
}

const fn join(device: u8, nick: u8) -> Transition {
    Join { device, room: 0, nick, password: false, wish: Wish::All }
}

#[test]
fn who_asks_twice_before_the_answer_is_told_that_the_nick_is_another() {
    plays(&Setup::default(), &[join(0, 1), join(0, 0)]);
}

#[test]
fn an_update_that_crosses_a_kick_is_answered_after_it() {
    plays(
        &Setup::default(),
        &[
            join(0, 0),
            join(2, 0),
            Settle,
            InRoom { room: 0, event: E::Kick { whom: 0 } },
            FromRoom { which: 0 },
            FromRoom { which: 0 },
            Update { device: 2, room: 0, show: 0 },
        ],
    );
}

#[test]
fn what_waits_for_a_session_that_is_out_does_not_touch_its_next_attachment() {
    plays(
        &Setup::default(),
        &[join(0, 0), Settle, Update { device: 2, room: 0, show: 0 }, join(2, 0)],
    );
}

fn lets_in_anybody() -> Setup {
    let mut setup = Setup::default();
    setup.styles[0].lets_in_anybody = true;
    setup
}

#[test]
fn an_update_that_crosses_a_removal_leaves_no_ghost_in_a_room_that_takes_it_for_a_join() {
    plays(
        &lets_in_anybody(),
        &[
            join(0, 0),
            Settle,
            Update { device: 0, room: 0, show: 1 },
            InRoom { room: 0, event: E::Kick { whom: 0 } },
            Settle,
        ],
    );
}

#[test]
fn a_role_that_changes_meanwhile_does_not_answer_an_update() {
    plays(
        &Setup::default(),
        &[
            join(1, 0),
            ToRoom { which: 0 },
            FromRoom { which: 0 },
            InRoom { room: 0, event: E::Role { whom: 0, role: 0 } },
            Update { device: 1, room: 0, show: 0 },
            Update { device: 1, room: 0, show: 1 },
        ],
    );
}

#[test]
fn who_resumes_comes_for_what_the_old_stream_was_invited_to() {
    plays(
        &Setup::default(),
        &[
            join(2, 0),
            ToRoom { which: 0 },
            FromRoom { which: 0 },
            Resume { device: 2 },
            FromRoom { which: 0 },
            Resume { device: 2 },
        ],
    );
}

#[test]
fn who_leaves_before_an_answer_that_never_comes_is_told_when_time_is_over() {
    plays(&Setup::default(), &[join(1, 0), Leave { device: 1, room: 0 }, Vanish { which: 0 }]);
}

#[test]
fn an_error_for_an_update_that_crossed_a_kick_does_not_refuse_the_next_join() {
    plays(
        &Setup::default(),
        &[
            join(0, 0),
            Settle,
            Update { device: 0, room: 0, show: 1 },
            InRoom { room: 0, event: E::Kick { whom: 0 } },
            FromRoom { which: 0 },
            FromRoom { which: 0 },
            join(1, 0),
            Settle,
        ],
    );
}

#[test]
fn a_message_that_comes_back_after_a_kick_and_a_join_has_its_own_id_again() {
    plays(
        &Setup::default(),
        &[
            join(0, 0),
            Settle,
            InRoom { room: 0, event: E::Kick { whom: 0 } },
            Say { device: 0, room: 0, id: None },
            FromRoom { which: 0 },
            FromRoom { which: 0 },
            join(1, 0),
            ToRoom { which: 1 },
        ],
    );
}

#[test]
fn a_nick_that_the_room_rewrites_to_the_present_one_is_answered() {
    let mut setup = Setup { changes_nick: true, ..Setup::default() };
    setup.styles[0].rewrites_nicks = true;
    plays(
        &setup,
        &[
            join(0, 0),
            Settle,
            InRoom { room: 0, event: E::Role { whom: 0, role: 0 } },
            FromRoom { which: 0 },
            join(0, 0),
        ],
    );
}

#[test]
fn a_nick_change_that_crosses_a_removal_leaves_no_ghost_in_a_room_that_takes_it_for_a_join() {
    let mut setup = lets_in_anybody();
    setup.styles[0].marks_self = false;
    plays(
        &setup,
        &[
            join(0, 0),
            Settle,
            InRoom { room: 0, event: E::Kick { whom: 0 } },
            Rename { device: 0, room: 0, nick: 1 },
            Settle,
        ],
    );
}

#[test]
fn who_comes_for_the_history_while_the_nick_changes_gets_it() {
    plays(
        &Setup::default(),
        &[
            join(2, 0),
            ToRoom { which: 0 },
            FromRoom { which: 0 },
            Receive { which: 0 },
            Rename { device: 2, room: 0, nick: 1 },
            FromRoom { which: 0 },
            ToRoom { which: 0 },
            FromRoom { which: 0 },
            Receive { which: 0 },
        ],
    );
}

#[test]
fn an_account_that_goes_with_a_time_of_its_own_does_not_stop_the_clock_of_the_others() {
    let mut setup = Setup::default();
    setup.styles[0].is_new = true;
    plays(
        &setup,
        &[join(0, 0), ToRoom { which: 0 }, join(3, 0), Vanish { which: 0 }, Stop { account: 0 }],
    );
}

#[test]
fn who_left_and_asked_again_is_answered_in_that_order() {
    let both = [join(1, 0), Leave { device: 1, room: 0 }, Vanish { which: 0 }, join(1, 0)];
    plays(&Setup::default(), &both);
    plays(&Setup::default(), &[both.as_slice(), &[Stop { account: 0 }]].concat());
}

#[test]
fn who_left_before_the_join_was_refused_is_not_given_the_error_of_another() {
    plays(
        &Setup::default(),
        &[
            join(1, 0),
            Lose { device: 1 },
            join(2, 0),
            Leave { device: 2, room: 0 },
            InRoom { room: 0, event: E::Password },
            join(0, 0),
        ],
    );
}

#[test]
fn a_leave_that_waits_for_a_list_waits_no_longer_than_the_list() {
    let mut setup = Setup::default();
    setup.styles[0].marks_self = false;
    setup.styles[0].tells_self_jid = false;
    setup.styles[0].echoes_ids = false;
    plays(
        &setup,
        &[
            join(2, 0),
            Settle,
            InRoom { room: 0, event: E::Role { whom: 0, role: 0 } },
            FromRoom { which: 0 },
            join(2, 0),
            Leave { device: 2, room: 0 },
            join(2, 0),
        ],
    );
}

#[test]
fn who_left_before_the_room_was_there_is_not_its_creator_when_it_comes_back() {
    let mut setup = Setup::default();
    setup.styles[0].is_new = true;
    plays(
        &setup,
        &[join(1, 0), join(0, 0), Leave { device: 1, room: 0 }, Wait { how: 3 }, join(1, 0)],
    );
}

#[test]
fn who_waited_for_the_configuration_is_let_in_though_the_creator_moderates_no_longer() {
    let mut setup = Setup::default();
    setup.styles[0].is_new = true;
    plays(
        &setup,
        &[
            join(0, 0),
            ToRoom { which: 0 },
            InRoom { room: 0, event: E::Role { whom: 0, role: 1 } },
            join(1, 0),
            Settle,
            Configure { device: 0, room: 0 },
        ],
    );
}

#[test]
fn a_role_that_changes_twice_meanwhile_does_not_answer_an_update() {
    let mut setup = Setup::default();
    setup.styles[0].marks_self = false;
    setup.styles[0].tells_self_jid = false;
    setup.styles[0].echoes_ids = false;
    setup.styles[0].is_anonymous = false;
    plays(
        &setup,
        &[
            join(2, 0),
            Settle,
            join(2, 0),
            Leave { device: 2, room: 0 },
            FromRoom { which: 0 },
            InRoom { room: 0, event: E::Role { whom: 0, role: 2 } },
            InRoom { room: 0, event: E::Role { whom: 0, role: 1 } },
        ],
    );
}
