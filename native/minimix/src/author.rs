//! The stanzas that the core writes itself. All are without `to` (the host adds a session's),
//! but for those that go to the room.

use std::str::FromStr;

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

/// The id of a stanza that we ask with.
pub fn own_id(number: u64) -> String {
    format!("minimix-{number}")
}

/// What the account's archive calls a message (XEP-0359 §3).
pub fn archive_id(account: &Account, id: u64) -> Xml {
    let mut element = Builder::default();
    element.open("stanza-id");
    element.attribute("xmlns", "urn:xmpp:sid:0");
    element.attribute("by", account.as_str());
    element.attribute("id", &id.to_string());
    element.finish()
}

/// A presence that says nothing.
pub fn presence() -> Xml {
    let mut presence = Builder::default();
    presence.open("presence");
    presence.attribute("xmlns", NS_CLIENT);
    presence.finish()
}

/// The join of an account that may be in the room: with what it has missed, or as much history as
/// is kept (XEP-0045 §7.2.14).
pub fn join_again(
    presence: &Xml,
    to: &str,
    id: &str,
    password: Option<&str>,
    since: Option<Millis>,
    size: usize,
) -> Xml {
    // Rooms tell the time of their history in whole seconds.
    let since = since.and_then(|at| i64::try_from(at.0 / 1_000).ok()).and_then(|at| {
        let time = Time::<Utc>::from_timestamp(at, 0)?;
        xmpp_parsers::date::DateTime::from_str(&time.to_rfc3339()).ok()
    });
    let history = match since {
        Some(since) => MucHistory { since: Some(since), ..MucHistory::new() },
        None => MucHistory::new().with_maxstanzas(u32::try_from(size).unwrap_or(u32::MAX)),
    };
    let mut muc = Muc::new().with_history(history);
    if let Some(password) = password {
        muc = muc.with_password(password.to_owned());
    }
    let x = Xml::from(&Dom::from(muc));
    let set = [("to", Some(to)), ("from", None), ("id", Some(id))];
    presence.edited(&set, is_clients_own, &[x])
}

/// A question to a room or an occupant.
pub fn question(to: &str, number: u64, namespace: &str) -> Xml {
    asked(to, number, "get", |iq| {
        iq.open("query");
        iq.attribute("xmlns", namespace);
    })
}

/// A ping (XEP-0199).
pub fn ping(to: &str, number: u64) -> Xml {
    asked(to, number, "get", |iq| {
        iq.open("ping");
        iq.attribute("xmlns", "urn:xmpp:ping");
    })
}

/// Accepts what a service thinks right for a new room (XEP-0045 §10.1.2).
pub fn instant_room(room: &RoomJid, number: u64) -> Xml {
    asked(room.as_str(), number, "set", |iq| {
        iq.open("query");
        iq.attribute("xmlns", "http://jabber.org/protocol/muc#owner");
        iq.open("x");
        iq.attribute("xmlns", "jabber:x:data");
        iq.attribute("type", "submit");
    })
}

fn asked(to: &str, number: u64, kind: &str, what: impl FnOnce(&mut Builder)) -> Xml {
    let mut iq = Builder::default();
    iq.open("iq");
    iq.attribute("xmlns", NS_CLIENT);
    iq.attribute("to", to);
    iq.attribute("type", kind);
    iq.attribute("id", &own_id(number));
    what(&mut iq);
    iq.finish()
}

/// The name of an error's condition (RFC 6120 §8.3).
pub fn condition(stanza: Element<'_>) -> Option<&str> {
    let error = stanza.inner("error")?;
    let mut conditions = error
        .children()
        .filter(|child| child.attribute("xmlns") == Some(NS_STANZAS) && child.name() != "text");
    conditions.next().map(|condition| condition.name())
}

/// Tells a session that the account's nick is another one now (XEP-0045 §7.6): `from` the old
/// occupant JID, `own` the self-presence under the new nick.
pub fn renamed(from: &str, own: &Xml, jid: &str, nick: &Nick) -> Xml {
    let item = own.root().child("x", muc_user::NS).and_then(|x| x.inner("item"));
    let mut presence = Builder::default();
    presence.open("presence");
    presence.attribute("xmlns", NS_CLIENT);
    presence.attribute("from", from);
    presence.attribute("type", "unavailable");
    presence.open("x");
    presence.attribute("xmlns", muc_user::NS);
    presence.open("item");
    for (key, value) in item.iter().flat_map(Element::attributes) {
        presence.attribute(key, if key == "jid" { jid } else { value });
    }
    presence.attribute("nick", nick.as_str());
    presence.close();
    status(&mut presence, code::NICK_CHANGED);
    status(&mut presence, code::SELF);
    presence.finish()
}

/// The refusal of a message that the room did not take.
pub fn message_error(room: &RoomJid, message: &Xml) -> Xml {
    let root = message.root();
    let mut error = Builder::default();
    error.open("message");
    error.attribute("xmlns", NS_CLIENT);
    error.attribute("from", room.as_str());
    error.attribute("type", "error");
    for (key, value) in root.attributes().filter(|(key, _)| matches!(*key, "id" | "xml:lang")) {
        error.attribute(key, value);
    }
    for node in root.nodes() {
        error.copy(node);
    }
    add_error(&mut error, StanzaError::RemoteServerTimeout);
    error.finish()
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
    if let Some(words) = words {
        return words.edited(&[("to", Some(to)), ("from", None)], is_clients_own, &[]);
    }
    let mut presence = Builder::default();
    presence.open("presence");
    presence.attribute("xmlns", NS_CLIENT);
    presence.attribute("type", "unavailable");
    presence.attribute("to", to);
    if let Some(id) = id {
        presence.attribute("id", id);
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

/// What lasts of an occupant's presence: not why its role or affiliation has changed.
pub fn lasting(presence: Xml) -> Xml {
    let is_reason = |child: Element<'_>| matches!(child.name(), "reason" | "actor");
    let tells = |item: Element<'_>| item.children().any(is_reason);
    with_items(&presence, tells, |item| item.edited(&[], |child| !is_reason(child), &[]))
        .unwrap_or(presence)
}

/// An occupant's presence as those see it who may not see its address; none where it shows none.
pub fn without_jid(presence: &Xml) -> Option<Xml> {
    let tells = |item: Element<'_>| item.attribute("jid").is_some();
    with_items(presence, tells, |item| item.edited(&[("jid", None)], |_| true, &[]))
}

/// A presence whose items are changed, where there is one to change.
fn with_items(
    presence: &Xml,
    is_meant: impl Fn(Element<'_>) -> bool,
    change: impl Fn(&Xml) -> Xml,
) -> Option<Xml> {
    let x = presence.root().child("x", muc_user::NS)?;
    if !x.children().any(|item| item.name() == "item" && is_meant(item)) {
        return None;
    }
    let mut copy = Builder::default();
    copy.open("x");
    for (key, value) in x.attributes() {
        copy.attribute(key, value);
    }
    for node in x.nodes() {
        match node {
            Node::Element(item) if item.inherits("item", &x) => {
                copy.copy(Node::Element(change(&item.to_xml()).root()));
            }
            node => copy.copy(node),
        }
    }
    let x = copy.finish();
    Some(presence.edited(&[], |child| !child.is("x", muc_user::NS), &[x]))
}

/// The room's presence of our own occupant with the session's address in the place of the
/// account's.
pub fn with_own_jid(own: &Xml, account: &Account, resource: &Resource) -> Xml {
    let jid = format!("{account}/{resource}");
    let has_jid = |item: Element<'_>| item.attribute("jid").is_some();
    let change = |item: &Xml| match item.root().attribute("jid") {
        Some(_) => item.edited(&[("jid", Some(&jid))], |_| true, &[]),
        None => item.clone(),
    };
    with_items(own, has_jid, change).unwrap_or_else(|| own.clone())
}

fn status(builder: &mut Builder, code: u16) {
    builder.open("status");
    builder.attribute("code", &code.to_string());
    builder.close();
}

/// Tells a session that it is out: by its own wish (`codes` empty) or for a reason
/// (XEP-0045 §7.14: role none and 110). `jid` is its own, `own` the account's self-presence,
/// `words` the leaving session's presence.
pub fn unavailable(
    room: &RoomJid,
    nick: &Nick,
    jid: &str,
    own: Option<&Xml>,
    words: Option<&Xml>,
    codes: &[u16],
) -> Xml {
    let item =
        own.and_then(|own| own.root().child("x", muc_user::NS)).and_then(|x| x.inner("item"));
    let affiliation = item.and_then(|item| item.attribute("affiliation")).unwrap_or("none");
    let mut presence = Builder::default();
    presence.open("presence");
    presence.attribute("xmlns", NS_CLIENT);
    presence.attribute("from", &room.occupant(nick));
    presence.attribute("type", "unavailable");
    if let Some(words) = words {
        let words = words.root();
        for (key, value) in words.attributes().filter(|(key, _)| matches!(*key, "id" | "xml:lang"))
        {
            presence.attribute(key, value);
        }
        for child in words.children().filter(|child| child.name() == "status") {
            presence.copy(Node::Element(child));
        }
    }
    if let Some(id) = own.and_then(|own| own.root().child("occupant-id", NS_OCCUPANT_ID)) {
        presence.copy(Node::Element(id));
    }
    presence.open("x");
    presence.attribute("xmlns", muc_user::NS);
    presence.open("item");
    presence.attribute("affiliation", affiliation);
    presence.attribute("role", "none");
    if item.is_some_and(|item| item.attribute("jid").is_some()) {
        presence.attribute("jid", jid);
    }
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

/// The answer to a request that asks for nothing else (RFC 6120 §8.2.3).
pub fn iq_result(from: &str, id: &str) -> Xml {
    let mut iq = Builder::default();
    iq.open("iq");
    iq.attribute("xmlns", NS_CLIENT);
    iq.attribute("from", from);
    iq.attribute("type", "result");
    iq.attribute("id", id);
    iq.finish()
}

/// The error answer to a request that we author, `from` whom was asked or `to` who asked.
pub fn iq_error(direction: &str, jid: &str, id: &str, error: StanzaError) -> Xml {
    let mut iq = Builder::default();
    iq.open("iq");
    iq.attribute("xmlns", NS_CLIENT);
    iq.attribute(direction, jid);
    iq.attribute("type", "error");
    iq.attribute("id", id);
    add_error(&mut iq, error);
    iq.finish()
}

fn add_error(stanza: &mut Builder, error: StanzaError) {
    let (kind, condition) = error.parts();
    stanza.open("error");
    stanza.attribute("type", kind);
    stanza.open(condition);
    stanza.attribute("xmlns", NS_STANZAS);
}

/// A join error that we author (XEP-0045 §7.2.17).
pub fn join_error(from: &str, id: Option<&str>, error: StanzaError) -> Xml {
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
    add_error(&mut presence, error);
    presence.finish()
}

/// The room's error as one of several askers would have got it: with its own `id` and `from`, and
/// with what it had asked for.
pub fn error_for(error: &Xml, from: &str, asked: &Xml) -> Xml {
    let error = error.root();
    let mut copy = Builder::default();
    copy.open("presence");
    for (key, value) in error.attributes().filter(|(key, _)| !matches!(*key, "from" | "id")) {
        copy.attribute(key, value);
    }
    copy.attribute("from", from);
    if let Some(id) = asked.root().attribute("id") {
        copy.attribute("id", id);
    }
    for node in error.nodes() {
        match (node, asked.root().child("x", NS_MUC)) {
            (Node::Element(x), Some(own)) if x.is("x", NS_MUC) => copy.copy(Node::Element(own)),
            (node, _) => copy.copy(node),
        }
    }
    copy.finish()
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
