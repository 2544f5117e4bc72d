//! IQs in both directions (XEP-0045 §17.4) and self-ping (XEP-0410).

use crate::attachments::Attachment;
use crate::author;
use crate::effect::{Effect, StanzaError, StanzaId, Target};
use crate::membership::{Cx, Membership};
use crate::names::{Nick, Session};
use crate::pending::Question;
use crate::showing;
use crate::xml::{Element, Xml};

const NS_PING: &str = "urn:xmpp:ping";
const NS_OWNER: &str = "http://jabber.org/protocol/muc#owner";
/// Requests that a room grants by the role of the asking occupant.
const BY_ROLE: [&str; 7] = [
    "http://jabber.org/protocol/muc#admin",
    NS_OWNER,
    "jabber:iq:register",
    "urn:xmpp:captcha",
    "urn:xmpp:fasten:0",
    "urn:xmpp:message-moderate:0",
    "urn:xmpp:message-moderate:1",
];
/// Requests about the account that its own server answers.
const ABOUT_ACCOUNT: [&str; 3] =
    ["vcard-temp", "urn:ietf:params:xml:ns:vcard-4.0", "http://jabber.org/protocol/pubsub"];

impl Membership {
    /// An IQ of a session to the room or an occupant.
    pub fn iq_from_session(
        &mut self,
        cx: &mut Cx<'_>,
        session: Session,
        nick: Option<Nick>,
        stanza: &Xml,
    ) {
        let root = stanza.root();
        let is_request = matches!(root.attribute("type"), Some("get" | "set"));
        let knows = self.attachments.get(session.id).is_some();
        let attached = self.attachments.attached(session.id).is_some();
        match nick {
            nick if !is_request => self.answer_from_session(cx, &session, nick.as_ref(), root),
            None if knows && BY_ROLE.contains(&namespace(root)) => {
                let configures =
                    namespace(root) == NS_OWNER && root.attribute("type") == Some("set");
                self.ask(cx, session, None, root, configures);
            }
            None => cx.push(Effect::Pass),
            Some(_) if self.is_out() || (!self.is_room && !knows) => cx.push(Effect::Pass),
            Some(_) if !attached => cx.reject(StanzaError::NotAcceptable),
            Some(nick) if namespace(root) == NS_PING && self.is_own_nick(&nick) => {
                match self.is_in_doubt() {
                    true => {
                        let id = root.attribute("id").unwrap_or_default();
                        self.share_the_doubt(cx, session, nick, id);
                    }
                    false => cx.push(Effect::Result),
                }
            }
            nick => self.ask(cx, session, nick, root, false),
        }
    }

    fn ask(
        &mut self,
        cx: &mut Cx<'_>,
        session: Session,
        nick: Option<Nick>,
        root: Element<'_>,
        configures: bool,
    ) {
        let (number, id) = (cx.fresh(), root.attribute("id").unwrap_or_default());
        let (id, given_up) = self.pending.add(session, nick, id, configures, number, cx.now);
        cx.push(Effect::AsAccount { id: StanzaId::Set(id) });
        for question in given_up {
            self.give_up(cx, &question);
        }
    }

    /// The session learns that its request has no answer.
    pub fn give_up(&self, cx: &mut Cx<'_>, question: &Question) {
        let from =
            question.to.as_ref().map_or_else(|| cx.room.to_string(), |nick| cx.occupant(nick));
        let error = StanzaError::RemoteServerTimeout;
        let stanza = author::iq_error("from", &from, &question.id, error);
        cx.push(Effect::Deliver { target: question.asker(), stanza });
    }

    /// Only who was asked may answer, and once.
    fn answer_from_session(
        &mut self,
        cx: &mut Cx<'_>,
        session: &Session,
        nick: Option<&Nick>,
        root: Element<'_>,
    ) {
        let id = root.attribute("id").unwrap_or_default();
        if self.asked.take(session.id, nick, id) {
            cx.push(Effect::AsAccount { id: StanzaId::Keep });
        } else if nick.is_none() || !self.is_room {
            cx.push(Effect::Pass);
        }
    }

    /// An IQ of the room or an occupant to the account: one stable session answers it.
    pub fn iq_from_room(&mut self, cx: &mut Cx<'_>, nick: Option<Nick>, stanza: &Xml) {
        let root = stanza.root();
        if !matches!(root.attribute("type"), Some("get" | "set")) {
            return self.answer_from_room(cx, nick.as_ref(), root);
        }
        if !self.is_room || ABOUT_ACCOUNT.contains(&namespace(root)) {
            return cx.push(Effect::Pass);
        }
        let is_live = |attachment: &&Attachment| attachment.live().is_some();
        match showing::speaker(self.attachments.iter().filter(is_live)) {
            Some(attachment) => {
                let targets = vec![attachment.target(false)];
                let id = root.attribute("id").unwrap_or_default().to_owned();
                self.asked.add(attachment.session.id, nick, id);
                cx.fork(targets, StanzaId::Keep, false);
            }
            None if namespace(root) == NS_PING => cx.push(Effect::Result),
            None => cx.reject(StanzaError::ServiceUnavailable),
        }
    }

    /// The answer to a request goes to who asked, attached or not: the end of a room, for
    /// instance, is told before it is confirmed to its owner.
    fn answer_from_room(&mut self, cx: &mut Cx<'_>, nick: Option<&Nick>, root: Element<'_>) {
        let id = root.attribute("id").unwrap_or_default();
        if self.is_answer_to_doubt(cx, nick, root) || self.is_answer_to_probe(cx, root) {
            return;
        }
        let Some(question) = self.pending.take(nick, id) else {
            if self.address.resource.is_some() {
                // A session may have that resource, too.
                cx.push(Effect::Pass);
            }
            return;
        };
        let targets: Vec<Target> = vec![question.asker()];
        let is_granted = root.attribute("type") == Some("result");
        if question.configures && is_granted {
            self.unlock(cx);
        }
        cx.fork(targets, StanzaId::Set(question.id), false);
    }
}

/// What a request is about.
fn namespace(iq: Element<'_>) -> &str {
    iq.children().next().and_then(|child| child.attribute("xmlns")).unwrap_or_default()
}
