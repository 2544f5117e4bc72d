//! The core as an Erlang NIF: terms to core types and back, locks, and nothing else.
//!
//! What each function means is written at its Erlang stub in `minimix_nif.erl`.

mod atoms;
mod core;
mod decode;
mod element;
mod encode;
mod facts;
mod pid;
mod record;

use minimix::{Account, Config, Effects, Input, Millis, RoomJid};
use rustler::{Atom, Encoder, Env, NifResult, ResourceArc, SerdeTerm, Term};

use crate::core::Core;
use crate::encode::{Effective, Recalled, Replay};

#[rustler::nif]
fn new(SerdeTerm(config): SerdeTerm<Config>) -> ResourceArc<Core> {
    ResourceArc::new(Core::new(config))
}

#[rustler::nif]
fn configure(core: ResourceArc<Core>, SerdeTerm(config): SerdeTerm<Config>) -> Atom {
    core.configure(config);
    atoms::ok()
}

#[rustler::nif]
fn handle<'a>(
    env: Env<'a>,
    core: ResourceArc<Core>,
    account: &str,
    room: &str,
    input: Term<'a>,
    now: u64,
) -> NifResult<(Term<'a>, Vec<Term<'a>>)> {
    let input: Input = decode::input(input)?;
    let effects: Effects =
        core.handle(&Account::from(account), &RoomJid::from(room), input, Millis(now));
    Ok(encode::effects(env, effects))
}

#[rustler::nif]
fn tell<'a>(
    env: Env<'a>,
    core: ResourceArc<Core>,
    room: &str,
    nick: Term<'a>,
    stanza: Term<'a>,
    accounts: Vec<(&str, Term<'a>)>,
    now: u64,
) -> NifResult<Vec<(Term<'a>, Vec<Term<'a>>)>> {
    let (nick, stanza) = (decode::nick(nick)?, element::decode(stanza)?);
    let read = |(account, id)| Ok((Account::from(account), decode::archive_id(id)?));
    let accounts: Vec<_> = accounts.into_iter().map(read).collect::<NifResult<_>>()?;
    let all = core.tell(&RoomJid::from(room), nick, &stanza, &accounts, Millis(now));
    Ok(all.into_iter().map(|effects| encode::effects(env, effects)).collect())
}

#[rustler::nif]
fn tick<'a>(env: Env<'a>, core: ResourceArc<Core>, room: &str, now: u64) -> Vec<Term<'a>> {
    core.tick(&RoomJid::from(room), Millis(now))
        .into_iter()
        .map(|(account, effects)| (account.as_str(), encode::effects(env, effects)).encode(env))
        .collect()
}

#[rustler::nif]
fn replay_next<'a>(env: Env<'a>, replay: ResourceArc<Replay>) -> Effective<'a> {
    encode::chunk(env, replay)
}

#[rustler::nif]
fn wakes(core: ResourceArc<Core>, account: &str, room: &str, message: Term<'_>) -> NifResult<bool> {
    let message = element::decode(message)?;
    Ok(core.wakes(&Account::from(account), &RoomJid::from(room), &message))
}

#[rustler::nif(schedule = "DirtyCpu")]
fn chosen<'a>(
    env: Env<'a>,
    recall: ResourceArc<Recalled>,
    found: Vec<(u64, Term<'a>)>,
) -> NifResult<Effective<'a>> {
    Ok(encode::chosen(env, &recall, decode::archived(found)?))
}

#[rustler::nif(schedule = "DirtyCpu")]
fn tombstone<'a>(
    env: Env<'a>,
    message: Term<'a>,
    retraction: Term<'a>,
    room: &str,
    now: u64,
) -> NifResult<Term<'a>> {
    let (message, retraction) = (element::decode(message)?, element::decode(retraction)?);
    let stone = minimix::tombstone(&message, &retraction, &RoomJid::from(room), Millis(now));
    Ok(stone.map_or_else(|| atoms::none().encode(env), |stone| element::encode(env, &stone)))
}

#[rustler::nif]
fn rooms<'a>(env: Env<'a>, core: ResourceArc<Core>, account: &str) -> Vec<Term<'a>> {
    let rooms = core.rooms(&Account::from(account));
    rooms.iter().map(|room| room.as_str().encode(env)).collect()
}

#[rustler::nif(schedule = "DirtyCpu")]
fn accounts<'a>(env: Env<'a>, core: ResourceArc<Core>) -> Vec<Term<'a>> {
    core.accounts().iter().map(|account| account.as_str().encode(env)).collect()
}

#[rustler::nif(schedule = "DirtyCpu")]
fn facts<'a>(env: Env<'a>, core: ResourceArc<Core>, account: &str) -> Vec<Term<'a>> {
    core.facts(&Account::from(account))
        .iter()
        .map(|(room, facts)| (room.as_str(), facts::encode(env, facts)).encode(env))
        .collect()
}

#[rustler::nif(schedule = "DirtyCpu")]
fn counts<'a>(env: Env<'a>, core: ResourceArc<Core>) -> Term<'a> {
    facts::encode_counts(env, &core.counts())
}

#[rustler::nif]
fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

rustler::init!("minimix_nif");
