//! What is under way arrives, and time passes.

use std::collections::BTreeSet;

use minimix::{Effect, Environment, Gate, Input, Nick, Place, SessionId, Standing, Xml};

use crate::chat::Around;
use crate::host::{Cause, Context};
use crate::room::{Down, JIDS, Scope, Up};
use crate::stanza::{self, NS_MUC};
use crate::transition::{ACCOUNTS, ROOMS, Transition};
use crate::world::{Mail, Source, World};

/// How long a stanza may be on its way.
const SLOW: u64 = 25_000;
const WAITS: [u64; 5] = [100, 3_000, 8_000, 61_000, 400_000];

impl World {
    pub fn moves(&mut self, transition: &Transition) -> Result<(), String> {
        use Transition as T;
        match *transition {
            T::Bury { which } => {
                let is_old = |id: &&u64| !self.current.contains(&Some(**id));
                let old: Vec<u64> = self.streams.keys().filter(is_old).copied().collect();
                if let Some(stream) = pick(&old, which) {
                    self.lose(stream)?;
                }
            }
            T::Receive { which } => {
                let has_mail = self.streams.values().filter(|stream| !stream.mailbox.is_empty());
                let ids: Vec<u64> = has_mail.map(|stream| stream.id).collect();
                if let Some(stream) = pick(&ids, which) {
                    self.receive(stream)?;
                }
            }
            T::ToRoom { which } => {
                let ways = self.ways();
                match pick(&ways, which) {
                    Some(way) => self.to_room(way)?,
                    None => self.to_owner(),
                }
            }
            T::FromRoom { which } => {
                let pairs = self.pairs_with_mail();
                if let Some((account, room)) = pick(&pairs, which) {
                    self.from_room(account, room)?;
                }
            }
            T::Vanish { which } => {
                let ways = self.ways();
                if let Some(way) = pick(&ways, which) {
                    self.vanishes(way);
                }
            }
            T::Settle => self.settle()?,
            T::Wait { how } => self.wait(WAITS[usize::from(how) % WAITS.len()])?,
            T::Stop { account } => {
                // Nothing can keep a leave of the clock's between two joins of sessions.
                self.settle()?;
                self.stop(usize::from(account) % ACCOUNTS)?;
                self.settle()?;
            }
            _ => {}
        }
        Ok(())
    }

    fn ways(&self) -> Vec<(Source, usize)> {
        self.up.iter().filter(|(_, queue)| !queue.is_empty()).map(|(way, _)| *way).collect()
    }

    fn pairs_with_mail(&self) -> Vec<(usize, usize)> {
        let all = (0..ACCOUNTS).flat_map(|account| (0..ROOMS).map(move |room| (account, room)));
        all.filter(|(account, room)| !self.pairs[*account][*room].down.is_empty()).collect()
    }

    fn to_room(&mut self, way: (Source, usize)) -> Result<(), String> {
        let Some(up) = self.up.get_mut(&way).and_then(|queue| queue.pop_front()) else {
            return Ok(());
        };
        self.note(|| format!("room {} gets {:?} {}", way.1, up.nick, up.stanza));
        if !self.is_taken_for_another(&up, way.1) {
            let now = self.now;
            self.rooms[way.1].receive(&up, now)?;
            self.collect(way.1);
        }
        Ok(())
    }

    /// Where a presence that crossed a removal meets the next join, nobody could tell which of
    /// the two the room answers; here only an account that is out is taken in by one.
    fn is_taken_for_another(&self, up: &Up, room: usize) -> bool {
        let account = JIDS.iter().position(|jid| *jid == up.from).unwrap_or_default();
        let is_available =
            up.stanza.root().name() == "presence" && stanza::kind(&up.stanza).is_none();
        let is_join = up.stanza.root().child("x", NS_MUC).is_some();
        let pair = &self.pairs[account][room];
        let is_in_flight = pair.flight.is_some_and(|flight| flight.ticket == up.ticket);
        let is_stray = match self.rooms[room].occupant(&up.from) {
            Some(_) => is_join && !is_in_flight,
            None => {
                let is_awaited = is_in_flight && !pair.known.is_joined;
                let enters = is_join || self.rooms[room].style.lets_in_anybody;
                enters && !is_awaited && self.standing(account, room) != Standing::Ended
            }
        };
        is_available && is_stray
    }

    /// A stanza never reaches the room. (That one that leaves does is another matter.)
    fn vanishes(&mut self, way: (Source, usize)) {
        let is_leave =
            |stanza: &Xml| stanza.root().name() == "presence" && stanza::kind(stanza).is_some();
        let queue = self.up.get_mut(&way);
        let queue = queue.filter(|queue| queue.front().is_some_and(|up| !is_leave(&up.stanza)));
        let lost = queue.and_then(|queue| queue.pop_front());
        if let Some(up) = lost.filter(|up| up.stanza.root().name() == "presence") {
            let account = JIDS.iter().position(|jid| *jid == up.from).unwrap_or_default();
            self.note(|| format!("lost: {}", up.stanza));
            self.pair(account, way.1).is_doubtful = true;
        }
    }

    /// A request for the room itself: the only one here is the owner's form.
    fn to_owner(&mut self) {
        let Some((account, room, id)) = self.requests.pop_front() else { return };
        let granted = self.rooms[room].affiliation(JIDS[account]) == "owner";
        self.rooms[room].is_locked &= !granted;
        let attributes = [
            ("from", Some(self.rooms[room].jid.as_str())),
            ("type", Some(if granted { "result" } else { "error" })),
            ("id", Some(id.as_str())),
        ];
        let stanza = stanza::stanza("iq", &attributes, &[]);
        let down = Down { account, stanza, scope: Scope::Answer, own: false, answers: None };
        self.pair(account, room).down.push_back(down);
    }

    fn from_room(&mut self, account: usize, room: usize) -> Result<(), String> {
        let now = self.now;
        let Some(down) = self.pair(account, room).down.pop_front() else { return Ok(()) };
        let ticket = down.answers.and_then(|ticket| self.tickets.get(&ticket)).cloned();
        let is_message = ticket.as_ref().filter(|ticket| ticket.stream.is_some());
        let id = is_message.map(|ticket| ticket.id.clone()).filter(|_| down.scope == Scope::Live);
        let pair = self.pair(account, room);
        let is_answer = |ticket| down.answers == Some(ticket) || down.scope == Scope::Out;
        pair.flight.take_if(|flight| is_answer(flight.ticket));
        pair.known.hears(&down, id, now);
        if pair.managed.is_none() {
            return self.bounces(&down, room);
        }
        let down_scope = down.scope;
        let expected = match down_scope {
            Scope::Refusal => self.who_is_refused(&down, account, room),
            _ => None,
        };
        if down_scope == Scope::Answer && stanza::kind(&down.stanza) == Some("result") {
            self.pair(account, room).known.creation.is_locked = false;
        }
        let mut context = Context::new(account, room, Cause::Room, Source::Room);
        context.hand = Some(down.stanza.clone());
        let nick = stanza::nick(&down.stanza).map(Nick::from);
        let effects = self.bring(
            Input::FromRoom { nick, stanza: down.stanza, archive_id: Some(now * 1_000) },
            &context,
        )?;
        let record = self.pair(account, room).record.as_ref();
        if down_scope == Scope::Out && record.is_some_and(|record| record.place == Place::Joining) {
            self.is_repairing = true;
        }
        let is_told = effects.iter().flat_map(addressed).count();
        if down_scope == Scope::Request && is_told > 1 {
            return Err(format!("a request of an occupant went to {is_told} sessions"));
        }
        let told: BTreeSet<u64> = effects.iter().flat_map(addressed).map(|to| to.0).collect();
        match expected {
            Some(expected) if told != expected => {
                Err(format!("an error went to {told:?}, not to {expected:?}"))
            }
            _ => Ok(()),
        }
    }

    /// An account of which nobody knows: ejabberd refuses messages, and the room expels for it.
    fn bounces(&mut self, down: &Down, room: usize) -> Result<(), String> {
        if stanza::is_groupchat(&down.stanza) {
            self.rooms[room].expels(JIDS[down.account]);
            self.collect(room);
        }
        Ok(())
    }

    /// Who must be told of an error, where that is certain.
    fn who_is_refused(
        &mut self,
        down: &Down,
        account: usize,
        room: usize,
    ) -> Option<BTreeSet<u64>> {
        let ticket = self.tickets.get(&down.answers?)?.clone();
        let is_join = ticket.stanza.root().child("x", NS_MUC).is_some();
        let pair = &self.pairs[account][room];
        if is_join && pair.known.is_joined {
            self.pair(account, room).is_doubtful = true;
            return None;
        }
        let is_certain = |stream: &u64| {
            self.streams.get(stream).is_some_and(|stream| {
                let chat = &stream.chats[room];
                chat.is_in() && chat.ask.is_none() && {
                    let mut mail = stream.mailbox.iter();
                    !mail.any(|mail| matches!(mail, Mail::Delivery { last: true, .. }))
                }
            })
        };
        if let Some(stream) = ticket.stream {
            return is_certain(&stream).then(|| BTreeSet::from([stream]));
        }
        let asker = self.renamers.get(&(room, stanza::id(&ticket.stanza)?.to_owned()))?;
        (is_certain(asker) && pair.known.is_joined).then(|| BTreeSet::from([*asker]))
    }

    fn receive(&mut self, id: u64) -> Result<(), String> {
        let account = self.account_of(id);
        let Some(mail) = self.streams.get_mut(&id).and_then(|stream| stream.mailbox.pop_front())
        else {
            return Ok(());
        };
        match mail {
            Mail::Delivery { .. } => self.is_delivered(id, &mail),
            Mail::Invitation { room } => {
                let session = self.session(id);
                let context = Context::new(account, room, Cause::CatchUp, Source::Stream(id));
                self.bring(Input::CatchUp { session }, &context).map(drop)
            }
            Mail::JoinAgain { room, stanza } => {
                let to = stanza.root().attribute("to").unwrap_or_default().to_owned();
                let nick = to.split_once('/').map(|(_, nick)| nick);
                let stanza = stanza.edited(&[("to", None)], |_| true, &[]);
                self.from_session(id, room, nick, stanza, Cause::Other).map(drop)
            }
        }
    }

    /// As the host's hook on receiving does.
    fn is_delivered(&mut self, id: u64, mail: &Mail) -> Result<(), String> {
        let Mail::Delivery { room, gate, last, is_ours, stanza, at } = mail else {
            return Ok(());
        };
        let (room, at) = (*room, *at);
        let account = self.account_of(id);
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        let chat = &mut stream.chats[room];
        match *gate {
            Gate::Attachment(generation) if chat.generation != Some(generation) => return Ok(()),
            Gate::Nothing if chat.generation.is_some() => return Ok(()),
            // An answer to what it asked as a session.
            Gate::Whatever => return Ok(()),
            Gate::Attachment(_) | Gate::Nothing => {}
        }
        let was_in = chat.is_attached();
        let known = &self.pairs[account][room].known;
        let marks_self = self.rooms[room].style.marks_self;
        match is_ours {
            true => chat.gets_ours(stanza, at)?,
            false => chat.gets(stanza, known, &Around { jid: &stream.jid, at, marks_self })?,
        }
        let is_detached = *gate == Gate::Nothing || *last;
        if was_in && chat.is_attached() == is_detached {
            return Err(format!("I2: the stream is {is_detached} detached by {stanza}"));
        }
        let line = format!("{} gets {stanza}", stream.jid);
        self.note(|| line);
        Ok(())
    }

    /// Everything arrives.
    pub fn settle(&mut self) -> Result<(), String> {
        for _ in 0..10_000 {
            let mail = self.streams.values().find(|stream| !stream.mailbox.is_empty());
            if let Some(stream) = mail.map(|stream| stream.id) {
                self.receive(stream)?;
            } else if let Some((account, room)) = self.pairs_with_mail().first().copied() {
                self.from_room(account, room)?;
            } else if let Some(way) = self.ways().first().copied() {
                self.to_room(way)?;
            } else if !self.requests.is_empty() {
                self.to_owner();
            } else if let Some((account, room)) = self.turns.pop_front() {
                let context = Context::new(account, room, Cause::Other, Source::Clock);
                self.bring(Input::Turn, &context)?;
            } else {
                self.busy_since = self.now;
                return self.rests();
            }
        }
        Err("I10: it never comes to rest".into())
    }

    pub fn wait(&mut self, how_long: u64) -> Result<(), String> {
        let is_long = how_long > 5_000;
        if is_long || self.now + how_long > self.busy_since + SLOW {
            self.settle()?;
        }
        let until = self.now + how_long;
        while let Some(at) = self.wakes.iter().filter_map(BTreeSet::first).min().copied() {
            if at > until {
                break;
            }
            self.now = self.now.max(at);
            self.wake()?;
            if is_long {
                self.settle()?;
            }
        }
        self.now = until;
        if how_long > crate::world::TIMEOUT {
            for pair in self.pairs.iter_mut().flatten() {
                pair.is_doubtful = false;
            }
            self.settle()?;
        }
        Ok(())
    }

    /// Rooms are told the time that they asked for.
    pub fn wake(&mut self) -> Result<(), String> {
        for room in 0..ROOMS {
            while let Some(at) = self.wakes[room].first().copied().filter(|at| *at <= self.now) {
                self.wakes[room].remove(&at);
                self.tick(room)?;
            }
        }
        Ok(())
    }

    fn tick(&mut self, room: usize) -> Result<(), String> {
        let (now, config) = (self.now(), self.config.clone());
        for account in 0..ACCOUNTS {
            self.pair(account, room).known.is_now(now.0);
        }
        let Some(core) = self.cores[room].as_mut() else { return Ok(()) };
        let around = Environment::new(now, &config);
        let all = core.tick(now, |_, _| around);
        if core.is_empty() {
            self.cores[room] = None;
        }
        self.note(|| format!("tick of room {room}"));
        for (account, effects) in all {
            let account = JIDS.iter().position(|jid| *jid == account.as_str()).unwrap_or_default();
            let context = Context::new(account, room, Cause::Gone, Source::Clock);
            self.run(effects, &context)?;
        }
        Ok(())
    }
}

fn pick<T: Copy>(from: &[T], which: u8) -> Option<T> {
    usize::from(which).checked_rem(from.len()).and_then(|at| from.get(at)).copied()
}

/// Whom an effect is delivered to.
fn addressed(effect: &Effect) -> Vec<SessionId> {
    match effect {
        Effect::Fork { targets, .. } => targets.iter().map(|target| target.session).collect(),
        Effect::Deliver { target, stanza } if stanza::kind(stanza) == Some("error") => {
            vec![target.session]
        }
        _ => Vec::new(),
    }
}
