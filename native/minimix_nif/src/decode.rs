//! Terms to inputs of the core.

use minimix::{Input, Nick, Resource, Session};
use rustler::{Atom, Error, NifResult, Term};

use crate::{atoms, element, pid};

/// Reads an input as `minimix_nif:input()` describes it.
pub fn input(term: Term<'_>) -> NifResult<Input> {
    if term.is_atom() {
        return match term.decode::<Atom>()? {
            atom if atom == atoms::stop() => Ok(Input::Stop),
            _ => Err(Error::BadArg),
        };
    }
    let parts = rustler::types::tuple::get_tuple(term)?;
    let tag: Atom = parts.first().ok_or(Error::BadArg)?.decode()?;
    match (tag, parts.get(1..).unwrap_or_default()) {
        (tag, [pid, resource, nick, stanza]) if tag == atoms::session() => Ok(Input::FromSession {
            session: session(*pid, *resource)?,
            nick: nick_of(*nick)?,
            stanza: element::decode(*stanza)?,
        }),
        (tag, [nick, stanza]) if tag == atoms::room() => {
            Ok(Input::FromRoom { nick: nick_of(*nick)?, stanza: element::decode(*stanza)? })
        }
        (tag, [pid, resource]) if tag == atoms::catch_up() => {
            Ok(Input::CatchUp { session: session(*pid, *resource)? })
        }
        (tag, [pid, granted]) if tag == atoms::answered() => {
            Ok(Input::Answered { session: pid::session(*pid)?, granted: granted.decode()? })
        }
        (tag, [pid]) if tag == atoms::detach() => {
            Ok(Input::Detach { session: pid::session(*pid)? })
        }
        (tag, [old, new]) if tag == atoms::resumed() => {
            Ok(Input::Resumed { old: pid::session(*old)?, new: pid::session(*new)? })
        }
        _ => Err(Error::BadArg),
    }
}

fn session(pid: Term<'_>, resource: Term<'_>) -> NifResult<Session> {
    Ok(Session { id: pid::session(pid)?, resource: Resource::from(resource.decode::<&str>()?) })
}

fn nick_of(term: Term<'_>) -> NifResult<Option<Nick>> {
    if term.is_atom() {
        return match term.decode::<Atom>()? {
            atom if atom == atoms::none() => Ok(None),
            _ => Err(Error::BadArg),
        };
    }
    Ok(Some(Nick::from(term.decode::<&str>()?)))
}
