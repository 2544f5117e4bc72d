//! What the naive room does with what it is sent.

use minimix::Xml;

use crate::room::{JIDS, Occupant, PASSWORD, Room, Says, Scope, Up};
use crate::stanza::{self, NS_DELAY, NS_MODEL, NS_MUC, element, stanza as build};

impl Room {
    /// A stanza of an account arrives, or one of a session that leaked as itself.
    pub fn receive(&mut self, up: &Up, now: u64) -> Result<(), String> {
        if stanza::kind(&up.stanza) == Some("error") && up.stanza.root().name() != "iq" {
            return Err(format!("I5: an error towards the room: {}", up.stanza));
        }
        let is_leave = stanza::kind(&up.stanza) == Some("unavailable");
        if let Some(account) = JIDS.iter().position(|jid| *jid == up.from)
            && self.refuses[account]
            && !is_leave
        {
            self.refuses[account] = false;
            self.refuse(up, "modify", "policy-violation");
            return Ok(());
        }
        match up.stanza.root().name() {
            "presence" if is_leave => self.exit(up),
            "presence" => self.presence_of(up, now),
            _ if stanza::is_groupchat(&up.stanza) => self.groupchat(up, now),
            "message" => self.whisper(up),
            "iq" => self.ping(up),
            _ => {}
        }
        Ok(())
    }

    /// XEP-0410 §3.2: a ping of oneself, as only the account sends any.
    fn ping(&mut self, up: &Up) {
        let Some(nick) = &up.nick else { return };
        let from = self.address(nick);
        let id = stanza::id(&up.stanza);
        let answer = match self.occupant(&up.from) {
            Some(_) => {
                build("iq", &[("from", Some(&from)), ("type", Some("result")), ("id", id)], &[])
            }
            None => stanza::error(&up.stanza, &from, "cancel", "not-acceptable"),
        };
        self.send(&up.from, Scope::Pong, false, None, answer);
    }

    fn exit(&mut self, up: &Up) {
        let Some(gone) = self.occupant(&up.from).cloned() else { return };
        let says = Says { unavailable: true, id: stanza::id(&up.stanza), ..Says::default() };
        self.tell_all(&gone, &says, Scope::Out, Some(up.ticket));
        self.remove(&up.from);
    }

    fn presence_of(&mut self, up: &Up, now: u64) {
        let Some(nick) = up.nick.clone() else { return self.refuse(up, "modify", "jid-malformed") };
        let is_join = up.stanza.root().child("x", NS_MUC).is_some();
        let wanted = self.accepted_nick(&nick);
        match self.occupant(&up.from).cloned() {
            Some(known) if known.nick != wanted => self.rename(up, known, &wanted),
            Some(known) => {
                let presence = payload(&up.stanza);
                let changed = Occupant { presence, ..known };
                self.put(changed.clone());
                match is_join {
                    true => self.greet(&changed, up, &[], now),
                    false => {
                        let says = Says { id: stanza::id(&up.stanza), ..Says::default() };
                        self.tell_all(&changed, &says, Scope::Live, Some(up.ticket));
                    }
                }
            }
            None if is_join || self.style.lets_in_anybody => self.enter(up, &nick, &wanted, now),
            None => self.refuse(up, "cancel", "item-not-found"),
        }
    }

    fn put(&mut self, occupant: Occupant) {
        if let Some(known) = self.occupant_mut(&occupant.jid) {
            *known = occupant;
        }
    }

    fn rename(&mut self, up: &Up, known: Occupant, wanted: &str) {
        if self.is_taken(wanted, &up.from) {
            return self.refuse(up, "cancel", "conflict");
        }
        let id = stanza::id(&up.stanza);
        self.say_renamed(&known, wanted, payload(&up.stanza), id, Some(up.ticket));
    }

    pub fn say_renamed(
        &mut self,
        known: &Occupant,
        wanted: &str,
        presence: Xml,
        id: Option<&str>,
        ticket: Option<u64>,
    ) {
        let gone =
            Says { unavailable: true, codes: &[303], new_nick: Some(wanted), ..Says::default() };
        self.tell_all(known, &gone, Scope::Live, None);
        let renamed = Occupant { nick: wanted.to_owned(), presence, ..known.clone() };
        self.put(renamed.clone());
        self.tell_all(&renamed, &Says { id, ..Says::default() }, Scope::Live, ticket);
    }

    fn enter(&mut self, up: &Up, nick: &str, wanted: &str, now: u64) {
        let password = up.stanza.root().child("x", NS_MUC).and_then(|x| x.inner("password"));
        let is_new = !self.exists;
        if self.is_locked {
            return self.refuse(up, "cancel", "item-not-found");
        } else if self.affiliation(&up.from) == "outcast" {
            return self.refuse(up, "auth", "forbidden");
        } else if self.password && password.map(|text| text.text()).as_deref() != Some(PASSWORD) {
            return self.refuse(up, "auth", "not-authorized");
        } else if self.is_taken(wanted, &up.from) {
            return self.refuse(up, "cancel", "conflict");
        }
        if is_new {
            self.exists = true;
            self.is_locked = true;
            self.affiliations.insert(crate::room::bare(&up.from).to_owned(), "owner");
        }
        let occupant = Occupant {
            jid: up.from.clone(),
            nick: wanted.to_owned(),
            role: self.role_on_entering(&up.from),
            affiliation: self.affiliation(&up.from),
            presence: payload(&up.stanza),
        };
        self.occupants.push(occupant.clone());
        let mut codes = Vec::new();
        codes.extend(is_new.then_some(201));
        codes.extend((nick != wanted).then_some(210));
        self.greet(&occupant, up, &codes, now);
    }

    /// XEP-0045 §7.1: others, self, history, subject; and the others hear of it.
    fn greet(&mut self, new: &Occupant, up: &Up, codes: &[u16], now: u64) {
        if self.style.has_presence {
            let caps = element("c", &[("xmlns", NS_MODEL)], &[]);
            let room = build("presence", &[("from", Some(&self.jid))], &[caps]);
            self.send(&new.jid, Scope::Greeting, false, None, room);
        }
        let others: Vec<Xml> = self
            .occupants
            .iter()
            .filter(|other| other.jid != new.jid)
            .map(|other| self.presence(other, new, &Says::default()))
            .collect();
        for presence in others {
            self.send(&new.jid, Scope::Greeting, false, None, presence);
        }
        let mut self_codes = codes.to_vec();
        self_codes.extend((!self.style.is_anonymous).then_some(100));
        let says = Says { self_codes: &self_codes, id: stanza::id(&up.stanza), ..Says::default() };
        self.tell_all(new, &says, Scope::Entered, Some(up.ticket));
        self.tell_past(new, up, now);
    }

    fn tell_past(&mut self, new: &Occupant, up: &Up, now: u64) {
        let limit = up
            .stanza
            .root()
            .child("x", NS_MUC)
            .and_then(|x| x.inner("history"))
            .and_then(|history| history.attribute("maxstanzas"))
            .and_then(|limit| limit.parse::<usize>().ok());
        let skipped = self.history.len().saturating_sub(limit.unwrap_or(usize::MAX));
        let past: Vec<Xml> = self
            .history
            .iter()
            .skip(skipped)
            .map(|(at, message)| message.edited(&[], |_| true, &[stanza::delay(&self.jid, *at)]))
            .collect();
        for message in past {
            self.send(&new.jid, Scope::Past, false, None, message);
        }
        if self.style.tells_subject {
            let subject = self.subject.clone().unwrap_or_else(|| self.no_subject());
            let subject = match stanza::nick(&subject) {
                Some(_) => subject.edited(&[], |_| true, &[stanza::delay(&self.jid, now)]),
                None => subject,
            };
            self.send(&new.jid, Scope::Subject, false, None, subject);
        }
    }

    fn no_subject(&self) -> Xml {
        let attributes = [("from", Some(self.jid.as_str())), ("type", Some("groupchat"))];
        build("message", &attributes, &[element("subject", &[], &[])])
    }

    fn groupchat(&mut self, up: &Up, now: u64) {
        let Some(sender) = self.occupant(&up.from).cloned() else {
            return self.refuse(up, "modify", "not-acceptable");
        };
        if sender.role == "visitor"
            || (stanza::is_subject(&up.stanza) && sender.role != "moderator")
        {
            return self.refuse(up, "auth", "forbidden");
        }
        self.publish(&sender.nick, &up.stanza, Some((&up.from, up.ticket)), now);
    }

    pub fn publish(&mut self, nick: &str, message: &Xml, by: Option<(&str, u64)>, now: u64) {
        let number = self.number().to_string();
        let id = element("stanza-id", &[("xmlns", "urn:xmpp:sid:0"), ("id", &number)], &[]);
        let from = self.address(nick);
        let message = message.edited(
            &[("from", Some(&from)), ("to", None)],
            |child| child.attribute("xmlns").is_none_or(|ns| ns != NS_DELAY),
            &[id],
        );
        self.message_to_all(&message, by);
        if stanza::is_subject(&message) {
            self.subject = Some(message);
        } else if stanza::has_body(&message) {
            self.remember(&message, now);
        }
    }

    fn whisper(&mut self, up: &Up) {
        let Some(sender) = self.occupant(&up.from).cloned() else {
            return self.refuse(up, "modify", "not-acceptable");
        };
        let to = up.nick.as_deref().and_then(|nick| self.occupants.iter().find(|o| o.nick == nick));
        let Some(to) = to.map(|to| to.jid.clone()) else {
            return self.refuse(up, "cancel", "item-not-found");
        };
        let from = self.address(&sender.nick);
        let message = up.stanza.edited(&[("from", Some(&from)), ("to", None)], |_| true, &[]);
        self.send(&to, Scope::Live, false, None, message);
    }
}

/// A presence without what only the room says of it.
fn payload(presence: &Xml) -> Xml {
    presence.edited(&[("to", None), ("from", None), ("id", None)], stanza::is_payload, &[])
}
