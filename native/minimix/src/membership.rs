//! One account in one room.
//!
//! ```text
//!            join                self-presence            subject, first live
//!            sent                  received               message, or time
//!  (none) ───────► Joining ───────────────────► Filling ─────────────────────► Joined
//!                   │   ▲                          │                             │
//!             error │   │ somebody waits           └─────────┬───────────────────┘
//!                   ▼   │                      last session's│leave      removed│by the room
//!                  Over ├──────── left ◄──────────────── Leaving                │
//!                   ▲   │          │                                            │
//!                   │   │          ▼                                            │
//!              time └───┴──────── Ended ◄───────────────────────────────────────┘
//! ```
//!
//! Joined is what the room confirmed, left is what it confirmed or what timed out.

use crate::asked::Asked;
use crate::attachments::{Attachments, Phase};
use crate::author;
use crate::config::Config;
use crate::control::{Control, Kind, Queue};
use crate::effect::{Effect, Effects, StanzaError, Target};
use crate::history::History;
use crate::input::Input;
use crate::interned::Interned;
use crate::names::{Account, Millis, Nick, RoomJid, Session, SessionId};
use crate::roster::Roster;
use crate::sent::Sent;
use crate::showing::{self, LostSessions};
use crate::xml::Xml;

/// How long history and subject may take after the self-presence.
pub(crate) const FILLING: u64 = 5_000;
/// How long other sessions wait for the creator of a room to configure it.
pub(crate) const LOCKED: u64 = 10_000;
/// How long a membership that ended still answers for the room.
const TOMBSTONE: u64 = 2 * 60_000;
/// How long a nick that the account held is still taken for its own.
const OLD_NICK: u64 = 2 * 60_000;
/// Nicks remembered as held a moment ago.
const OLD_NICKS: usize = 8;
/// Each resync re-announces the account to the whole room: at most one in this time.
const RESYNC_PAUSE: u64 = 10_000;

/// What surrounds one input.
pub(crate) struct Cx<'a> {
    pub now: Millis,
    pub config: &'a Config,
    pub room: &'a RoomJid,
    pub account: &'a Account,
    pub interned: &'a mut Interned,
    pub counter: &'a mut u64,
    pub effects: Effects,
}

impl Cx<'_> {
    /// A number that was never used before in this room.
    pub fn fresh(&mut self) -> u64 {
        *self.counter += 1;
        *self.counter
    }

    pub fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub fn reject(&mut self, error: StanzaError) {
        self.push(Effect::Reject { error });
    }

    pub fn occupant(&self, nick: &Nick) -> String {
        self.room.occupant(nick)
    }
}

/// Where the account is on its way through the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The join is under way.
    Joining,
    /// The room confirmed; history and subject are due until then.
    Filling { until: Millis },
    /// The room confirmed and told everything.
    Joined,
    /// The last session left; the room has not confirmed yet.
    Leaving,
    /// It is over; late stanzas of sessions are answered as the room would, until then.
    Ended { until: Millis },
    /// There is nothing to remember.
    Over,
}

/// All that is known of one account in one room. A clone is cheap: what is large is shared.
#[derive(Clone, Debug)]
pub(crate) struct Membership {
    pub state: State,
    pub epoch: u64,
    /// The nick asked for while joining, else the confirmed one.
    pub nick: Nick,
    /// When the room last said something: a long answer is no silence.
    pub heard: Millis,
    /// Between the two presences of a nick change: the coming nick.
    pub renaming: Option<Nick>,
    pub old_nicks: Vec<(Nick, Millis)>,
    pub attachments: Attachments,
    pub lost: LostSessions,
    pub control: Option<Control>,
    pub queue: Queue,
    pub resync_after: Millis,
    /// What a resync under way has been told so far.
    pub burst: Option<Roster>,
    /// Whether a self-presence repeats the id of the presence that it answers.
    pub echoes_ids: bool,
    /// Until then a resync repeats history and subject.
    pub repeats_until: Millis,
    pub roster: Roster,
    pub own: Option<Xml>,
    pub room_presence: Option<Xml>,
    pub history: History,
    pub non_anonymous: bool,
    pub logged: bool,
    /// Who joined, and the codes that the room greeted it with, until it was told.
    pub greeting: Option<(SessionId, Vec<u16>)>,
    /// Who is to configure the new room while nobody else may enter.
    pub locked_by: Option<SessionId>,
    /// A leave is on its way that nobody waits for.
    pub has_said_goodbye: bool,
    /// Not every creator configures: others wait no longer than this.
    pub locked_until: Millis,
    /// What others were last shown of the account.
    pub shown: Option<Xml>,
    pub sent: Sent,
    pub asked: Asked,
    pub arrivals: u64,
}

impl Membership {
    /// A membership of which nothing is known.
    pub fn new(nick: Nick) -> Membership {
        Membership {
            state: State::Over,
            epoch: 0,
            nick,
            heard: Millis::default(),
            renaming: None,
            old_nicks: Vec::new(),
            attachments: Attachments::default(),
            lost: LostSessions::default(),
            control: None,
            queue: Queue::default(),
            resync_after: Millis::default(),
            burst: None,
            echoes_ids: false,
            repeats_until: Millis::default(),
            roster: Roster::default(),
            own: None,
            room_presence: None,
            history: History::default(),
            non_anonymous: false,
            logged: false,
            greeting: None,
            locked_by: None,
            has_said_goodbye: false,
            locked_until: Millis::default(),
            shown: None,
            sent: Sent::default(),
            asked: Asked::default(),
            arrivals: 0,
        }
    }

    /// One input in, effects out.
    pub fn handle(&mut self, cx: &mut Cx<'_>, input: Input) {
        self.old_nicks.retain(|(_, until)| *until > cx.now);
        match input {
            Input::FromSession { session, nick, stanza } => match stanza.root().name() {
                "presence" => self.presence_from_session(cx, session, nick, stanza),
                "message" => self.message_from_session(cx, &session, stanza),
                "iq" => self.iq_from_session(cx, &session, nick, &stanza),
                _ => {}
            },
            Input::FromRoom { nick, stanza } => {
                self.heard = cx.now;
                match stanza.root().name() {
                    "presence" => self.presence_from_room(cx, nick, stanza),
                    "message" => self.message_from_room(cx, nick, stanza),
                    "iq" => self.iq_from_room(cx, nick, &stanza),
                    _ => {}
                }
            }
            Input::CatchUp { session } => self.serve(cx, &session),
            Input::Answered { session, granted: true } => self.configured(cx, session),
            Input::Answered { granted: false, .. } => {}
            Input::Detach { session } => self.detach(cx, session),
            Input::Resumed { old, new } => self.resumed(cx, old, new),
            Input::Stop => self.stop(cx),
            Input::Tick => self.tick(cx),
        }
        self.settle(cx);
    }

    /// Whether the room has confirmed the account as an occupant.
    pub fn is_established(&self) -> bool {
        matches!(self.state, State::Filling { .. } | State::Joined)
    }

    /// Whether a nick is the account's, or was a moment ago (XEP-0410 §4).
    pub fn is_own_nick(&self, nick: &Nick) -> bool {
        self.nick == *nick || self.old_nicks.iter().any(|(old, _)| old == nick)
    }

    pub fn set_nick(&mut self, nick: Nick, now: Millis) {
        if nick == self.nick {
            return;
        }
        let old = std::mem::replace(&mut self.nick, nick);
        self.old_nicks.retain(|(nick, _)| *nick != self.nick && *nick != old);
        if self.old_nicks.len() >= OLD_NICKS {
            self.old_nicks.remove(0);
        }
        self.old_nicks.push((old, now.after(OLD_NICK)));
    }

    /// Sends the join of the session that has waited longest.
    pub fn begin(&mut self, cx: &mut Cx<'_>) {
        let Some(first) = self.attachments.iter().next() else {
            self.state = State::Over;
            return;
        };
        let request = first.request.clone();
        let (by, shown) = (first.target(false), first.presence.clone());
        *self = Membership {
            state: State::Joining,
            epoch: cx.fresh(),
            shown: Some(shown),
            attachments: std::mem::take(&mut self.attachments),
            arrivals: self.arrivals,
            sent: std::mem::take(&mut self.sent),
            control: Some(Control {
                id: request.id.clone(),
                by: Some(by),
                until: cx.now.after(cx.config.join_timeout),
                kind: Kind::Join(Box::new(request.clone())),
            }),
            ..Membership::new(request.nick.clone())
        };
        let to = cx.occupant(&request.nick);
        cx.push(Effect::Manage { epoch: self.epoch });
        cx.push(Effect::Send { stanza: request.upstream(&to, cx.config.history_size) });
    }

    /// The membership is over; for a while late stanzas of sessions are answered as the room
    /// would, so that none of them joins by itself (XEP-0045 §7.2.18).
    pub fn end(&mut self, cx: &mut Cx<'_>) {
        if !self.attachments.is_empty() {
            return self.begin(cx);
        }
        *self = Membership {
            state: State::Ended { until: cx.now.after(TOMBSTONE) },
            epoch: self.epoch,
            arrivals: self.arrivals,
            sent: std::mem::take(&mut self.sent),
            ..Membership::new(self.nick.clone())
        };
    }

    /// Nothing need be remembered.
    pub fn forget(&mut self, cx: &mut Cx<'_>) {
        self.state = State::Over;
        self.control = None;
        cx.push(Effect::Unmanage { epoch: self.epoch });
    }

    fn resumed(&mut self, cx: &mut Cx<'_>, old: SessionId, new: SessionId) {
        if let Some(attachment) = self.attachments.get_mut(old) {
            attachment.session = Session { id: new, resource: attachment.session.resource.clone() };
            // An invitation to the old stream has gone with it.
            if attachment.is_due() {
                cx.push(Effect::Invite { session: new });
            }
        }
        let by = self.control.iter_mut().filter_map(|control| control.by.as_mut());
        let nick = self.queue.nick.iter_mut().map(|change| &mut change.by);
        let leave = self.queue.leave.iter_mut().map(|leave| &mut leave.by);
        for target in by.chain(nick).chain(leave).filter(|target| target.session == old) {
            target.session = new;
        }
        if self.locked_by == Some(old) {
            self.locked_by = Some(new);
        }
        if let Some((greeted, _)) = &mut self.greeting
            && *greeted == old
        {
            *greeted = new;
        }
        self.sent.resumed(old, new);
        self.asked.resumed(old, new);
    }

    /// Sends the next control presence when none is in flight.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        if self.control.is_some() || matches!(self.state, State::Joining) {
            return;
        }
        if let Some(leave) = self.queue.leave.take() {
            self.state = State::Leaving;
            let id = leave.words.root().attribute("id").map(String::from);
            let stanza = author::leave(&cx.occupant(&self.nick), id.as_deref(), Some(&leave.words));
            return self.send(cx, Kind::Leave, id, Some(leave.by), stanza);
        }
        if !self.is_established() {
            return;
        }
        if self.queue.resync && self.resync_after <= cx.now {
            return self.resync(cx);
        }
        if let Some(change) = self.queue.nick.take()
            && change.nick != self.nick
            && let Some(wanted) = self.wanted(cx)
        {
            let stanza = author::update(&wanted, &cx.occupant(&change.nick), change.id.as_deref());
            return self.send(cx, Kind::Nick(wanted), change.id, Some(change.by), stanza);
        }
        if std::mem::take(&mut self.queue.update) {
            self.update(cx);
        }
    }

    fn resync(&mut self, cx: &mut Cx<'_>) {
        self.queue.resync = false;
        let Some(waiting) = self.attachments.waiting().next() else {
            return;
        };
        let Some(wanted) = self.wanted(cx) else {
            return;
        };
        let (to, id) = (cx.occupant(&self.nick), format!("minimix-{}", cx.fresh()));
        let stanza = waiting.request.again(&wanted, &to, &id);
        self.shown = Some(wanted);
        self.resync_after = cx.now.after(RESYNC_PAUSE);
        self.burst = Some(Roster::default());
        self.send(cx, Kind::Resync, Some(id), None, stanza);
    }

    fn update(&mut self, cx: &mut Cx<'_>) {
        if let Some(wanted) = self.wanted(cx)
            && self.shown.as_ref() != Some(&wanted)
        {
            let stanza = author::update(&wanted, &cx.occupant(&self.nick), None);
            self.shown = Some(wanted);
            self.send(cx, Kind::Update, None, None, stanza);
        }
    }

    /// What others should see of the account.
    fn wanted(&self, cx: &Cx<'_>) -> Option<Xml> {
        showing::best(&self.attachments, &self.lost)
            .cloned()
            .or_else(|| author::offline_presence(cx.config.offline_presence))
            .or_else(|| self.shown.clone())
    }

    pub fn send(
        &mut self,
        cx: &mut Cx<'_>,
        kind: Kind,
        id: Option<String>,
        by: Option<Target>,
        stanza: Xml,
    ) {
        let until = cx.now.after(cx.config.join_timeout);
        self.control = Some(Control { kind, id, by, until });
        cx.push(Effect::Send { stanza });
    }

    /// When it next wants to be told the time.
    pub fn next_time(&self) -> Option<Millis> {
        let state = match self.state {
            State::Filling { until } | State::Ended { until } => Some(until),
            State::Joining => self.end_of_burst(),
            State::Joined | State::Leaving | State::Over => None,
        };
        let control = self.control.as_ref().map(|control| control.until);
        let waiting = self.attachments.iter().filter_map(|attachment| match attachment.phase {
            Phase::Waiting { until } => Some(until),
            Phase::Presences { .. } | Phase::Live { .. } => None,
        });
        let resyncs = self.queue.resync && self.control.is_none() && self.is_established();
        let resync = resyncs.then_some(self.resync_after);
        let locked = self.locked_by.map(|_| self.locked_until);
        let times = [state, control, resync, locked, self.lost.next()];
        times.into_iter().flatten().chain(waiting).min()
    }
}
