//! A session is named by the process of its stream.

use minimix::SessionId;
use rustler::sys::ErlNifPid;
use rustler::{LocalPid, NifResult, Term};

/// The session of a process on this node; anything else is a `badarg`.
pub fn session(term: Term<'_>) -> NifResult<SessionId> {
    let pid: LocalPid = term.decode()?;
    Ok(SessionId(word(pid)))
}

/// The process of a session.
#[allow(unsafe_code)]
pub fn process(session: SessionId) -> LocalPid {
    // SAFETY: the word comes from `word`, on the same node: sizes are equal, and a local pid is
    // an immediate term, which points nowhere and outlives every environment.
    LocalPid::from_c_arg(unsafe { std::mem::transmute::<u64, ErlNifPid>(session.0) })
}

#[allow(unsafe_code)]
fn word(pid: LocalPid) -> u64 {
    // SAFETY: `ErlNifPid` is a C structure of one 64-bit word, and every word is a valid u64.
    unsafe { std::mem::transmute::<ErlNifPid, u64>(*pid.as_c_arg()) }
}
