//! The stanzas that the core writes itself. All are without `to` (the host adds a session's),
//! but for those that go to the room.

use chrono::{DateTime as Time, SecondsFormat, Utc};
use minidom::Element as Dom;
use xmpp_parsers::muc::Muc;
use xmpp_parsers::muc::muc::History as MucHistory;

use crate::config::OfflinePresence;
use crate::effect::StanzaError;
use crate::history::NS_DELAY;
use crate::muc_user::{self, MucUser, code};
use crate::names::{Account, Millis, Nick, Resource, RoomJid};
use crate::request::NS_MUC;
use crate::xml::{Builder, Element, Node, Xml};

const NS_CLIENT: &str = "jabber:client";
const NS_STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
const NS_OCCUPANT_ID: &str = "urn:xmpp:occupant-id:0";

/// The join of the account: the session's own presence with the history that the account wants
/// (XEP-0045 §7.2.1, §7.2.14).
pub fn join(presence: &Xml, to: &str, password: Option<&str>, history: usize) -> Xml {
    let mut muc = Muc::new().with_history(
        MucHistory::new().with_maxstanzas(u32::try_from(history).unwrap_or(u32::MAX)),
    );
    if let Some(password) = password {
        muc = muc.with_password(password.to_owned());
    }
    let x = Xml::from(&Dom::from(muc));
    presence.edited(&[("to", Some(to)), ("from", None)], is_clients_own, &[x])
}

/// A presence update or nick change: a session's presence as it may be shown to the room.
pub fn update(presence: &Xml, to: &str, id: Option<&str>) -> Xml {
    presence.edited(&[("to", Some(to)), ("from", None), ("id", id)], is_clients_own, &[])
}

/// A presence without what only rooms say, and without addresses and id: what others see of it.
pub fn shown(presence: &Xml) -> Xml {
    presence.edited(&[("to", None), ("from", None), ("id", None)], is_clients_own, &[])
}

fn is_clients_own(child: Element<'_>) -> bool {
    let rooms = [NS_MUC, muc_user::NS, NS_DELAY, NS_OCCUPANT_ID];
    !child.attribute("xmlns").is_some_and(|namespace| rooms.contains(&namespace))
}

/// What others see when no session is attached.
pub fn offline_presence(policy: OfflinePresence) -> Option<Xml> {
    let show = match policy {
        OfflinePresence::Xa => "xa",
        OfflinePresence::Away => "away",
        OfflinePresence::Keep => return None,
    };
    let mut presence = Builder::default();
    presence.open("presence");
    presence.attribute("xmlns", NS_CLIENT);
    presence.open("show");
    presence.text(show);
    Some(presence.finish())
}

/// The account leaves (XEP-0045 §7.14), with the leaving session's words.
pub fn leave(to: &str, id: Option<&str>, words: Option<&Xml>) -> Xml {
    let mut presence = Builder::default();
    presence.open("presence");
    presence.attribute("xmlns", NS_CLIENT);
    presence.attribute("type", "unavailable");
    presence.attribute("to", to);
    if let Some(id) = id {
        presence.attribute("id", id);
    }
    if let Some(words) = words {
        for child in words.root().children().filter(|child| is_clients_own(*child)) {
            presence.copy(Node::Element(child));
        }
    }
    presence.finish()
}

/// The self-presence of a replay: what the room said last, with the codes that fit now and the
/// session's own address (XEP-0045 §7.2.2, §7.2.3, §7.2.12).
pub fn self_presence(
    own: &Xml,
    codes: &[u16],
    account: &Account,
    resource: &Resource,
    id: Option<&str>,
) -> Xml {
    let own = with_own_jid(own, account, resource);
    let x = own.root().child("x", muc_user::NS);
    let mut copy = Builder::default();
    copy.open("x");
    copy.attribute("xmlns", muc_user::NS);
    for (key, value) in x.iter().flat_map(Element::attributes).filter(|(key, _)| *key != "xmlns") {
        copy.attribute(key, value);
    }
    for node in x.iter().flat_map(Element::nodes) {
        match node {
            Node::Element(child) if child.name() == "status" => {}
            node => copy.copy(node),
        }
    }
    for code in codes {
        status(&mut copy, *code);
    }
    let x = copy.finish();
    own.edited(&[("id", id)], |child| !child.is("x", muc_user::NS), &[x])
}

/// The room's presence of our own occupant with the session's address in the place of the
/// account's.
pub fn with_own_jid(own: &Xml, account: &Account, resource: &Resource) -> Xml {
    let Some(x) = own.root().child("x", muc_user::NS) else {
        return own.clone();
    };
    let mut copy = Builder::default();
    copy.open("x");
    for (key, value) in x.attributes() {
        copy.attribute(key, value);
    }
    for node in x.nodes() {
        match node {
            Node::Element(item) if item.inherits("item", &x) => {
                copy_item(&mut copy, item, account, resource);
            }
            node => copy.copy(node),
        }
    }
    let x = copy.finish();
    own.edited(&[], |child| !child.is("x", muc_user::NS), &[x])
}

fn copy_item(copy: &mut Builder, item: Element<'_>, account: &Account, resource: &Resource) {
    copy.open("item");
    for (key, value) in item.attributes() {
        match key {
            "jid" => copy.attribute("jid", &format!("{account}/{resource}")),
            _ => copy.attribute(key, value),
        }
    }
    for node in item.nodes() {
        copy.copy(node);
    }
    copy.close();
}

fn status(builder: &mut Builder, code: u16) {
    builder.open("status");
    builder.attribute("code", &code.to_string());
    builder.close();
}

/// Tells a session that it is out: by its own wish (`codes` empty) or for a reason
/// (XEP-0045 §7.14: role none and 110). `own` is the account's self-presence, `words` the
/// leaving session's presence.
pub fn unavailable(
    room: &RoomJid,
    nick: &Nick,
    own: Option<&Xml>,
    words: Option<&Xml>,
    codes: &[u16],
) -> Xml {
    let affiliation = own
        .and_then(|own| own.root().child("x", muc_user::NS))
        .and_then(|x| x.inner("item"))
        .and_then(|item| item.attribute("affiliation"))
        .unwrap_or("none");
    let mut presence = Builder::default();
    presence.open("presence");
    presence.attribute("xmlns", NS_CLIENT);
    presence.attribute("from", &room.occupant(nick));
    presence.attribute("type", "unavailable");
    if let Some(words) = words {
        let words = words.root();
        if let Some(id) = words.attribute("id") {
            presence.attribute("id", id);
        }
        for child in words.children().filter(|child| child.name() == "status") {
            presence.copy(Node::Element(child));
        }
    }
    presence.open("x");
    presence.attribute("xmlns", muc_user::NS);
    presence.open("item");
    presence.attribute("affiliation", affiliation);
    presence.attribute("role", "none");
    presence.close();
    status(&mut presence, code::SELF);
    for code in codes {
        status(&mut presence, *code);
    }
    presence.finish()
}

/// Tells the attached sessions that an occupant has gone whom a resync no longer found.
pub fn gone(from: &str, last: &Xml) -> Xml {
    let jid = MucUser::of(last.root()).jid;
    let mut presence = Builder::default();
    presence.open("presence");
    presence.attribute("xmlns", NS_CLIENT);
    presence.attribute("from", from);
    presence.attribute("type", "unavailable");
    presence.open("x");
    presence.attribute("xmlns", muc_user::NS);
    presence.open("item");
    presence.attribute("affiliation", "none");
    presence.attribute("role", "none");
    if let Some(jid) = jid {
        presence.attribute("jid", &jid);
    }
    presence.finish()
}

/// A join error that we author (XEP-0045 §7.2.17).
pub fn join_error(from: &str, id: Option<&str>, error: StanzaError) -> Xml {
    let (kind, condition) = error.parts();
    let mut presence = Builder::default();
    presence.open("presence");
    presence.attribute("xmlns", NS_CLIENT);
    presence.attribute("from", from);
    presence.attribute("type", "error");
    if let Some(id) = id {
        presence.attribute("id", id);
    }
    presence.open("x");
    presence.attribute("xmlns", NS_MUC);
    presence.close();
    presence.open("error");
    presence.attribute("type", kind);
    presence.open(condition);
    presence.attribute("xmlns", NS_STANZAS);
    presence.finish()
}

/// The room's error as one of several askers would have got it: its own `id` and `from`.
pub fn error_for(error: &Xml, from: &str, id: Option<&str>) -> Xml {
    error.edited(&[("from", Some(from)), ("id", id)], |_| true, &[])
}

/// When a message was sent (XEP-0203).
pub fn delay(room: &RoomJid, at: Millis) -> Xml {
    let time = i64::try_from(at.0).ok().and_then(Time::<Utc>::from_timestamp_millis);
    let mut delay = Builder::default();
    delay.open("delay");
    delay.attribute("xmlns", NS_DELAY);
    delay.attribute("from", room.as_str());
    delay
        .attribute("stamp", &time.unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true));
    delay.finish()
}

/// The subject of a room that has none (XEP-0045 §7.2.15).
pub fn no_subject(room: &RoomJid) -> Xml {
    let mut message = Builder::default();
    message.open("message");
    message.attribute("xmlns", NS_CLIENT);
    message.attribute("from", room.as_str());
    message.attribute("type", "groupchat");
    message.open("subject");
    message.finish()
}
