//! What is stored, as Erlang maps: `minimix_nif:record()` and `minimix_nif:bookmark()`.

use minimix::{Bookmark, Cause, Millis, Nick, Notify, Place, Record, Resource};
use rustler::{Atom, Encoder, Env, NifMap, NifResult, NifUnitEnum, Term};

use crate::atoms;

/// Why an account is in a room.
#[derive(NifUnitEnum)]
pub enum CauseTerm {
    Session,
    Bookmark,
    Command,
}

#[derive(NifUnitEnum)]
enum PlaceTerm {
    Joining,
    Joined,
    Out,
}

#[derive(NifMap)]
struct RecordTerm<'a> {
    nick: Term<'a>,
    password: Term<'a>,
    resource: Term<'a>,
    cause: CauseTerm,
    place: PlaceTerm,
    autojoin: bool,
    joined_at: u64,
    seen_at: u64,
    seen_id: Term<'a>,
    detached_at: Term<'a>,
}

#[derive(NifMap)]
struct BookmarkTerm<'a> {
    autojoin: bool,
    nick: Term<'a>,
    password: Term<'a>,
    notify: Term<'a>,
}

#[derive(NifUnitEnum)]
enum NotifyTerm {
    Always,
    OnMention,
    Never,
}

impl From<Cause> for CauseTerm {
    fn from(cause: Cause) -> CauseTerm {
        match cause {
            Cause::Session => CauseTerm::Session,
            Cause::Bookmark => CauseTerm::Bookmark,
            Cause::Command => CauseTerm::Command,
        }
    }
}

/// A record as a map.
pub fn encode<'a>(env: Env<'a>, record: &Record) -> Term<'a> {
    let or_none = |text: Option<&str>| match text {
        Some(text) => text.encode(env),
        None => atoms::none().encode(env),
    };
    let detached_at = match record.detached_at {
        Some(at) => at.0.encode(env),
        None => atoms::none().encode(env),
    };
    RecordTerm {
        nick: record.nick.as_str().encode(env),
        password: or_none(record.password.as_deref()),
        resource: or_none(record.resource.as_ref().map(Resource::as_str)),
        cause: record.cause.into(),
        place: match record.place {
            Place::Joining => PlaceTerm::Joining,
            Place::Joined => PlaceTerm::Joined,
            Place::Out => PlaceTerm::Out,
        },
        autojoin: record.autojoin,
        joined_at: record.joined_at.0,
        seen_at: record.seen_at.0,
        seen_id: or_none(record.seen_id.as_deref()),
        detached_at,
    }
    .encode(env)
}

/// A map as a record.
pub fn decode(term: Term<'_>) -> NifResult<Record> {
    let read: RecordTerm<'_> = term.decode()?;
    Ok(Record {
        nick: Nick::from(read.nick.decode::<&str>()?),
        password: text(read.password)?,
        resource: text(read.resource)?.map(|resource| Resource::from(resource.as_str())),
        cause: match read.cause {
            CauseTerm::Session => Cause::Session,
            CauseTerm::Bookmark => Cause::Bookmark,
            CauseTerm::Command => Cause::Command,
        },
        place: match read.place {
            PlaceTerm::Joining => Place::Joining,
            PlaceTerm::Joined => Place::Joined,
            PlaceTerm::Out => Place::Out,
        },
        autojoin: read.autojoin,
        joined_at: Millis(read.joined_at),
        seen_at: Millis(read.seen_at),
        seen_id: text(read.seen_id)?,
        detached_at: match is_none(read.detached_at) {
            true => None,
            false => Some(Millis(read.detached_at.decode()?)),
        },
    })
}

/// A bookmark, or `none` for one that is gone.
pub fn decode_bookmark(term: Term<'_>) -> NifResult<Option<Bookmark>> {
    if is_none(term) {
        return Ok(None);
    }
    let read: BookmarkTerm<'_> = term.decode()?;
    Ok(Some(Bookmark {
        autojoin: read.autojoin,
        nick: text(read.nick)?.map(|nick| Nick::from(nick.as_str())),
        password: text(read.password)?,
        notify: match is_none(read.notify) {
            true => None,
            false => Some(match read.notify.decode()? {
                NotifyTerm::Always => Notify::Always,
                NotifyTerm::OnMention => Notify::OnMention,
                NotifyTerm::Never => Notify::Never,
            }),
        },
    }))
}

/// Text, or `none`.
pub fn text(term: Term<'_>) -> NifResult<Option<String>> {
    if is_none(term) { Ok(None) } else { Ok(Some(term.decode()?)) }
}

fn is_none(term: Term<'_>) -> bool {
    term.decode::<Atom>().is_ok_and(|atom| atom == atoms::none())
}
