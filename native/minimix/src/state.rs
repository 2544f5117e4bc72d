//! Where an account is on its way through a room.

use crate::names::{Millis, Nick, SessionId};

/// Where the account is on its way through the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The join is under way.
    Joining,
    /// The room confirmed; history and subject are due until then.
    Filling { until: Millis },
    /// The room confirmed and told everything.
    Joined,
    /// The room does not know the account, which is meant to be there.
    Away(Absence),
    /// The last session left; the room has not confirmed yet.
    Leaving,
    /// It is over; late stanzas of sessions are answered as the room would, until then.
    Ended { until: Millis },
    /// It is over; what its bookmark says is remembered.
    Out,
    /// There is nothing to remember.
    Over,
}

/// How the account comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Absence {
    /// Until then attached sessions are told nothing.
    pub hidden_until: Millis,
    /// How often it was tried in vain.
    pub attempts: u32,
    /// What comes next.
    pub step: Step,
}

/// The steps of each attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing until then.
    Pausing { until: Millis },
    /// The host tells when the service may be asked.
    Queued,
    /// The join is under way.
    Asking,
}

/// A nick that the account had.
#[derive(Clone, Debug)]
pub(crate) struct OldNick {
    pub nick: Nick,
    /// The session that wanted another one: it knows.
    pub changed_by: Option<SessionId>,
    pub until: Millis,
}
