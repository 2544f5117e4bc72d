//! One account in one room.
//!
//! ```text
//!            join                self-presence            subject, first live
//!            sent                  received               message, or time
//!  (none) ───────► Joining ───────────────────► Filling ─────────────────────► Joined
//!                   │   ▲                          ▲ │                           │
//!             error │   │ somebody waits           │ ├───────────────────────────┤
//!                   ▼   │                 returned │ │ lost        last session's│leave
//!                  Over │                          │ ▼                           ▼
//!                   ▲   │        refused for good Away ◄── restart,           Leaving
//!                   │   │          ┌───────────────┘       bookmark              │
//!                   │   │          ▼                                             │
//!              time └───┴──────── Ended ◄──────── removed by the room, left ─────┘
//! ```
//!
//! What is over stays `Out` while a bookmark says that the account should be there: it comes back
//! when somebody changes that.
//!
//! Joined is what the room confirmed, left is what it confirmed or what timed out.

use crate::address::Address;
use crate::asked::Asked;
use crate::attachments::{Attachment, Attachments};
use crate::author;
use crate::config::Config;
use crate::control::{Control, Kind, Queue};
use crate::detached::Probe;
use crate::doubting::Doubt;
use crate::effect::{Effect, Effects, StanzaError, StanzaId, Target};
use crate::held::Held;
use crate::history::History;
use crate::input::Input;
use crate::intent::Intent;
use crate::interned::Interned;
use crate::names::{Account, Millis, Nick, Resource, RoomJid, Session, SessionId};
use crate::pending::Pending;
use crate::pushing::Folded;
use crate::record::Cause;
use crate::repairing::jitter;
use crate::roster::Roster;
use crate::sent::Sent;
use crate::showing::LostSessions;
use crate::state::{OldNick, State, Step};
use crate::xml::Xml;

/// How long history and subject may take after the self-presence.
pub(crate) const FILLING: u64 = 5_000;
/// How long other sessions wait for the creator of a room to configure it.
pub(crate) const LOCKED: u64 = 10_000;
/// How long a membership that ended still answers for the room.
const TOMBSTONE: u64 = 2 * 60_000;
/// How long a nick that the account held is still taken for its own: as long as a stanza of a
/// session that has not heard of the change may be under way.
const OLD_NICK: u64 = 10_000;
/// Nicks remembered as held a moment ago.
const OLD_NICKS: usize = 8;
/// Each resync re-announces the account to the whole room: at most one in this time.
pub(crate) const RESYNC_PAUSE: u64 = 10_000;

/// What surrounds one input.
pub(crate) struct Cx<'a> {
    pub now: Millis,
    pub config: &'a Config,
    pub room: &'a RoomJid,
    pub account: &'a Account,
    pub is_crowded: bool,
    /// Whether very many bookmarks of the account name rooms where it is not.
    pub is_full: bool,
    /// Whether the room's service is known to refuse bare JIDs.
    pub needs_resource: bool,
    /// Random bits that nobody can guess.
    pub secret: u128,
    /// Under which id the account's archive can keep the message in hand.
    pub archive_id: Option<u64>,
    /// Whether nobody but accounts without sessions is in the room.
    pub is_deserted: bool,
    pub interned: &'a mut Interned,
    pub folded: &'a mut Folded,
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

    /// Gives the stanza in hand to these, if there are any.
    pub fn fork(&mut self, targets: Vec<Target>, id: StanzaId, own: bool) {
        if !targets.is_empty() {
            self.push(Effect::Fork { targets, id, own });
        }
    }

    pub fn reject(&mut self, error: StanzaError) {
        self.push(Effect::Reject { error });
    }

    pub fn full_jid(&self, resource: &Resource) -> String {
        format!("{}/{resource}", self.account)
    }

    pub fn occupant(&self, nick: &Nick) -> String {
        self.room.occupant(nick)
    }

    /// After how long a silence the account pings itself.
    pub fn silence(&self) -> u64 {
        let interval = self.config.ping_interval;
        interval.saturating_add(jitter(self, 0, interval / 8))
    }
}

/// All that is known of one account in one room. A clone is cheap: what is large is shared.
#[derive(Clone, Debug)]
pub(crate) struct Membership {
    pub state: State,
    pub epoch: u64,
    /// Whether it has shown itself to be a room: before that it may as well be a contact.
    pub is_room: bool,
    /// Whether sessions are to join by themselves once the account is out.
    pub is_stopping: bool,
    /// The nick asked for while joining, else the confirmed one.
    pub nick: Nick,
    /// When the room last said something: a long answer is no silence.
    pub heard: Millis,
    /// By which address the room knows the account.
    pub address: Address,
    /// Between the two presences of a nick change: the coming nick.
    pub renaming: Option<Nick>,
    pub old_nicks: Vec<OldNick>,
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
    /// What it repeats and the sessions do not know is given to them.
    pub fills_a_gap: bool,
    pub roster: Roster,
    pub own: Option<Xml>,
    pub room_presence: Option<Xml>,
    pub history: History,
    /// What a room may repeat that knows the account again.
    pub repeats: History,
    /// The last id in the account's archive, of what it was told.
    pub archived: u64,
    pub non_anonymous: bool,
    pub logged: bool,
    /// Who joined, and the codes that the room greeted it with, until it was told.
    pub greeting: Option<(SessionId, Vec<u16>)>,
    /// Who is to configure the new room while nobody else may enter.
    pub locked_by: Option<SessionId>,
    /// A bookmark wants the account back that is on its way out.
    pub comes_back: bool,
    /// A leave is on its way that nobody waits for.
    pub has_said_goodbye: bool,
    /// Not every creator configures: others wait no longer than this.
    pub locked_until: Millis,
    /// What others were last shown of the account.
    pub shown: Option<Xml>,
    pub sent: Sent,
    pub asked: Asked,
    pub pending: Pending,
    /// The id of the last control presence.
    pub last_id: Option<String>,
    /// Sessions that ask themselves whether they are in the room, while nobody knows.
    pub pings: Pending,
    pub arrivals: u64,
    /// What is meant, and stored.
    pub intent: Intent,
    /// Messages that wait until the room knows the account again.
    pub held: Held,
    pub doubt: Doubt,
    /// The nick that is tried in place of one that somebody else has taken.
    pub variant: Option<Nick>,
    /// What the room said of itself before a removal and for whom that was, until it is known
    /// whether it is to be hidden.
    pub farewell: Option<(Xml, Vec<Target>)>,
    /// Who is lost again before then is no quick success.
    pub stable_at: Millis,
    pub relapses: u32,
    /// When the room last took the account back.
    pub repaired_at: Option<Millis>,
    /// When it is to be told the time.
    pub wakes_at: Option<Millis>,
    /// When to ask whether the room is one that nobody needs.
    pub probe: Probe,
}

impl Membership {
    /// A membership of which nothing is known.
    pub fn new(nick: Nick) -> Membership {
        Membership {
            state: State::Over,
            epoch: 0,
            is_room: false,
            is_stopping: false,
            nick,
            heard: Millis::default(),
            address: Address::default(),
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
            fills_a_gap: false,
            roster: Roster::default(),
            own: None,
            room_presence: None,
            history: History::default(),
            repeats: History::default(),
            archived: 0,
            non_anonymous: false,
            logged: false,
            greeting: None,
            locked_by: None,
            comes_back: false,
            has_said_goodbye: false,
            locked_until: Millis::default(),
            shown: None,
            sent: Sent::default(),
            asked: Asked::default(),
            pending: Pending::default(),
            pings: Pending::default(),
            last_id: None,
            arrivals: 0,
            intent: Intent::default(),
            held: Held::default(),
            doubt: Doubt::default(),
            variant: None,
            farewell: None,
            stable_at: Millis::default(),
            relapses: 0,
            repaired_at: None,
            wakes_at: None,
            probe: Probe::default(),
        }
    }

    /// One input in, effects out.
    pub fn handle(&mut self, cx: &mut Cx<'_>, input: Input) {
        self.old_nicks.retain(|old| old.until > cx.now);
        self.begin_to_archive(cx);
        match input {
            Input::FromSession { session, nick, stanza } => {
                self.set_asleep(session.id, false);
                match stanza.root().name() {
                    "presence" => self.presence_from_session(cx, session, nick, stanza),
                    "message" => self.message_from_session(cx, &session, stanza),
                    "iq" => self.iq_from_session(cx, session, nick, &stanza),
                    _ => {}
                }
            }
            Input::FromRoom { nick, stanza, .. } => {
                self.heard = cx.now;
                self.pass_farewell(cx, &stanza);
                match stanza.root().name() {
                    "presence" => self.presence_from_room(cx, nick, stanza),
                    "message" => self.message_from_room(cx, nick, stanza),
                    "iq" => self.iq_from_room(cx, nick, &stanza),
                    _ => {}
                }
            }
            Input::CatchUp { session } => self.serve(cx, &session),
            Input::Declined { epoch } => self.declined(cx, epoch),
            Input::Detach { session, words } => self.detach(cx, session, words.as_ref()),
            // The room answers that itself.
            Input::Stranded { .. } => {}
            Input::Resumed { old, new } => self.resumed(cx, old, new),
            Input::Asleep { session } => self.set_asleep(session, true),
            Input::Restore { record } => self.restore(cx, record),
            Input::Bookmark { bookmark } => self.bookmarked(cx, bookmark),
            Input::Command { command } => self.commanded(cx, command),
            Input::Turn => self.turn(cx),
            Input::Doubt => self.link_broke(cx),
            Input::Gap => self.suspect_a_gap(cx),
            Input::Dismiss => self.dismiss(cx),
            Input::Stop => self.stop(cx),
            Input::Tick => self.tick(cx),
        }
        self.settle(cx);
        self.answer_pings(cx);
        self.remember(cx);
        cx.effects.set_resource(self.address.resource.clone());
    }

    /// Whether the room has confirmed the account as an occupant.
    pub fn is_established(&self) -> bool {
        matches!(self.state, State::Filling { .. } | State::Joined)
    }

    /// Whether nothing but late stanzas is expected.
    pub fn is_out(&self) -> bool {
        matches!(self.state, State::Ended { .. } | State::Out | State::Over)
    }

    /// Whether a nick is the account's, or was a moment ago (XEP-0410 §4).
    pub fn is_own_nick(&self, nick: &Nick) -> bool {
        let was_own = self.old_nicks.iter().any(|old| old.nick == *nick);
        let is_free = || !self.roster.is_forgotten() && self.roster.get(nick).is_none();
        self.nick == *nick || (was_own && is_free())
    }

    /// Whether a session names a nick because it has not heard of the change. Who wanted the
    /// change means what it says.
    pub fn is_meant_as_own(&self, nick: &Nick, session: SessionId) -> bool {
        let by_it = |old: &OldNick| old.nick == *nick && old.changed_by == Some(session);
        self.is_own_nick(nick) && !self.old_nicks.iter().any(by_it)
    }

    pub fn set_nick(&mut self, nick: Nick, changed_by: Option<SessionId>, now: Millis) {
        if nick == self.nick {
            return;
        }
        let old = std::mem::replace(&mut self.nick, nick);
        self.old_nicks.retain(|known| known.nick != self.nick && known.nick != old);
        if self.old_nicks.len() >= OLD_NICKS {
            self.old_nicks.remove(0);
        }
        self.old_nicks.push(OldNick { nick: old, changed_by, until: now.after(OLD_NICK) });
    }

    /// Sends the join of the session that has waited longest.
    pub fn begin(&mut self, cx: &mut Cx<'_>) {
        let Some(first) = self.attachments.iter().next() else {
            self.state = State::Over;
            return;
        };
        let request = first.request.clone();
        let intent = std::mem::take(&mut self.intent);
        let intent = intent.begun(Cause::Session, request.password.clone());
        let (by, shown) = (first.target(false), first.presence.clone());
        // Another session may have used the same id for what has no answer yet.
        let id = match request.id.is_some() && request.id == self.last_id {
            true => Some(author::own_id(cx.fresh())),
            false => request.id.clone(),
        };
        *self = Membership {
            state: State::Joining,
            epoch: cx.fresh(),
            is_room: self.is_room,
            address: self.address.chosen(cx),
            shown: Some(shown),
            attachments: std::mem::take(&mut self.attachments),
            arrivals: self.arrivals,
            sent: std::mem::take(&mut self.sent),
            pending: std::mem::take(&mut self.pending),
            pings: std::mem::take(&mut self.pings),
            last_id: id.clone(),
            intent,
            control: Some(Control {
                id: id.clone(),
                by: Some(by),
                until: cx.now.after(cx.config.join_timeout),
                kind: Kind::Join(Box::new(request.clone())),
            }),
            ..Membership::new(request.nick.clone())
        };
        let to = cx.occupant(&request.nick);
        cx.push(Effect::Manage { epoch: self.epoch });
        let stanza = request.upstream(&to, cx.config.history_size);
        let stanza = stanza.edited(&[("id", id.as_deref())], |_| true, &[]);
        cx.push(Effect::Join { epoch: self.epoch, stanza });
    }

    /// The membership is over; for a while late stanzas of sessions are answered as the room
    /// would, so that none of them joins by itself (XEP-0045 §7.2.18).
    pub fn end(&mut self, cx: &mut Cx<'_>) {
        if self.is_stopping {
            self.let_join_alone(cx);
            return self.forget(cx);
        }
        if !self.attachments.is_empty() {
            return self.begin(cx);
        }
        if self.comes_back {
            return self.enter_bookmarked(cx);
        }
        if cx.is_crowded {
            return self.forget(cx);
        }
        if self.state == State::Joining {
            // A join that has not been sent yet is void.
            self.epoch = cx.fresh();
            cx.push(Effect::Manage { epoch: self.epoch });
        }
        *self = Membership {
            state: State::Ended { until: cx.now.after(TOMBSTONE) },
            epoch: self.epoch,
            is_room: self.is_room,
            address: self.address.clone(),
            arrivals: self.arrivals,
            sent: std::mem::take(&mut self.sent),
            pending: std::mem::take(&mut self.pending),
            pings: std::mem::take(&mut self.pings),
            last_id: self.last_id.take(),
            intent: std::mem::take(&mut self.intent),
            ..Membership::new(self.nick.clone())
        };
    }

    /// Nothing need be remembered but what a bookmark says.
    pub fn forget(&mut self, cx: &mut Cx<'_>) {
        self.state = match self.intent.is_bookmarked() && !self.is_stopping && !cx.is_full {
            true => State::Out,
            false => State::Over,
        };
        self.control = None;
        self.queue = Queue::default();
        cx.push(Effect::Unmanage { epoch: self.epoch });
    }

    fn resumed(&mut self, cx: &mut Cx<'_>, old: SessionId, new: SessionId) {
        if let Some(attachment) = self.attachments.get_mut(old) {
            attachment.session = Session { id: new, resource: attachment.session.resource.clone() };
            attachment.is_asleep = false;
            // An invitation to the old stream has gone with it.
            if attachment.is_due() {
                cx.push(Effect::Invite { session: new });
            }
        }
        let by = self.control.iter_mut().filter_map(|control| control.by.as_mut());
        let nick = self.queue.nick.iter_mut().filter_map(|change| change.by.as_mut());
        let leave = self.queue.leave.iter_mut().map(|leave| &mut leave.by);
        let farewell = self.farewell.iter_mut().flat_map(|(_, targets)| targets);
        for target in
            by.chain(nick).chain(leave).chain(farewell).filter(|target| target.session == old)
        {
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
        self.held.resumed(old, new);
        self.sent.resumed(old, new);
        self.asked.resumed(old, new);
        self.pending.resumed(old, new);
        self.pings.resumed(old, new);
    }

    /// When it next wants to be told the time.
    pub fn next_time(&self, cx: &Cx<'_>) -> Option<Millis> {
        let shown = self.attachments.iter().any(Attachment::is_attached);
        let state = match self.state {
            State::Filling { until } | State::Ended { until } => Some(until),
            State::Joining => self.end_of_burst(),
            State::Away(absence) => {
                let hidden = shown.then_some(absence.hidden_until);
                let pause = match absence.step {
                    Step::Pausing { until } => Some(until),
                    Step::Queued => None,
                    Step::Asking => self.end_of_burst(),
                };
                hidden.into_iter().chain(pause).min()
            }
            State::Joined => self.doubts_at(cx.silence()),
            State::Leaving | State::Out | State::Over => None,
        };
        let control = self.control.as_ref().map(|control| control.until);
        let waiting = self.attachments.iter().filter_map(Attachment::waits_until);
        let asks = self.queue.resync || self.queue.gap;
        let resyncs = asks && self.control.is_none() && self.is_established();
        let resync = resyncs.then_some(self.resync_after);
        let locked = self.locked_by.map(|_| self.locked_until);
        let (lonely, probe) = (self.dismissed_at(cx.config), self.probe.at());
        let (lost, pending) = (self.lost.next(), self.pending.next());
        let pings = self.pings.next();
        let times = [state, control, resync, locked, lost, pending, pings, lonely, probe];
        times.into_iter().flatten().chain(waiting).min()
    }
}
