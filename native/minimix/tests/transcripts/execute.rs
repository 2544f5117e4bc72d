//! Executes effects, one arm for each, as `minimix_effects` does.

use minimix::xml::Builder;
use minimix::{Account, Effect, Effects, SessionId, StanzaError, StanzaId, Target, Xml};

use crate::host::{Done, Host, without_to};
use crate::stream::{Mail, Stream, own};
use crate::words::address;

/// What effects are executed for.
pub struct InHand<'a> {
    /// Who is in the room.
    pub account: &'a Account,
    /// The stanza that came.
    pub stanza: Option<&'a Xml>,
    /// The stream in whose process it is.
    pub stream: Option<SessionId>,
}

impl Host {
    /// In their order.
    pub fn execute(&mut self, effects: Effects, in_hand: &InHand<'_>) -> Done {
        let occupant = match effects.resource() {
            Some(resource) => format!("{}/{resource}", in_hand.account),
            None => in_hand.account.to_string(),
        };
        effects.into_iter().try_for_each(|effect| self.effect(effect, in_hand, &occupant))
    }

    fn effect(&mut self, effect: Effect, in_hand: &InHand<'_>, occupant: &str) -> Done {
        let account = in_hand.account;
        let stanza = || in_hand.stanza.ok_or_else(|| format!("no stanza in hand: {effect:?}"));
        match &effect {
            Effect::Pass if in_hand.stream.is_none() => {
                self.server_got.push_back(stanza()?.clone());
                Ok(())
            }
            Effect::Pass => self.room_gets(stanza()?.clone()),
            Effect::AsAccount { id } => {
                let stanza = with_id(stanza()?, id);
                self.room_gets(stanza.edited(&[("from", Some(occupant))], |_| true, &[]))
            }
            Effect::Send { stanza } | Effect::Leave { stanza } => {
                self.room_gets(stanza.edited(&[("from", Some(occupant))], |_| true, &[]))
            }
            Effect::Join { epoch, .. } if self.declines => {
                let stream = self.in_hand(in_hand)?;
                stream.mailbox.push_back(Mail::Declined { epoch: *epoch });
                Ok(())
            }
            Effect::Join { stanza, .. } => {
                self.room_gets(stanza.edited(&[("from", Some(occupant))], |_| true, &[]))
            }
            Effect::Store { record } => {
                match record {
                    Some(record) => self.records.insert(account.clone(), record.clone()),
                    None => self.records.remove(account),
                };
                Ok(())
            }
            Effect::AwaitTurn { .. } => {
                self.turns.push_back(account.clone());
                Ok(())
            }
            Effect::Bookmark { nick } => {
                self.bookmarked.push_back(nick.clone());
                Ok(())
            }
            Effect::Dismiss { room } => {
                self.dismissed.push_back(room.clone());
                Ok(())
            }
            Effect::JoinAlone { session, stanza } => {
                let mut streams = self.streams.iter_mut();
                let stream = streams.find(|stream| stream.id == *session).ok_or("no stream")?;
                stream.mailbox.push_back(Mail::JoinAlone { stanza: stanza.clone() });
                Ok(())
            }
            Effect::Archive { archive_id, room_id, id, is_past, .. } => {
                let stanza = with_id(&without_to(stanza()?), id);
                self.file(account, *archive_id, room_id.as_deref(), stanza, *is_past);
                Ok(())
            }
            Effect::Push => {
                self.woken += 1;
                Ok(())
            }
            Effect::Retract { room_id } => {
                let stanza = stanza()?.clone();
                self.take_back(account, room_id, &stanza);
                Ok(())
            }
            Effect::Recall { recall } => {
                let found = self.found(account, recall);
                let stream = self.in_hand(in_hand)?;
                recall.choose(found).iter().for_each(|stanza| stream.show(stanza));
                Ok(())
            }
            Effect::Private { targets } => {
                let fork = without_to(stanza()?);
                let mut is_there = false;
                for target in targets {
                    is_there |= self.deliver(target, fork.clone());
                }
                if !is_there {
                    self.server_got.push_back(stanza()?.clone());
                }
                Ok(())
            }
            Effect::Fork { targets, id, own: is_own } => {
                assert!(!targets.is_empty(), "a fork for nobody");
                let fork = self.filed(account, with_id(&without_to(stanza()?), id));
                for target in targets {
                    let jid = format!("{account}/{}", target.resource);
                    let stanza = if *is_own { own(&fork, &jid) } else { fork.clone() };
                    self.deliver(target, stanza);
                }
                Ok(())
            }
            Effect::Deliver { target, stanza } => {
                self.deliver(target, stanza.clone());
                Ok(())
            }
            Effect::Replay { stanzas } => {
                let stream = self.in_hand(in_hand)?;
                stanzas.iter().for_each(|stanza| stream.show(stanza));
                Ok(())
            }
            Effect::Attached { generation, .. } => {
                self.in_hand(in_hand)?.generation = Some(*generation);
                Ok(())
            }
            Effect::Detached => {
                self.in_hand(in_hand)?.generation = None;
                Ok(())
            }
            Effect::Reject { error: condition } => {
                let answer = error(stanza()?, *condition);
                self.reply(answer, in_hand)
            }
            Effect::Result => {
                let answer = stanza()?.edited(&turned(stanza()?, "result"), |_| false, &[]);
                self.reply(answer, in_hand)
            }
            Effect::Invite { session } => {
                let stream = self.streams.iter_mut().find(|stream| stream.id == *session);
                stream.into_iter().for_each(|stream| stream.mailbox.push_back(Mail::CatchUp));
                Ok(())
            }
            Effect::Manage { epoch } => {
                self.managed.insert(account.clone(), *epoch);
                Ok(())
            }
            Effect::Unmanage { epoch } => {
                if self.managed.get(account) == Some(epoch) {
                    self.managed.remove(account);
                }
                Ok(())
            }
            Effect::Wake { at } => {
                self.wakes_at = Some(self.wakes_at.map_or(*at, |before| before.min(*at)));
                Ok(())
            }
        }
    }

    fn in_hand(&mut self, in_hand: &InHand<'_>) -> Result<&mut Stream, String> {
        let stream = self.streams.iter_mut().find(|stream| Some(stream.id) == in_hand.stream);
        stream.ok_or_else(|| "there is no stream in hand".to_owned())
    }

    /// Whether the stream is there.
    fn deliver(&mut self, target: &Target, stanza: Xml) -> bool {
        let Target { session, gate, last, .. } = *target;
        let mut streams = self.streams.iter_mut();
        let Some(stream) = streams.find(|stream| stream.id == session && stream.is_alive) else {
            return false;
        };
        stream.mailbox.push_back(Mail::Delivery { stanza, gate, last });
        true
    }

    fn reply(&mut self, answer: Xml, in_hand: &InHand<'_>) -> Done {
        match in_hand.stream {
            Some(_) => self.in_hand(in_hand)?.show(&answer),
            None => self.room_gets(answer)?,
        }
        Ok(())
    }

    /// Rooms expel for an error (I5).
    pub fn room_gets(&mut self, stanza: Xml) -> Done {
        let root = stanza.root();
        if root.name() != "iq" && root.attribute("type") == Some("error") {
            return Err(format!("the room is sent an error: {stanza}"));
        }
        self.room_got.push_back(stanza);
        Ok(())
    }
}

fn with_id(stanza: &Xml, id: &StanzaId) -> Xml {
    match id {
        StanzaId::Keep => stanza.clone(),
        StanzaId::Set(id) => stanza.edited(&[("id", Some(id))], |_| true, &[]),
        StanzaId::Remove => stanza.edited(&[("id", None)], |_| true, &[]),
    }
}

fn turned<'a>(stanza: &'a Xml, kind: &'a str) -> [(&'a str, Option<&'a str>); 3] {
    let root = stanza.root();
    [("type", Some(kind)), ("from", root.attribute("to")), ("to", root.attribute("from"))]
}

/// What the server answers.
pub fn error(stanza: &Xml, error: StanzaError) -> Xml {
    let (kind, condition) = error.parts();
    let by = address("room");
    let namespace = "urn:ietf:params:xml:ns:xmpp-stanzas";
    let mut builder = Builder::default();
    builder.open("error");
    builder.attribute("type", kind);
    builder.attribute("by", &by);
    builder.open(condition);
    builder.attribute("xmlns", namespace);
    stanza.edited(&turned(stanza, "error"), |_| true, &[builder.finish()])
}
