//! Messages in both directions (XEP-0045 §7.4, §7.5, §8.1).

use crate::attachments::Audience;
use crate::control::Kind;
use crate::effect::{Effect, StanzaError, StanzaId, Target};
use crate::history;
use crate::membership::{Cx, Membership, State};
use crate::muc_user::{MucUser, code};
use crate::names::{Millis, Nick, Session};
use crate::xml::{Element, Xml};

const NS_HINTS: &str = "urn:xmpp:hints";

impl Membership {
    /// A message of a session to the room or an occupant.
    pub fn message_from_session(&mut self, cx: &mut Cx<'_>, session: &Session, stanza: Xml) {
        let root = stanza.root();
        if root.attribute("type") == Some("error") {
            // A room expels whoever sends it an error.
            return;
        }
        if self.attachments.attached(session.id).is_none() {
            return cx.reject(StanzaError::NotAcceptable);
        }
        let number = cx.fresh();
        let fresh = || format!("minimix-{number}");
        let id = self.sent.add(session.id, root.attribute("id"), fresh, cx.now);
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
            return;
        }
        let is_history = history::delay_of(root, cx.room).is_some();
        let is_subject = is_subject(root);
        self.history.retract(root, cx.room);
        if matches!(self.state, State::Filling { .. }) {
            match (is_subject, is_history) {
                (true, _) => {
                    self.history.set_subject(cx.interned.share(stanza));
                    return self.filled(cx);
                }
                (false, true) => return self.keep(cx, stanza),
                (false, false) => self.filled(cx),
            }
        } else if self.is_repeated(cx, root) {
            return;
        }
        self.unlock(cx);
        let id = self.reflection(nick.as_ref(), root);
        let stanza = restored(stanza, &id);
        self.config_changed(root_codes(&stanza));
        let targets = self.attachments.audience(Audience::Live, &stanza, None);
        if !targets.is_empty() {
            cx.push(Effect::Fork { targets, id, own: false });
        }
        self.drop_the_stuck(cx);
        if is_subject {
            self.history.change_subject(cx.interned.share(stanza), cx.room, cx.now);
        } else if is_worth_keeping(stanza.root()) {
            self.keep(cx, stanza);
        }
    }

    /// A resync repeats history, and at the end the subject, which the sessions know.
    fn is_repeated(&mut self, cx: &mut Cx<'_>, message: Element<'_>) -> bool {
        if self.burst.is_none() && self.repeats_until <= cx.now {
            return false;
        }
        let is_subject = is_subject(message);
        let is_known = match is_subject {
            true => self.history.is_subject(message),
            false => history::delay_of(message, cx.room).is_some(),
        };
        if is_known && self.burst.is_some() {
            // The self-presence has come, unrecognised: nobody else is in the room.
            self.control.take_if(|control| matches!(control.kind, Kind::Resync));
            self.resynced(cx);
        }
        if is_subject {
            self.repeats_until = Millis::default();
        }
        is_known
    }

    fn keep(&mut self, cx: &mut Cx<'_>, message: Xml) {
        let message = cx.interned.share(message);
        self.history.keep(message, cx.room, cx.now, cx.config.history_size);
    }

    /// The own message comes back (XEP-0045 §7.4): it gets the id that its sender gave it.
    fn reflection(&mut self, nick: Option<&Nick>, root: Element<'_>) -> StanzaId {
        match (nick, root.attribute("id")) {
            (Some(nick), Some(id)) if self.is_own_nick(nick) => {
                self.sent.take(Some(id)).map_or(StanzaId::Keep, |(_, original)| original)
            }
            _ => StanzaId::Keep,
        }
    }

    /// The room's configuration decides what later replays say (XEP-0045 §10.2.1).
    fn config_changed(&mut self, user: MucUser) {
        for code in user.codes() {
            match *code {
                code::NOW_NON_ANONYMOUS => self.non_anonymous = true,
                code::NOW_SEMI_ANONYMOUS => self.non_anonymous = false,
                code::LOGGED => self.logged = true,
                code::NOT_LOGGED => self.logged = false,
                _ => {}
            }
        }
    }

    /// An error reaches the sender of the message alone (XEP-0045 §7.4, §7.5).
    fn message_refused(&mut self, cx: &mut Cx<'_>, error: &Xml) {
        let Some((sender, id)) = self.sent.take(error.root().attribute("id")) else {
            return;
        };
        if let Some(attachment) = self.attachments.attached(sender) {
            let targets = vec![attachment.target(false)];
            cx.push(Effect::Fork { targets, id, own: false });
        }
    }

    /// A private message or one of the room itself reaches every attached session
    /// (XEP-0045 §7.5); a challenge reaches the one that is joining (XEP-0158 §3).
    fn private(&mut self, cx: &mut Cx<'_>, stanza: &Xml) {
        let targets: Vec<Target> = match self.state {
            State::Joining => self.control.iter().filter_map(|c| c.by.clone()).collect(),
            _ => self.attachments.audience(Audience::Presences, stanza, None),
        };
        let waits = self.attachments.iter().any(|attachment| !attachment.is_waiting());
        match (targets.is_empty(), waits) {
            (false, _) => cx.push(Effect::Fork { targets, id: StanzaId::Keep, own: false }),
            (true, true) => {}
            (true, false) => cx.push(Effect::Pass),
        }
    }
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

fn restored(stanza: Xml, id: &StanzaId) -> Xml {
    match id {
        StanzaId::Keep => stanza,
        StanzaId::Set(id) => stanza.edited(&[("id", Some(id))], |_| true, &[]),
        StanzaId::Remove => stanza.edited(&[("id", None)], |_| true, &[]),
    }
}

fn root_codes(stanza: &Xml) -> MucUser {
    MucUser::of(stanza.root())
}
