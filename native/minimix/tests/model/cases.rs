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
