//! Terms to inputs of the core.

use minimix::{Archived, Command, Input, Nick, Resource, Session};
use rustler::{Atom, Error, NifResult, Term};

use crate::{atoms, element, pid, record};

/// Reads an input as `minimix_nif:input()` describes it.
pub fn input(term: Term<'_>) -> NifResult<Input> {
    if term.is_atom() {
        return match term.decode::<Atom>()? {
            atom if atom == atoms::stop() => Ok(Input::Stop),
            atom if atom == atoms::turn() => Ok(Input::Turn),
            atom if atom == atoms::doubt() => Ok(Input::Doubt),
            atom if atom == atoms::gap() => Ok(Input::Gap),
            atom if atom == atoms::dismiss() => Ok(Input::Dismiss),
            _ => Err(Error::BadArg),
        };
    }
    let parts = rustler::types::tuple::get_tuple(term)?;
    let tag: Atom = parts.first().ok_or(Error::BadArg)?.decode()?;
    match (tag, parts.get(1..).unwrap_or_default()) {
        (tag, [pid, resource, to, stanza]) if tag == atoms::session() => Ok(Input::FromSession {
            session: session(*pid, *resource)?,
            nick: nick(*to)?,
            stanza: element::decode(*stanza)?,
        }),
        (tag, [from, stanza, archive_id]) if tag == atoms::room() => Ok(Input::FromRoom {
            nick: nick(*from)?,
            stanza: element::decode(*stanza)?,
            archive_id: self::archive_id(*archive_id)?,
        }),
        (tag, [pid, resource]) if tag == atoms::catch_up() => {
            Ok(Input::CatchUp { session: session(*pid, *resource)? })
        }
        (tag, [pid, resource, name]) if tag == atoms::stranded() => Ok(Input::Stranded {
            session: session(*pid, *resource)?,
            nick: nick(*name)?.ok_or(Error::BadArg)?,
        }),
        (tag, [epoch]) if tag == atoms::declined() => {
            Ok(Input::Declined { epoch: epoch.decode()? })
        }
        (tag, [pid, words]) if tag == atoms::detach() => Ok(Input::Detach {
            session: pid::session(*pid)?,
            words: if words.is_atom() { None } else { Some(element::decode(*words)?) },
        }),
        (tag, [pid]) if tag == atoms::asleep() => {
            Ok(Input::Asleep { session: pid::session(*pid)? })
        }
        (tag, [stored]) if tag == atoms::restore() => {
            Ok(Input::Restore { record: record::decode(*stored)? })
        }
        (tag, [wish]) if tag == atoms::command() => Ok(Input::Command { command: command(*wish)? }),
        (tag, [bookmark]) if tag == atoms::bookmark() => {
            Ok(Input::Bookmark { bookmark: record::decode_bookmark(*bookmark)? })
        }
        (tag, [old, new]) if tag == atoms::resumed() => {
            Ok(Input::Resumed { old: pid::session(*old)?, new: pid::session(*new)? })
        }
        _ => Err(Error::BadArg),
    }
}

/// Messages of an archive with their ids there.
pub fn archived(terms: Vec<(u64, Term<'_>)>) -> NifResult<Vec<Archived>> {
    let read = |(id, term)| Ok(Archived { id, message: element::decode(term)? });
    terms.into_iter().map(read).collect()
}

fn command(term: Term<'_>) -> NifResult<Command> {
    if term.is_atom() {
        return match term.decode::<Atom>()? {
            atom if atom == atoms::leave() => Ok(Command::Leave),
            atom if atom == atoms::rejoin() => Ok(Command::Rejoin),
            _ => Err(Error::BadArg),
        };
    }
    let (tag, nick, password): (Atom, &str, Term<'_>) = term.decode()?;
    if tag != atoms::join() {
        return Err(Error::BadArg);
    }
    Ok(Command::Join { nick: Nick::from(nick), password: record::text(password)? })
}

fn session(pid: Term<'_>, resource: Term<'_>) -> NifResult<Session> {
    Ok(Session { id: pid::session(pid)?, resource: Resource::from(resource.decode::<&str>()?) })
}

/// Reads the nick of an occupant, or none for the room itself.
pub fn nick(term: Term<'_>) -> NifResult<Option<Nick>> {
    if term.is_atom() {
        return none(term);
    }
    Ok(Some(Nick::from(term.decode::<&str>()?)))
}

/// Reads the id that an archive has for a message, if it is to keep it.
pub fn archive_id(term: Term<'_>) -> NifResult<Option<u64>> {
    match term.is_atom() {
        true => none(term),
        false => Ok(Some(term.decode()?)),
    }
}

fn none<T>(term: Term<'_>) -> NifResult<Option<T>> {
    match term.decode::<Atom>()? {
        atom if atom == atoms::none() => Ok(None),
        _ => Err(Error::BadArg),
    }
}
