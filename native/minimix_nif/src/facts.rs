//! What an admin is told, as Erlang maps: `minimix_nif:facts()` and `minimix_nif:counts()`.

use minimix::{Facts, Stage};
use rustler::{Encoder, Env, NifMap, NifUnitEnum, Term};

use crate::core::Counts;
use crate::{atoms, record};

#[derive(NifUnitEnum)]
enum StageTerm {
    Joining,
    Joined,
    Away,
    Leaving,
    Out,
}

#[derive(NifMap)]
struct FactsTerm<'a> {
    nick: Term<'a>,
    stage: StageTerm,
    sessions: Vec<Term<'a>>,
    autojoin: bool,
    cause: record::CauseTerm,
    joined_at: Term<'a>,
    detached_at: Term<'a>,
    repaired_at: Term<'a>,
}

#[derive(NifMap)]
struct CountsTerm {
    accounts: usize,
    rooms: usize,
    joining: usize,
    joined: usize,
    away: usize,
    leaving: usize,
    out: usize,
    sessions: usize,
    occupants: usize,
    bytes: usize,
    joins: u64,
    attaches: u64,
    forks: u64,
    repairs: u64,
}

/// Facts as a map.
pub fn encode<'a>(env: Env<'a>, facts: &Facts) -> Term<'a> {
    let or_none = |time: Option<minimix::Millis>| match time {
        Some(time) => time.0.encode(env),
        None => atoms::none().encode(env),
    };
    FactsTerm {
        nick: facts.nick.as_str().encode(env),
        stage: match facts.stage {
            Stage::Joining => StageTerm::Joining,
            Stage::Joined => StageTerm::Joined,
            Stage::Away => StageTerm::Away,
            Stage::Leaving => StageTerm::Leaving,
            Stage::Out => StageTerm::Out,
        },
        sessions: facts.sessions.iter().map(|resource| resource.as_str().encode(env)).collect(),
        autojoin: facts.autojoin,
        cause: facts.cause.into(),
        joined_at: or_none(facts.joined_at),
        detached_at: or_none(facts.detached_at),
        repaired_at: or_none(facts.repaired_at),
    }
    .encode(env)
}

/// Counts as a map.
pub fn encode_counts<'a>(env: Env<'a>, counts: &Counts) -> Term<'a> {
    let (tally, counters) = (counts.tally, counts.counters);
    CountsTerm {
        accounts: counts.accounts,
        rooms: counts.rooms,
        joining: tally.joining,
        joined: tally.joined,
        away: tally.away,
        leaving: tally.leaving,
        out: tally.out,
        sessions: tally.sessions,
        occupants: tally.occupants,
        bytes: counts.bytes,
        joins: counters.joins,
        attaches: counters.attaches,
        forks: counters.forks,
        repairs: counters.repairs,
    }
    .encode(env)
}
