//! Executes effects, one arm for each, as `minimix_effects` does.

use minimix::xml::Builder;
use minimix::{Account, Effect, Effects, SessionId, StanzaError, StanzaId, Target, Xml};

use crate::host::{Done, Host, Request, without_to};
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
        effects.into_iter().try_for_each(|effect| self.effect(effect, in_hand))
    }

    fn effect(&mut self, effect: Effect, in_hand: &InHand<'_>) -> Done {
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
                self.room_gets(stanza.edited(&[("from", Some(account.as_str()))], |_| true, &[]))
            }
            Effect::Send { stanza } => {
                self.room_gets(stanza.edited(&[("from", Some(account.as_str()))], |_| true, &[]))
            }
            Effect::Fork { targets, id, own: is_own } => {
                let fork = with_id(&without_to(stanza()?), id);
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
            Effect::Request { tell } => {
                self.numbers += 1;
                let id = format!("rr-{}", self.numbers);
                let stream = in_hand.stream.ok_or("a request outside of a stream")?;
                let stanza = stanza()?.clone();
                let set = [("from", Some(account.as_str())), ("id", Some(id.as_str()))];
                self.room_gets(stanza.edited(&set, |_| true, &[]))?;
                self.requests.insert(id, Request { stream, stanza, tell: *tell });
                Ok(())
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
                self.wakes.insert(*at);
                Ok(())
            }
        }
    }

    fn in_hand(&mut self, in_hand: &InHand<'_>) -> Result<&mut Stream, String> {
        let stream = self.streams.iter_mut().find(|stream| Some(stream.id) == in_hand.stream);
        stream.ok_or_else(|| "there is no stream in hand".to_owned())
    }

    fn deliver(&mut self, target: &Target, stanza: Xml) {
        let Target { session, generation, last, .. } = *target;
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == session) {
            stream.mailbox.push_back(Mail::Delivery { stanza, generation, last });
        }
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
