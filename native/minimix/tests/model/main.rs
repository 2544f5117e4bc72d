//! The core among accounts with several sessions, in rooms that behave as rooms do, in a host
//! that works as the Erlang part does: whatever happens in whatever order, the invariants hold.
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]
#![allow(clippy::wrong_self_convention, reason = "from and to are the directions of stanzas here")]

mod actions;
mod cases;
mod chat;
mod checks;
mod entering;
mod events;
mod host;
mod known;
mod moving;
mod receiving;
mod room;
mod stanza;
mod transition;
mod world;

use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use transition::{Setup, Transition};
use world::World;

/// How many runs by default; `PROPTEST_CASES` says otherwise.
const CASES: u32 = 400;
const STEPS: usize = 120;

/// One run: every transition in its order, then everything comes to an end. It ends early where a
/// room loses an account by accident: how that is repaired the transcripts tell.
fn run(setup: &Setup, transitions: &[Transition]) -> Result<(), String> {
    let mut world = World::new(setup);
    let result = transitions
        .iter()
        .try_for_each(|transition| world.takes(transition))
        .and_then(|()| world.ends());
    result.or_else(|error| if world.is_repairing { Ok(()) } else { Err(error) }).map_err(|error| {
        let trace = match std::env::var_os("MODEL_TRACE") {
            Some(_) => world.trace.join("\n"),
            None => String::new(),
        };
        format!("{error}\n{trace}")
    })
}

impl World {
    fn takes(&mut self, transition: &Transition) -> Result<(), String> {
        self.now += 1;
        self.note(|| format!("{transition:?}"));
        self.acts(transition)?;
        self.moves(transition)?;
        if let Transition::InRoom { room, event } = transition {
            let room = usize::from(*room) % transition::ROOMS;
            let now = self.now;
            self.rooms[room].happens(event, now);
            self.collect(room);
        }
        self.wake()?;
        self.holds()
    }
}

#[test]
fn whatever_happens_the_invariants_hold() {
    let from_environment = Config::default();
    let cases = match std::env::var_os("PROPTEST_CASES") {
        Some(_) => from_environment.cases,
        None => CASES,
    };
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        rng_seed: match std::env::var_os("PROPTEST_RNG_SEED") {
            Some(_) => from_environment.rng_seed,
            None => RngSeed::Fixed(45),
        },
        ..from_environment
    };
    let transitions = proptest::collection::vec(transition::transition(), 1..STEPS);
    let result = TestRunner::new(config)
        .run(&(transition::setup(), transitions), |(setup, all)| {
            run(&setup, &all).map_err(TestCaseError::fail)
        });
    match result {
        Ok(()) => {}
        Err(TestError::Abort(reason)) => panic!("{reason}"),
        Err(TestError::Fail(reason, (setup, transitions))) => {
            let steps: Vec<String> = transitions.iter().map(|step| format!("{step:?},")).collect();
            panic!("{reason}\n{setup:?}\n{}", steps.join("\n"));
        }
    }
}
