//! Losing a room without anybody's wish, and coming back: technical removals, crashed rooms,
//! broken links, restarts (XEP-0045 §9, §17.3; XEP-0410).

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::attachments::{Attachment, Audience};
use crate::author;
use crate::control::{Control, Kind, NickChange};
use crate::effect::{Effect, StanzaId};
use crate::held;
use crate::membership::{Cx, FILLING, Membership, RESYNC_PAUSE};
use crate::muc_user::{MucUser, code};
use crate::names::{Millis, Nick};
use crate::roster::Roster;
use crate::state::{Absence, State, Step};
use crate::xml::Xml;

/// How long sessions that are in the room are not told that it has lost the account.
const HIDDEN: u64 = 10_000;
/// The pause before the first attempt, and the unit of all others.
const PAUSE: u64 = 1_000;
/// Who is lost again within this time goes on with the pauses where it was.
const STABLE: u64 = 60_000;
/// How much the clocks of two servers may differ. What is told twice for that is told apart.
const CLOCKS: u64 = 60_000;
/// The longest pause.
const MAX_PAUSE: u64 = 10 * 60_000;
/// A nick that somebody else has taken meanwhile is varied so often.
const MAX_VARIANTS: usize = 3;
/// Bytes that a nick may have (RFC 7622 §3.4).
const MAX_NICK: usize = 1_023;
/// Refusals that last.
const FINAL: [&str; 8] = [
    "forbidden",
    "gone",
    "item-not-found",
    "jid-malformed",
    "not-allowed",
    "not-authorized",
    "policy-violation",
    "registration-required",
];

/// Something between nothing and `range`, for ever the same for this account in this room: what
/// has one cause does not happen at one time.
pub(crate) fn jitter(cx: &Cx<'_>, number: u32, range: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (cx.account, cx.room, number).hash(&mut hasher);
    hasher.finish() % range.max(1)
}

impl Membership {
    /// The room no longer knows the account. Who is in the room hears nothing for a while.
    pub fn lost(&mut self, cx: &mut Cx<'_>) {
        self.forget_the_way();
        let attempts = if cx.now < self.stable_at { self.relapses.saturating_add(1) } else { 0 };
        self.relapses = attempts;
        let until = cx.now.after(self.pause(cx, attempts));
        let hidden_until = cx.now.after(HIDDEN);
        self.state = State::Away(Absence { hidden_until, attempts, step: Step::Pausing { until } });
    }

    /// The account is meant to be in the room, which has not heard of it.
    pub fn set_out(&mut self, cx: &mut Cx<'_>) {
        self.state = State::Away(Absence {
            hidden_until: cx.now,
            attempts: 0,
            step: Step::Pausing { until: cx.now },
        });
        self.epoch = cx.fresh();
        cx.push(Effect::Manage { epoch: self.epoch });
    }

    fn forget_the_way(&mut self) {
        self.doubt.close();
        self.control = None;
        self.burst = None;
        self.renaming = None;
        self.greeting = None;
        self.locked_by = None;
    }

    /// Time has passed while the account was away.
    pub fn tick_away(&mut self, cx: &mut Cx<'_>, absence: Absence) {
        if absence.hidden_until <= cx.now {
            self.admit_the_loss(cx);
        }
        if matches!(absence.step, Step::Pausing { until } if until <= cx.now) {
            self.state = State::Away(Absence { step: Step::Queued, ..absence });
            cx.push(Effect::AwaitTurn { urgent: !self.attachments.is_empty() });
        }
    }

    /// It has lasted too long to be hidden.
    fn admit_the_loss(&mut self, cx: &mut Cx<'_>) {
        self.refuse_held(cx);
        for lost in self.attachments.take(Attachment::is_attached) {
            self.tell_out(cx, lost.target(true), &[code::TECHNICAL]);
        }
        self.roster = Roster::default();
    }

    /// Somebody comes: this is no time to pause.
    pub fn hurry(&mut self, cx: &mut Cx<'_>) {
        let State::Away(absence) = &mut self.state else {
            return;
        };
        match &mut absence.step {
            Step::Pausing { until } => {
                let soon = cx.now.after(if absence.attempts == 0 { 0 } else { PAUSE });
                *until = soon.min(*until);
            }
            Step::Queued => cx.push(Effect::AwaitTurn { urgent: true }),
            Step::Asking => {}
        }
    }

    /// The service may be asked.
    pub fn turn(&mut self, cx: &mut Cx<'_>) {
        let State::Away(absence) = self.state else {
            return;
        };
        if absence.step != Step::Queued {
            return;
        }
        self.state = State::Away(Absence { step: Step::Asking, ..absence });
        let presence = self.wanted(cx).unwrap_or_else(author::presence);
        let nick = self.variant.as_ref().unwrap_or(&self.nick);
        let (to, id) = (cx.occupant(nick), author::own_id(cx.fresh()));
        let password = self.intent.password.as_deref();
        let (size, seen) = (cx.config.history_size, self.intent.seen.as_ref());
        let since = seen.filter(|_| size > 0);
        let since = since.map(|(at, _)| Millis(at.0.saturating_sub(CLOCKS)));
        let stanza = author::join_again(&presence, &to, &id, password, since, size);
        self.shown = Some(presence);
        self.burst = Some(Roster::default());
        self.heard = cx.now;
        self.control = Some(Control {
            kind: Kind::Return,
            id: Some(id),
            by: None,
            until: cx.now.after(cx.config.join_timeout),
        });
        cx.push(match self.intent.joined_at {
            Some(_) => Effect::Send { stanza },
            None => Effect::Join { epoch: self.epoch, stanza },
        });
    }

    /// The room knows the account again: the stanza in hand says so, or time that has passed.
    pub fn returned(&mut self, cx: &mut Cx<'_>, nick: Nick, own: &Xml, is_in_hand: bool) {
        let user = MucUser::of(own.root());
        self.control = None;
        self.renaming = None;
        self.state = State::Filling { until: cx.now.after(FILLING) };
        if user.has(code::CREATED) && !self.create_again(cx) {
            return;
        }
        if let Some(burst) = &mut self.burst {
            // A room that marks nothing has told it among the others.
            burst.remove(&nick);
            self.roster.remove(&nick);
        }
        let taken = self.burst.as_ref().and_then(|burst| burst.get(&self.nick).cloned());
        self.rename_unasked(cx, nick, own);
        let before = self.own.replace(cx.interned.share(author::lasting(own.clone())));
        self.non_anonymous = user.has(code::NON_ANONYMOUS);
        self.logged = user.has(code::LOGGED);
        if self.intent.joined_at.replace(self.intent.joined_at.unwrap_or(cx.now)).is_some() {
            self.repaired_at = Some(cx.now);
        }
        self.stable_at = cx.now.after(STABLE);
        self.resync_after = cx.now.after(RESYNC_PAUSE);
        self.resynced(cx);
        // What is repeated is told apart until then.
        self.repeats_until = Millis::default();
        self.repeats = self.history.clone();
        let state = |own: Xml| author::lasting(own).edited(&[("id", None)], |_| true, &[]);
        if before.map(state) != Some(state(own.clone())) {
            match is_in_hand {
                true => self.fork_nameless(cx, own),
                false => self.show_itself(cx, own),
            }
        }
        if let Some(other) = taken {
            for target in self.attachments.audience(Audience::Presences, &other, None) {
                cx.push(Effect::Deliver { target, stanza: other.clone() });
            }
        }
        self.queue.update = true;
    }

    fn show_itself(&mut self, cx: &mut Cx<'_>, own: &Xml) {
        for target in self.attachments.audience(Audience::Presences, own, Some(cx.account)) {
            let codes = [code::SELF];
            let stanza = author::self_presence(own, &codes, cx.account, &target.resource, None);
            cx.push(Effect::Deliver { target, stanza });
        }
    }

    /// The room had vanished: for nobody it is not made again.
    fn create_again(&mut self, cx: &mut Cx<'_>) -> bool {
        if self.attachments.is_empty() {
            self.queue.goodbye = true;
            return false;
        }
        let number = cx.fresh();
        cx.push(Effect::Send { stanza: author::instant_room(cx.room, number) });
        true
    }

    /// The account has come back under another nick: its sessions see a nick change
    /// (XEP-0045 §7.6).
    fn rename_unasked(&mut self, cx: &mut Cx<'_>, nick: Nick, own: &Xml) {
        self.variant = None;
        self.intent.regain.take_if(|lost| *lost == nick);
        if nick == self.nick {
            return;
        }
        let before = self.nick.clone();
        for attachment in self.attachments.iter().filter(|attachment| attachment.is_attached()) {
            let jid = cx.full_jid(&attachment.session.resource);
            let stanza = author::renamed(&cx.occupant(&before), own, &jid, &nick);
            cx.push(Effect::Deliver { target: attachment.target(false), stanza });
        }
        self.own = None;
        self.set_nick(nick, None, cx.now);
    }

    /// The room did not let the account in again.
    pub fn return_refused(&mut self, cx: &mut Cx<'_>, error: &Xml) {
        self.control = None;
        let condition = author::condition(error.root()).unwrap_or_default();
        if condition == "conflict" && self.vary_nick(cx) {
            return;
        }
        if self.has_another_address(cx, condition) {
            cx.push(Effect::Manage { epoch: self.epoch });
            return self.try_at_once(cx);
        }
        for asker in self.attachments.take(Attachment::is_waiting) {
            self.hand_error(cx, &asker, error);
        }
        match FINAL.contains(&condition) {
            true => self.give_up_the_room(cx),
            false => self.try_later(cx),
        }
    }

    /// Somebody else has the nick: another one will do meanwhile.
    fn vary_nick(&mut self, cx: &mut Cx<'_>) -> bool {
        let original = self.intent.regain.as_ref().unwrap_or(&self.nick).clone();
        let tried = self.variant.as_ref().unwrap_or(&self.nick);
        let variants = tried.as_str().len().saturating_sub(original.as_str().len());
        if variants >= MAX_VARIANTS || tried.as_str().len() >= MAX_NICK {
            return false;
        }
        self.variant = Some(Nick::from(format!("{tried}_").as_str()));
        self.intent.regain = Some(original);
        self.try_at_once(cx);
        true
    }

    /// Asked by another nick than it knows, the room changes the nick and tells nothing else.
    pub fn ask_by_nick(&mut self, cx: &Cx<'_>, absence: Absence, nick: Nick) {
        let is_asking = absence.step == Step::Asking;
        if is_asking && nick != *self.variant.as_ref().unwrap_or(&self.nick) {
            // That was an earlier change. What was asked by this nick is about to be another one.
            return;
        }
        self.variant = Some(nick).filter(|nick| *nick != self.nick);
        if is_asking {
            self.control = None;
            self.try_at_once(cx);
        }
    }

    fn try_at_once(&mut self, cx: &Cx<'_>) {
        if let State::Away(absence) = self.state {
            self.burst = None;
            let step = Step::Pausing { until: cx.now };
            self.state = State::Away(Absence { step, ..absence });
        }
    }

    /// The next attempt comes after a pause that grows.
    pub fn try_later(&mut self, cx: &mut Cx<'_>) {
        let State::Away(absence) = self.state else {
            return;
        };
        self.burst = None;
        let attempts = absence.attempts.saturating_add(1);
        let step = Step::Pausing { until: cx.now.after(self.pause(cx, attempts)) };
        self.state = State::Away(Absence { attempts, step, ..absence });
    }

    /// It doubles with each attempt, and differs between accounts.
    fn pause(&self, cx: &Cx<'_>, attempts: u32) -> u64 {
        let pause = (PAUSE << attempts.min(20)).min(MAX_PAUSE);
        match attempts {
            0 => jitter(cx, 0, pause),
            _ => pause - jitter(cx, attempts, pause / 4),
        }
    }

    /// The account is not to be there.
    pub fn give_up_the_room(&mut self, cx: &mut Cx<'_>) {
        self.admit_the_loss(cx);
        self.end(cx);
    }

    /// A nick that was somebody else's meanwhile is free.
    pub fn regain(&mut self, free: &Nick) {
        if self.intent.regain.as_ref() == Some(free) && self.is_established() {
            self.queue.nick = Some(NickChange { nick: free.clone(), by: None, id: None });
        }
    }

    /// What the room did not take goes out again, once.
    pub fn send_held(&mut self, cx: &mut Cx<'_>) {
        for held::Message { session, stanza } in self.held.take() {
            let number = cx.fresh();
            let fresh = || author::own_id(number);
            let original = stanza.root().attribute("id");
            let change = self.sent.add(session, original, fresh, cx.now);
            let to = cx.room.to_string();
            let id = match &change {
                StanzaId::Set(id) => Some(id.as_str()),
                StanzaId::Keep | StanzaId::Remove => original,
            };
            let set = [("to", Some(to.as_str())), ("from", None), ("id", id)];
            cx.push(Effect::Send { stanza: stanza.edited(&set, |_| true, &[]) });
        }
    }

    fn refuse_held(&mut self, cx: &mut Cx<'_>) {
        for message in self.held.take() {
            self.refuse(cx, &message);
        }
    }

    /// The sender of a message learns that it has not arrived.
    pub fn refuse(&self, cx: &mut Cx<'_>, message: &held::Message) {
        if let Some(attachment) = self.attachments.attached(message.session) {
            let target = attachment.target(false);
            let stanza = author::message_error(cx.room, &message.stanza);
            cx.push(Effect::Deliver { target, stanza });
        }
    }
}
