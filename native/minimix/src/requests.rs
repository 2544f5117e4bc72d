//! IQs in both directions (XEP-0045 §17.4) and self-ping (XEP-0410).

use crate::attachments::Phase;
use crate::effect::{Effect, StanzaError, StanzaId};
use crate::membership::{Cx, Membership};
use crate::names::{Nick, Session};
use crate::xml::{Element, Xml};

const NS_PING: &str = "urn:xmpp:ping";
const NS_OWNER: &str = "http://jabber.org/protocol/muc#owner";
/// Requests that a room grants by the role of the asking occupant.
const BY_ROLE: [&str; 6] = [
    "http://jabber.org/protocol/muc#admin",
    NS_OWNER,
    "jabber:iq:register",
    "urn:xmpp:captcha",
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
        session: &Session,
        nick: Option<Nick>,
        stanza: &Xml,
    ) {
        let root = stanza.root();
        let is_request = matches!(root.attribute("type"), Some("get" | "set"));
        let knows = self.attachments.get(session.id).is_some();
        let attached = self.attachments.attached(session.id).is_some();
        match nick {
            nick if !is_request => self.answer_from_session(cx, session, nick.as_ref(), root),
            None if knows && BY_ROLE.contains(&namespace(root)) => {
                let configures =
                    namespace(root) == NS_OWNER && root.attribute("type") == Some("set");
                let tell = configures && self.locked_by == Some(session.id);
                cx.push(Effect::Request { tell });
            }
            None => cx.push(Effect::Pass),
            Some(_) if !attached => cx.reject(StanzaError::NotAcceptable),
            Some(nick) if namespace(root) == NS_PING && self.is_own_nick(&nick) => {
                cx.push(Effect::Result);
            }
            Some(_) => cx.push(Effect::Request { tell: false }),
        }
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
        } else if nick.is_none() {
            cx.push(Effect::Pass);
        }
    }

    /// An IQ of the room or an occupant to the account: one stable session answers it.
    pub fn iq_from_room(&mut self, cx: &mut Cx<'_>, nick: Option<Nick>, stanza: &Xml) {
        let root = stanza.root();
        if !matches!(root.attribute("type"), Some("get" | "set")) {
            return;
        }
        if ABOUT_ACCOUNT.contains(&namespace(root)) {
            return cx.push(Effect::Pass);
        }
        let live = |phase: &Phase| matches!(phase, Phase::Live { .. });
        match self.attachments.iter().find(|attachment| live(&attachment.phase)) {
            Some(attachment) => {
                let targets = vec![attachment.target(false)];
                let id = root.attribute("id").unwrap_or_default().to_owned();
                self.asked.add(attachment.session.id, nick, id);
                cx.push(Effect::Fork { targets, id: StanzaId::Keep, own: false });
            }
            None if namespace(root) == NS_PING => cx.push(Effect::Result),
            None => cx.reject(StanzaError::ServiceUnavailable),
        }
    }
}

/// What a request is about.
fn namespace(iq: Element<'_>) -> &str {
    iq.children().next().and_then(|child| child.attribute("xmlns")).unwrap_or_default()
}
