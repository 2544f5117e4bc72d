//! The naive host: brings inputs to the core and executes effects as the Erlang part does.

use minimix::{Effect, Effects, Environment, Input, Nick, Resource, Room as Core, Session};
use minimix::{SessionId, Standing, StanzaId, Target, Xml};

use crate::chat::Around;
use crate::entering::Entrance;
use crate::room::{JIDS, Up};
use crate::stanza::{self, with_own_jid};
use crate::transition::ROOMS;
use crate::world::{Flight, Mail, Source, Ticket, World};

/// What an input was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    CatchUp,
    Gone,
    Leave,
    Other,
    Room,
}

/// Where effects are executed.
#[derive(Clone)]
pub struct Context {
    pub account: usize,
    pub room: usize,
    pub cause: Cause,
    /// The stanza in hand, and whom it was for.
    pub hand: Option<Xml>,
    pub to: Option<String>,
    pub source: Source,
}

impl Context {
    pub fn new(account: usize, room: usize, cause: Cause, source: Source) -> Context {
        Context { account, room, cause, hand: None, to: None, source }
    }

    fn stream(&self) -> Result<u64, String> {
        match self.source {
            Source::Stream(id) if self.cause != Cause::Gone => Ok(id),
            _ => Err("an effect for a session's own stream elsewhere".into()),
        }
    }
}

impl World {
    pub fn session(&self, stream: u64) -> Session {
        let resource = self.streams.get(&stream).map(crate::world::Stream::resource);
        Session {
            id: SessionId(stream),
            resource: Resource::from(resource.unwrap_or_default().as_str()),
        }
    }

    /// Brings an input to the core and executes what it says.
    pub fn bring(&mut self, input: Input, context: &Context) -> Result<Vec<Effect>, String> {
        self.note(|| format!("input {input:?}"));
        let (account, room) = (context.account, context.room);
        let elsewhere = (0..ROOMS).filter(|other| *other != room);
        let other_rooms =
            elsewhere.filter(|other| self.standing(account, *other).is_active()).count();
        let (jid, now, config) = (self.room_jid(room), self.now(), self.config.clone());
        let core = self.cores[room].get_or_insert_with(|| Core::new(jid, now));
        let around = Environment { other_rooms, ..Environment::new(now, &config) };
        let effects = core.handle(&World::account(account), input, around);
        if core.is_empty() {
            self.cores[room] = None;
        }
        self.run(effects, context)
    }

    pub fn standing(&self, account: usize, room: usize) -> Standing {
        let core = self.cores[room].as_ref();
        core.map_or(Standing::None, |core| core.standing(&World::account(account)))
    }

    pub fn run(&mut self, effects: Effects, context: &Context) -> Result<Vec<Effect>, String> {
        let effects = recalled(effects);
        let mut attached = None;
        for effect in &effects {
            self.note(|| format!("    {effect:?}"));
            self.execute(effect, &mut attached, context)?;
        }
        Ok(effects)
    }

    fn execute(
        &mut self,
        effect: &Effect,
        attached: &mut Option<u64>,
        context: &Context,
    ) -> Result<(), String> {
        let (account, room) = (context.account, context.room);
        match effect {
            Effect::Pass => return self.passes(context),
            Effect::AsAccount { id } => {
                let hand = context.hand.clone().ok_or("nothing in hand")?;
                let original = stanza::id(&hand).map(String::from);
                let stanza = with_id(&hand, id);
                let stream = context.stream()?;
                self.send(context, context.to.clone(), stanza, Some(stream), original)?;
            }
            Effect::Send { stanza } | Effect::Leave { stanza } | Effect::Join { stanza, .. } => {
                let to = stanza.root().attribute("to").unwrap_or_default();
                let nick = to.split_once('/').map(|(_, nick)| nick.to_owned());
                self.send(context, nick, stanza.clone(), None, None)?;
            }
            Effect::Fork { targets, id, own } => {
                if targets.is_empty() {
                    return Err("a fork for nobody".into());
                }
                let fork = with_id(context.hand.as_ref().ok_or("nothing in hand")?, id);
                for target in targets {
                    self.deliver(room, target, &fork, *own, false);
                }
            }
            Effect::JoinAlone { session, stanza } => {
                if let Some(stream) = self.streams.get_mut(&session.0) {
                    stream.mailbox.push_back(Mail::JoinAgain { room, stanza: stanza.clone() });
                }
            }
            Effect::Private { targets } => {
                let hand = context.hand.as_ref().ok_or("nothing in hand")?;
                for target in targets {
                    self.deliver(room, target, hand, false, false);
                }
            }
            Effect::Deliver { target, stanza } => {
                self.is_no_false_timeout(context, target, stanza)?;
                // What the room said of itself waits until it is known what follows.
                let is_ours =
                    stanza.root().attribute("from") != Some(self.rooms[room].jid.as_str());
                self.deliver(room, target, stanza, false, is_ours);
            }
            Effect::Attached { generation, .. } => *attached = Some(*generation),
            Effect::Replay { stanzas } => self.replay(stanzas, attached.take(), context)?,
            Effect::Detached => {
                let stream = self.streams.get_mut(&context.stream()?).ok_or("no stream")?;
                stream.chats[room].is_out();
            }
            Effect::Invite { session } => {
                if let Some(stream) = self.streams.get_mut(&session.0) {
                    stream.mailbox.push_back(Mail::Invitation { room });
                }
            }
            Effect::Manage { epoch } => self.pair(account, room).managed = Some(*epoch),
            Effect::Unmanage { epoch } => {
                _ = self.pair(account, room).managed.take_if(|managed| managed == epoch);
            }
            Effect::Wake { at } => _ = self.wakes[room].insert(at.0.max(self.now)),
            Effect::AwaitTurn { .. } => self.turns.push_back((account, room)),
            Effect::Store { record } => self.pair(account, room).record.clone_from(record),
            Effect::Archive { archive_id, room_id, is_past, .. } => {
                self.pair(account, room).archive.files(*archive_id, room_id.as_ref(), *is_past)?;
            }
            Effect::Bookmark { .. } | Effect::Dismiss { .. } => {}
            Effect::Retract { .. } | Effect::Push => {}
            // It was made a replay.
            Effect::Recall { .. } => {}
            Effect::Reject { .. } | Effect::Result => {}
        }
        Ok(())
    }

    /// Where nothing was lost, and the room is open, nobody is told that time is over.
    fn is_no_false_timeout(
        &self,
        context: &Context,
        target: &Target,
        stanza: &Xml,
    ) -> Result<(), String> {
        let (pair, room) = (&self.pairs[context.account][context.room], &self.rooms[context.room]);
        let is_error = stanza::condition(stanza).as_deref() == Some("remote-server-timeout")
            && stanza.root().name() != "iq";
        let item = stanza::Item::of(stanza);
        let is_leave = item.has(110) && !item.has(333) && target.last;
        let is_stopped = self.standing(context.account, context.room) == Standing::None;
        let is_excused = context.source != Source::Clock
            || is_stopped
            || pair.is_doubtful
            || room.is_locked
            || pair.known.creation.is_locked;
        match (is_error || is_leave) && !is_excused {
            true => Err(format!("a timeout of a room that answers everything: {stanza}")),
            false => Ok(()),
        }
    }

    /// What is let through is not ours: a session would speak for itself then.
    fn passes(&mut self, context: &Context) -> Result<(), String> {
        let Some(hand) = &context.hand else { return Ok(()) };
        let is_loud = hand.root().name() == "presence" || stanza::is_groupchat(hand);
        match context.cause {
            Cause::Room if is_loud => {
                Err(format!("I5: left to ejabberd, which may bounce: {hand}"))
            }
            Cause::Room => Ok(()),
            // Where the account is out the room refuses a message and ignores a leave.
            _ if (hand.root().name() == "message" || stanza::kind(hand) == Some("unavailable"))
                && self.standing(context.account, context.room) == Standing::Ended =>
            {
                Ok(())
            }
            _ if is_loud => Err(format!("I1: a session would be an occupant of its own: {hand}")),
            _ => Ok(()),
        }
    }

    fn send(
        &mut self,
        context: &Context,
        nick: Option<String>,
        stanza: Xml,
        stream: Option<u64>,
        id: Option<String>,
    ) -> Result<(), String> {
        let is_error = stanza::kind(&stanza) == Some("error");
        if is_error && stanza.root().name() != "iq" {
            return Err(format!("I5: an error towards the room: {stanza}"));
        }
        let is_ping = stanza.root().child("ping", stanza::NS_PING).is_some() && stream.is_none();
        if stanza.root().name() == "iq" && !is_ping {
            let id = stanza::id(&stanza).unwrap_or_default().to_owned();
            if matches!(stanza::kind(&stanza), Some("get" | "set")) {
                self.requests.push_back((context.account, context.room, id));
            }
            return Ok(());
        }
        let ticket = self.number();
        self.tickets.insert(ticket, Ticket { stream, id, stanza: stanza.clone() });
        if stanza.root().name() == "presence" {
            self.controls(context, ticket)?;
        }
        let up = Up { from: JIDS[context.account].to_owned(), nick, stanza, ticket };
        self.up.entry((context.source, context.room)).or_default().push_back(up);
        Ok(())
    }

    /// At most one control presence is under way, but for farewells of ours.
    fn controls(&mut self, context: &Context, ticket: u64) -> Result<(), String> {
        let now = self.now;
        let is_over = !self.standing(context.account, context.room).is_active();
        let pair = self.pair(context.account, context.room);
        if is_over {
            pair.flight = None;
            return Ok(());
        }
        if let Some(flight) = pair.flight
            && now < flight.since + crate::world::TIMEOUT
        {
            return Err(format!(
                "I1: two control presences under way: {} and {ticket}",
                flight.ticket
            ));
        }
        pair.flight = Some(Flight { ticket, since: now });
        Ok(())
    }

    fn deliver(&mut self, room: usize, target: &Target, stanza: &Xml, own: bool, is_ours: bool) {
        let at = self.now;
        if let Some(stream) = self.streams.get_mut(&target.session.0) {
            let stanza = if own { with_own_jid(stanza, &stream.jid) } else { stanza.clone() };
            let (gate, last) = (target.gate, target.last);
            stream.mailbox.push_back(Mail::Delivery { room, gate, last, is_ours, stanza, at });
        }
    }

    fn replay(
        &mut self,
        stanzas: &[Xml],
        attached: Option<u64>,
        context: &Context,
    ) -> Result<(), String> {
        let room = context.room;
        let stream = self.streams.get_mut(&context.stream()?).ok_or("no stream")?;
        let (chat, known) = (&mut stream.chats[room], &self.pairs[context.account][room].known);
        let mut entrance = Entrance {
            known,
            jid: &stream.jid,
            room: &self.rooms[room].jid,
            now: self.now,
            history_size: self.config.history_size,
        };
        if let Some(generation) = attached {
            return entrance.admits(chat, generation, stanzas);
        }
        match (context.cause, stanzas) {
            (Cause::CatchUp, _) => {
                entrance.now = known.filled.2;
                let marks_self = self.rooms[room].style.marks_self;
                let around = Around { jid: &stream.jid, at: self.now, marks_self };
                for stanza in entrance.catches_up(chat, stanzas)? {
                    chat.gets(stanza, known, &around)?;
                }
                Ok(())
            }
            (Cause::Leave, [answer]) => chat.is_let_go(answer),
            _ => Err(format!("a replay that nobody expects: {stanzas:?}")),
        }
    }

    /// A session's own stanza passes the hook on its way out.
    pub fn from_session(
        &mut self,
        stream: u64,
        room: usize,
        nick: Option<&str>,
        stanza: Xml,
        cause: Cause,
    ) -> Result<Vec<Effect>, String> {
        let Some(account) = self.streams.get(&stream).map(crate::world::Stream::account) else {
            return Ok(Vec::new());
        };
        let is_join =
            stanza::kind(&stanza).is_none() && stanza.root().child("x", stanza::NS_MUC).is_some();
        if self.pair(account, room).managed.is_none() && !is_join {
            return Ok(Vec::new());
        }
        let mut context = Context::new(account, room, cause, Source::Stream(stream));
        context.hand = Some(stanza.clone());
        context.to = nick.map(String::from);
        let session = self.session(stream);
        self.bring(Input::FromSession { session, nick: nick.map(Nick::from), stanza }, &context)
    }
}

fn with_id(stanza: &Xml, id: &StanzaId) -> Xml {
    match id {
        StanzaId::Keep => stanza.clone(),
        StanzaId::Set(id) => stanza.edited(&[("id", Some(id))], |_| true, &[]),
        StanzaId::Remove => stanza.edited(&[("id", None)], |_| true, &[]),
    }
}

/// The archive finds nothing that is not remembered, and what it calls a message is left out.
fn recalled(effects: Effects) -> Vec<Effect> {
    let mut all: Vec<Effect> = Vec::new();
    for effect in effects {
        match (effect, all.last_mut()) {
            (Effect::Recall { recall }, Some(Effect::Replay { stanzas })) => {
                stanzas.extend(recall.choose(Vec::new()));
            }
            (Effect::Recall { recall }, _) => {
                all.push(Effect::Replay { stanzas: recall.choose(Vec::new()) });
            }
            (effect, _) => all.push(effect),
        }
    }
    for effect in &mut all {
        if let Effect::Replay { stanzas } = effect {
            stanzas.iter_mut().for_each(|stanza| *stanza = without_archive_id(stanza));
        }
    }
    all
}

fn without_archive_id(stanza: &Xml) -> Xml {
    let is_ours = |by: &str| JIDS.contains(&by);
    stanza.edited(&[], |child| !child.attribute("by").is_some_and(is_ours), &[])
}
