//! Messages in both directions (XEP-0045 §7.4, §7.5, §8.1).

use crate::attachments::{Attachment, Audience};
use crate::author;
use crate::control::Kind;
use crate::effect::{Effect, StanzaError, StanzaId, Target};
use crate::held;
use crate::history::{self, Said};
use crate::membership::{Cx, Membership};
use crate::muc_user::{self, MucUser, code};
use crate::names::{Millis, Nick, Session};
use crate::sent::Taken;
use crate::state::State;
use crate::xml::{Element, Xml};

const NS_CAPTCHA: &str = "urn:xmpp:captcha";
/// What a room, or its service, answers to whom it does not know.
const TO_STRANGERS: [&str; 2] = ["not-acceptable", "item-not-found"];
const NS_HINTS: &str = "urn:xmpp:hints";

impl Membership {
    /// A message of a session to the room or an occupant.
    pub fn message_from_session(&mut self, cx: &mut Cx<'_>, session: &Session, stanza: Xml) {
        let root = stanza.root();
        let kind = root.attribute("type");
        match kind {
            // It may be for a contact; a room refuses it.
            _ if !self.is_room && kind != Some("groupchat") => return cx.push(Effect::Pass),
            // A room expels whoever sends it an error.
            Some("error") => return,
            // The room knows best why.
            _ if self.is_out() => return cx.push(Effect::Pass),
            _ => {}
        }
        if self.attachments.attached(session.id).is_none() {
            return cx.reject(StanzaError::NotAcceptable);
        }
        if matches!(self.state, State::Away(_)) && kind == Some("groupchat") {
            let message = held::Message { session: session.id, stanza: stanza.clone() };
            if self.held.add(message).is_err() {
                cx.reject(StanzaError::ResourceConstraint);
            }
            return;
        }
        let number = cx.fresh();
        let fresh = || author::own_id(number);
        let id = self.sent.add(session.id, root.attribute("id"), fresh, cx.now);
        if kind == Some("groupchat") {
            self.sent.keep(&stanza);
        }
        cx.push(Effect::AsAccount { id });
    }

    /// A message of the room or an occupant.
    pub fn message_from_room(&mut self, cx: &mut Cx<'_>, nick: Option<Nick>, stanza: Xml) {
        match stanza.root().attribute("type") {
            Some("groupchat") => self.groupchat(cx, nick, stanza),
            Some("error") => self.message_refused(cx, &stanza),
            _ => self.private(cx, &stanza),
        }
    }

    fn groupchat(&mut self, cx: &mut Cx<'_>, nick: Option<Nick>, stanza: Xml) {
        if self.state == State::Joining {
            self.establish_unmarked(cx);
        }
        let root = stanza.root();
        if self.state == State::Leaving && self.burst.is_some() {
            // The leave waits for the end of what a resync repeats.
            self.is_repeated(cx, root);
        }
        if !self.is_established() {
            self.reflection(nick.as_ref(), root);
            return;
        }
        let is_history = history::delay_of(root, cx.room).is_some();
        let is_subject = is_subject(root);
        self.history.retract(&stanza, cx.room, cx.now);
        if matches!(self.state, State::Filling { .. }) {
            match (is_subject, is_history) {
                (true, _) => {
                    if !self.history.is_subject(root) {
                        let targets = self.attachments.audience(Audience::Live, &stanza, None);
                        cx.fork(targets, StanzaId::Keep, false);
                    }
                    self.history.set_subject(cx.interned.share(stanza));
                    return self.filled(cx);
                }
                (false, true) if self.repeats.take(root, cx.room) => return,
                (false, true) => return self.missed(cx, nick.as_ref(), stanza),
                (false, false) => self.filled(cx),
            }
        } else if self.is_repeated(cx, root) {
            // What came live after the question was asked is known as well.
            let is_known = || self.history.holds(root, cx.room);
            if self.fills_a_gap && is_history && !self.repeats.take(root, cx.room) && !is_known() {
                self.missed(cx, nick.as_ref(), stanza);
            }
            return;
        }
        self.unlock(cx);
        let id = self.reflection(nick.as_ref(), root);
        let said = restored(stanza, &id);
        if nick.is_none() {
            self.config_changed(cx, root_codes(&said.message));
        }
        let archive_id = self.archive(cx, said.message.root(), &id, false);
        let targets = match archive_id.filter(|_| self.attachments.iter().any(Attachment::is_due)) {
            Some(id) => {
                let known = [author::archive_id(cx.account, id)];
                let message = said.message.edited(&[], |_| true, &known);
                self.attachments.audience(Audience::Live, &message, None)
            }
            None => self.attachments.audience(Audience::Live, &said.message, None),
        };
        cx.fork(targets, id, false);
        self.push(cx, &said.message);
        self.drop_the_stuck(cx);
        if is_subject {
            self.history.change_subject(cx.interned.share(said.message), cx.room, cx.now);
        } else if is_worth_keeping(said.message.root()) {
            self.keep(cx, Said { archive_id, ..said }, false);
        }
    }

    /// Sessions that have been in the room all the time are given what they have missed.
    fn missed(&mut self, cx: &mut Cx<'_>, nick: Option<&Nick>, stanza: Xml) {
        let id = self.reflection(nick, stanza.root());
        let said = restored(stanza, &id);
        self.archive(cx, said.message.root(), &id, true);
        let targets = self.attachments.audience(Audience::Live, &said.message, None);
        cx.fork(targets, id, false);
        self.keep(cx, said, true);
    }

    /// A resync repeats history, and at the end the subject, which the sessions know.
    fn is_repeated(&mut self, cx: &mut Cx<'_>, message: Element<'_>) -> bool {
        if self.burst.is_none() && self.repeats_until <= cx.now {
            return false;
        }
        let is_subject = is_subject(message);
        let is_known = match is_subject {
            true => self.history.is_subject(message),
            false => history::is_past(message, cx.room, &self.history),
        };
        if is_known && is_subject && self.burst.is_some() {
            // The self-presence has come, unrecognised: nobody else is in the room.
            self.control.take_if(|control| matches!(control.kind, Kind::Resync));
            self.resynced(cx);
        }
        if is_subject {
            self.repeats_until = Millis::default();
        }
        is_known
    }

    fn keep(&mut self, cx: &mut Cx<'_>, said: Said, is_past: bool) {
        let stanza_id = history::stanza_id(said.message.root(), cx.room).map(String::from);
        self.intent.seen = Some((cx.now, stanza_id));
        let said = Said { message: cx.interned.share(said.message), ..said };
        let limit = cx.config.history_size;
        match is_past {
            true => self.history.keep_past(said, cx.room, cx.now, limit),
            false => self.history.keep(said, cx.now, limit),
        }
    }

    /// The own message comes back (XEP-0045 §7.4): it gets the id that its sender gave it.
    fn reflection(&mut self, nick: Option<&Nick>, root: Element<'_>) -> StanzaId {
        if !nick.is_some_and(|nick| self.is_own_nick(nick)) {
            return StanzaId::Keep;
        }
        let known = root.attribute("id").and_then(|id| self.sent.take(Some(id)));
        if known.is_none() {
            self.sent.take_said(root.inner("body"));
        }
        known.map_or(StanzaId::Keep, |taken| taken.id)
    }

    /// The room's configuration decides what later replays say (XEP-0045 §10.2.1).
    fn config_changed(&mut self, cx: &mut Cx<'_>, user: MucUser) {
        for code in user.codes() {
            match *code {
                code::NOW_NON_ANONYMOUS => self.set_anonymity(cx, true),
                code::NOW_SEMI_ANONYMOUS => self.set_anonymity(cx, false),
                code::LOGGED => self.logged = true,
                code::NOT_LOGGED => self.logged = false,
                _ => {}
            }
        }
    }

    fn set_anonymity(&mut self, cx: &mut Cx<'_>, non_anonymous: bool) {
        let before = self.sees_addresses();
        self.non_anonymous = non_anonymous;
        self.sight_changed(cx, before);
    }

    /// Whether the room shows the account the addresses of others (XEP-0045 §4.1, §4.2).
    pub fn sees_addresses(&self) -> bool {
        let own = self.own.as_ref().map(|own| MucUser::of(own.root()));
        self.non_anonymous || own.is_some_and(|own| own.moderates)
    }

    /// Who sees addresses no more shows none to those who come; addresses that may be seen from now
    /// on only the room can tell.
    pub fn sight_changed(&mut self, cx: &mut Cx<'_>, before: bool) {
        match (before, self.sees_addresses()) {
            (false, true) => self.roster.forget(),
            (true, false) => {
                let hidden: Vec<(Nick, Xml)> = self
                    .roster
                    .iter()
                    .filter_map(|(nick, last)| Some((nick.clone(), author::without_jid(last)?)))
                    .collect();
                for (nick, last) in hidden {
                    self.roster.apply(nick, cx.interned.share(last));
                }
            }
            _ => {}
        }
    }

    /// An error reaches the sender of the message alone (XEP-0045 §7.4, §7.5).
    fn message_refused(&mut self, cx: &mut Cx<'_>, error: &Xml) {
        let Some(Taken { session: sender, id, stanza }) =
            self.sent.take(error.root().attribute("id"))
        else {
            if !self.is_room {
                cx.push(Effect::Pass);
            }
            return;
        };
        let is_strange =
            author::condition(error.root()).is_some_and(|is| TO_STRANGERS.contains(&is));
        let is_here = self.is_established() && self.resync_after <= cx.now;
        let is_away = matches!(self.state, State::Away(_));
        if let Some(stanza) = stanza.filter(|_| is_strange && (is_here || is_away)) {
            let message = held::Message { session: sender, stanza };
            if self.held.add(message).is_ok() {
                if is_here {
                    self.lost(cx);
                }
                return;
            }
        }
        if let Some(attachment) = self.attachments.attached(sender) {
            let targets = vec![attachment.target(false)];
            cx.fork(targets, id, false);
        }
    }

    /// A private message or one of the room itself reaches every attached session
    /// (XEP-0045 §7.5); a challenge reaches the one that is joining (XEP-0158 §3).
    fn private(&mut self, cx: &mut Cx<'_>, stanza: &Xml) {
        if self.state == State::Joining && stanza.root().child("captcha", NS_CAPTCHA).is_some() {
            let targets = self.control.iter().filter_map(|control| control.by.clone()).collect();
            return cx.fork(targets, StanzaId::Keep, false);
        }
        if is_invitation(stanza.root()) {
            // It is for the person, whatever session is in the room.
            return cx.push(Effect::Pass);
        }
        let targets: Vec<Target> = self.attachments.audience(Audience::Presences, stanza, None);
        let waits = self.attachments.iter().any(Attachment::is_attached);
        match (targets.is_empty(), waits) {
            (false, _) => cx.push(Effect::Private { targets }),
            (true, true) => {}
            (true, false) => cx.push(Effect::Pass),
        }
    }
}

/// A mediated invitation (XEP-0045 §7.8.2).
fn is_invitation(message: Element<'_>) -> bool {
    message.child("x", muc_user::NS).is_some_and(|x| x.inner("invite").is_some())
}

/// The messages by which a room tells its subject (XEP-0045 §8.1).
fn is_subject(message: Element<'_>) -> bool {
    message.inner("subject").is_some()
        && message.inner("body").is_none()
        && message.inner("thread").is_none()
}

/// Rooms keep what people read (XEP-0045 §7.2.13), unless its sender objects (XEP-0334).
fn is_worth_keeping(message: Element<'_>) -> bool {
    message.inner("body").is_some() && message.child("no-store", NS_HINTS).is_none()
}

fn restored(stanza: Xml, id: &StanzaId) -> Said {
    let original = match id {
        StanzaId::Keep => return Said { message: stanza, id: None, archive_id: None },
        StanzaId::Set(original) => Some(original.as_str()),
        StanzaId::Remove => None,
    };
    let id = stanza.root().attribute("id").map(String::from);
    let message = stanza.edited(&[("id", original)], |_| true, &[]);
    Said { message, id, archive_id: None }
}

fn root_codes(stanza: &Xml) -> MucUser {
    MucUser::of(stanza.root())
}
