//! Effects of the core to terms.

use std::sync::atomic::{AtomicUsize, Ordering};

use minimix::{Archived, Effect, Effects, Gate, Recall, Resource, StanzaId, Target, Xml};
use rustler::{Atom, Encoder, Env, ResourceArc, Term};

use crate::{atoms, element, pid, record};

/// Stanzas of a replay that one call turns into terms: tens of microseconds.
const CHUNK: usize = 32;

/// Stanzas for a session, handed out in chunks.
pub struct Replay {
    stanzas: Vec<Xml>,
    next: AtomicUsize,
}

#[rustler::resource_impl]
impl rustler::Resource for Replay {}

/// A replay that waits for what the archive holds.
pub struct Recalled(Recall);

#[rustler::resource_impl]
impl rustler::Resource for Recalled {}

/// The first stanzas of a replay, and the replay if there are more.
pub type Effective<'a> = (Vec<Term<'a>>, Term<'a>);

/// The replay with what was found in the archive.
pub fn chosen<'a>(env: Env<'a>, recall: &Recalled, found: Vec<Archived>) -> Effective<'a> {
    let stanzas = recall.0.choose(found);
    chunk(env, ResourceArc::new(Replay { stanzas, next: AtomicUsize::new(0) }))
}

/// The next stanzas.
pub fn chunk<'a>(env: Env<'a>, replay: ResourceArc<Replay>) -> Effective<'a> {
    let from = replay.next.fetch_add(CHUNK, Ordering::Relaxed);
    let rest = replay.stanzas.get(from..).unwrap_or_default();
    let (now, later) = rest.split_at(rest.len().min(CHUNK));
    let terms = now.iter().map(|stanza| element::encode(env, stanza)).collect();
    let more = if later.is_empty() { atoms::done().encode(env) } else { replay.encode(env) };
    (terms, more)
}

/// The resource of the account's occupant address or `none`, and the effects as
/// `minimix_nif:effect()` describes them.
pub fn effects(env: Env<'_>, effects: Effects) -> (Term<'_>, Vec<Term<'_>>) {
    let resource = or_none(env, effects.resource().map(Resource::as_str));
    (resource, effects.into_iter().map(|effect| encode(env, effect)).collect())
}

fn encode(env: Env<'_>, effect: Effect) -> Term<'_> {
    match effect {
        Effect::Pass => atoms::pass().encode(env),
        Effect::AsAccount { id } => (atoms::as_account(), change(env, &id)).encode(env),
        Effect::Send { stanza } => (atoms::send(), element::encode(env, &stanza)).encode(env),
        Effect::Join { epoch, stanza } => {
            (atoms::join(), epoch, element::encode(env, &stanza)).encode(env)
        }
        Effect::Leave { stanza } => (atoms::leave(), element::encode(env, &stanza)).encode(env),
        Effect::Store { record: None } => (atoms::store(), atoms::none()).encode(env),
        Effect::Store { record: Some(record) } => {
            (atoms::store(), record::encode(env, &record)).encode(env)
        }
        Effect::AwaitTurn { urgent } => (atoms::await_turn(), urgent).encode(env),
        Effect::Bookmark { nick } => (atoms::bookmark(), nick.as_str()).encode(env),
        Effect::Dismiss { room } => (atoms::dismiss(), room.as_str()).encode(env),
        Effect::JoinAlone { session, stanza } => {
            let pid = pid::process(session);
            (atoms::join_alone(), pid, element::encode(env, &stanza)).encode(env)
        }
        Effect::Fork { targets, id, own } => {
            (atoms::fork(), all(env, &targets), change(env, &id), own).encode(env)
        }
        Effect::Archive { archive_id, room_id, id, size, is_past } => {
            let room_id = or_none(env, room_id.as_deref());
            (atoms::archive(), archive_id, room_id, change(env, &id), size, is_past).encode(env)
        }
        Effect::Push => atoms::push().encode(env),
        Effect::Retract { room_id } => (atoms::retract(), room_id).encode(env),
        Effect::Recall { recall } => {
            let (since, last) = (recall.since().unwrap_or_default().0, recall.last());
            (atoms::recall(), ResourceArc::new(Recalled(*recall)), since, last).encode(env)
        }
        Effect::Private { targets } => (atoms::private(), all(env, &targets)).encode(env),
        Effect::Deliver { target: to, stanza } => {
            (atoms::deliver(), target(env, &to), element::encode(env, &stanza)).encode(env)
        }
        Effect::Replay { stanzas } => {
            let replay = ResourceArc::new(Replay { stanzas, next: AtomicUsize::new(0) });
            let (first, more) = chunk(env, replay);
            (atoms::replay(), first, more).encode(env)
        }
        Effect::Attached { generation, occupant } => {
            (atoms::attached(), generation, occupant).encode(env)
        }
        Effect::Detached => atoms::detached().encode(env),
        Effect::Reject { error } => {
            let (kind, condition) = error.parts();
            (atoms::reject(), kind, condition).encode(env)
        }
        Effect::Result => atoms::result().encode(env),
        Effect::Invite { session } => (atoms::invite(), pid::process(session)).encode(env),
        Effect::Manage { epoch } => (atoms::manage(), epoch).encode(env),
        Effect::Unmanage { epoch } => (atoms::unmanage(), epoch).encode(env),
        Effect::Wake { at } => (atoms::wake(), at.0).encode(env),
    }
}

fn or_none<'a>(env: Env<'a>, text: Option<&str>) -> Term<'a> {
    text.map_or_else(|| atoms::none().encode(env), |text| text.encode(env))
}

fn all<'a>(env: Env<'a>, targets: &[Target]) -> Vec<Term<'a>> {
    targets.iter().map(|to| target(env, to)).collect()
}

fn target<'a>(env: Env<'a>, to: &Target) -> Term<'a> {
    let gate = match to.gate {
        Gate::Attachment(generation) => generation.encode(env),
        Gate::Nothing => atoms::none().encode(env),
        Gate::Whatever => atoms::any().encode(env),
    };
    (pid::process(to.session), to.resource.as_str(), gate, to.last).encode(env)
}

fn change<'a>(env: Env<'a>, id: &StanzaId) -> Term<'a> {
    let plain = |atom: Atom| atom.encode(env);
    match id {
        StanzaId::Keep => plain(atoms::keep()),
        StanzaId::Remove => plain(atoms::remove()),
        StanzaId::Set(id) => (atoms::set(), id.as_str()).encode(env),
    }
}
