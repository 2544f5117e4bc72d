//! What sessions do.

use minimix::{Effect, Gate, Input, Xml};

use crate::chat::{Ask, Chat};
use crate::host::{Cause, Context};
use crate::room::{PASSWORD, Scope};
use crate::stanza::{self, NS_MUC, NS_OWNER, NS_PING, element, serial, stanza as build, text};
use crate::transition::{ACCOUNTS, DEVICES, NICKS, ROOMS, SHOWS, Transition, Wish};
use crate::world::{Mail, Source, World};

/// A device with a stream, and a room.
#[derive(Clone, Copy)]
struct At {
    stream: u64,
    room: usize,
}

impl World {
    /// What a session does, if it is one that does something.
    pub fn acts(&mut self, transition: &Transition) -> Result<(), String> {
        use Transition as T;
        match *transition {
            T::Connect { device } => {
                let device = device_of(device);
                if self.current[device].is_none() {
                    self.connect(device);
                }
            }
            T::Replace { device } => _ = self.connect(device_of(device)),
            T::Lose { device } => {
                if let Some(stream) = self.current[device_of(device)] {
                    self.lose(stream)?;
                }
            }
            T::Resume { device } => self.resume(device_of(device))?,
            T::Hide { device } => self.hide(device_of(device))?,
            T::Join { device, room, nick, password, wish } => {
                let Some(at) = self.at(device, room) else { return Ok(()) };
                self.join(at, nick, password, wish)?;
            }
            T::Update { device, room, show } => {
                let Some(at) = self.at(device, room) else { return Ok(()) };
                self.update(at, show)?;
            }
            T::Rename { device, room, nick } => {
                let Some(at) = self.at(device, room) else { return Ok(()) };
                self.rename(at, nick)?;
            }
            T::Leave { device, room } => {
                let Some(at) = self.at(device, room) else { return Ok(()) };
                self.leave(at)?;
            }
            T::Say { device, room, id } => {
                let Some(at) = self.at(device, room) else { return Ok(()) };
                self.say(at, None, id, text("body", "a word"))?;
            }
            T::Whisper { device, room, nick, id } => {
                let Some(at) = self.at(device, room) else { return Ok(()) };
                self.say(at, Some(nick), id, text("body", "a secret"))?;
            }
            T::SetTopic { device, room } => {
                let Some(at) = self.at(device, room) else { return Ok(()) };
                let topic = format!("topic of {}", self.number());
                self.say(at, None, Some(0), text("subject", &topic))?;
            }
            T::Ping { device, room } => {
                let Some(at) = self.at(device, room) else { return Ok(()) };
                self.ping(at)?;
            }
            T::Fail { device, room, presence } => {
                let Some(at) = self.at(device, room) else { return Ok(()) };
                let name = if presence { "presence" } else { "message" };
                let stanza = build(name, &[("type", Some("error"))], &[]);
                self.from_session(at.stream, at.room, None, stanza, Cause::Other)?;
            }
            T::Configure { device, room } => {
                let Some(at) = self.at(device, room) else { return Ok(()) };
                let query = element("query", &[("xmlns", NS_OWNER)], &[]);
                let stanza = build("iq", &[("type", Some("set")), ("id", Some("c"))], &[query]);
                self.from_session(at.stream, at.room, None, stanza, Cause::Other)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn at(&self, device: u8, room: u8) -> Option<At> {
        let stream = self.current[device_of(device)]?;
        Some(At { stream, room: usize::from(room) % ROOMS })
    }

    fn chat(&mut self, at: At) -> Option<&mut Chat> {
        self.streams.get_mut(&at.stream).map(|stream| &mut stream.chats[at.room])
    }

    /// The nick that the session believes to have, or the one that it likes.
    fn own_nick(&mut self, at: At) -> String {
        let chat = self.chat(at);
        let own = chat.and_then(|chat| chat.own.as_ref().and_then(stanza::nick).map(String::from));
        own.unwrap_or_else(|| NICKS[0].to_owned())
    }

    /// Whether session and core must agree that it is in: nothing else waits for it.
    fn is_surely_in(&self, at: At) -> bool {
        self.streams.get(&at.stream).is_some_and(|stream| {
            let chat = &stream.chats[at.room];
            let waits = stream.mailbox.iter().any(
                |mail| matches!(mail, Mail::Delivery { room, last, .. } if *room == at.room && *last),
            );
            chat.is_in() && chat.ask.is_none() && !waits
        })
    }

    fn join(&mut self, at: At, nick: u8, password: bool, wish: Wish) -> Result<(), String> {
        let nick = NICKS[usize::from(nick) % NICKS.len()].to_owned();
        let account = self.account_of(at.stream);
        let mut down = self.pairs[account][at.room].down.iter();
        if self.standing(account, at.room) == minimix::Standing::Ended
            && down.any(|down| matches!(down.scope, Scope::Greeting | Scope::Entered))
        {
            // The room has taken it in unasked: see there.
            self.settle()?;
        }
        let number = self.number();
        let since = self.now;
        let device = self.streams.get(&at.stream).map_or(0, |stream| stream.device);
        let changes_nick = self.config.nick == minimix::NickPolicy::Change;
        let is_renamed = self.is_renamed(at, &nick);
        let Some(chat) = self.chat(at) else { return Ok(()) };
        // Devices count from different numbers, and meet; not where a nick change has such an id,
        // for nobody could tell whose error comes after a removal.
        let id = match changes_nick {
            true => format!("j{device}.{}", chat.joins),
            false => format!("j{}", chat.joins + device as u64),
        };
        chat.joins(Ask { id: id.clone(), nick: nick.clone(), wish, since });
        if is_renamed {
            chat.ask = None;
            chat.renames.push(id.clone());
            self.renamers.insert((at.room, id.clone()), at.stream);
        }
        let mut inside = vec![history(wish)];
        inside.extend(password.then(|| text("password", PASSWORD)));
        let x = element("x", &[("xmlns", NS_MUC)], &inside);
        let stanza = build("presence", &[("id", Some(&id))], &[serial(number), x]);
        let effects = self.from_session(at.stream, at.room, Some(&nick), stanza, Cause::Other)?;
        if effects.iter().any(|effect| matches!(effect, Effect::Reject { .. }))
            && let Some(chat) = self.chat(at)
        {
            chat.ask = None;
            chat.is_away = true;
        }
        Ok(())
    }

    /// The only session of an account that asks to enter under another nick wants that nick.
    fn is_renamed(&self, at: At, nick: &str) -> bool {
        let account = self.account_of(at.stream);
        let (pair, core) = (&self.pairs[account][at.room], self.cores[at.room].as_ref());
        let own = pair.known.own.as_ref().and_then(stanza::nick);
        let is_only = core.is_some_and(|core| core.sessions(&World::account(account)) == 1);
        let is_in = self.streams.get(&at.stream).is_some_and(|stream| {
            let mut mail = stream.mailbox.iter();
            let chat = &stream.chats[at.room];
            let is_last = |mail: &Mail| {
                matches!(mail, Mail::Delivery { room, last: true, .. } if *room == at.room)
            };
            chat.is_in() && chat.ask.is_none() && !mail.any(is_last)
        });
        is_only && is_in && own != Some(nick)
    }

    fn update(&mut self, at: At, show: u8) -> Result<(), String> {
        let nick = self.own_nick(at);
        let show = SHOWS[usize::from(show) % SHOWS.len()].map(|show| text("show", show));
        let inside: Vec<Xml> = show.into_iter().collect();
        let id = format!("u{}", self.number());
        self.renamers.insert((at.room, id.clone()), at.stream);
        let Some(chat) = self.chat(at) else { return Ok(()) };
        chat.renames.push(id.clone());
        let stanza = build("presence", &[("id", Some(&id))], &inside);
        self.updates(at, &nick, stanza)
    }

    fn rename(&mut self, at: At, nick: u8) -> Result<(), String> {
        let nick = NICKS[usize::from(nick) % NICKS.len()];
        let number = self.number();
        let Some(chat) = self.chat(at) else { return Ok(()) };
        let id = format!("r{number}");
        chat.renames.push(id.clone());
        self.renamers.insert((at.room, id.clone()), at.stream);
        let stanza = build("presence", &[("id", Some(&id))], &[serial(number)]);
        self.updates(at, nick, stanza)
    }

    fn updates(&mut self, at: At, nick: &str, stanza: Xml) -> Result<(), String> {
        let effects = self.from_session(at.stream, at.room, Some(nick), stanza, Cause::Other)?;
        let is_stray = |effect: &Effect| match effect {
            Effect::Deliver { target, .. } => target.gate == Gate::Nothing,
            _ => false,
        };
        if effects.iter().any(is_stray)
            && let Some(chat) = self.chat(at)
        {
            chat.strays += 1;
        }
        Ok(())
    }

    fn leave(&mut self, at: At) -> Result<(), String> {
        let nick = self.own_nick(at);
        let now = self.now;
        if self.pairs[self.account_of(at.stream)][at.room].managed.is_none() {
            return Ok(());
        }
        let Some(chat) = self.chat(at) else { return Ok(()) };
        chat.leaves(now);
        let stanza = build("presence", &[("type", Some("unavailable"))], &[text("status", "bye")]);
        self.from_session(at.stream, at.room, Some(&nick), stanza, Cause::Leave)?;
        Ok(())
    }

    fn say(&mut self, at: At, to: Option<u8>, id: Option<u8>, what: Xml) -> Result<(), String> {
        let id = id.map(|id| format!("m{id}"));
        let kind = if to.is_some() { "chat" } else { "groupchat" };
        let number = self.number();
        let attributes = [("type", Some(kind)), ("id", id.as_deref())];
        let stanza = build("message", &attributes, &[what, serial(number)]);
        let nick = to.map(|nick| NICKS[usize::from(nick) % NICKS.len()]);
        let must = self.is_surely_in(at);
        let is_in = self.chat(at).is_some_and(|chat| chat.is_attached());
        let effects = self.from_session(at.stream, at.room, nick, stanza, Cause::Other)?;
        let is_sent = effects.iter().any(|effect| matches!(effect, Effect::AsAccount { .. }));
        if must && !is_sent {
            return Err(format!("I4: a session in the room may not speak: {effects:?}"));
        }
        if is_sent && !is_in {
            return Err("I4: a session that is not in the room speaks".into());
        }
        if is_sent && let Some(chat) = self.chat(at) {
            chat.messages.push(id);
        }
        Ok(())
    }

    fn ping(&mut self, at: At) -> Result<(), String> {
        let nick = self.own_nick(at);
        let ping = element("ping", &[("xmlns", NS_PING)], &[]);
        let stanza = build("iq", &[("type", Some("get")), ("id", Some("p"))], &[ping]);
        let must = self.is_surely_in(at);
        let is_in = self.chat(at).is_some_and(|chat| chat.is_attached());
        let effects = self.from_session(at.stream, at.room, Some(&nick), stanza, Cause::Other)?;
        let says_yes = effects.iter().any(|effect| matches!(effect, Effect::Result));
        // In doubt it says nothing yet.
        let says_no = effects.iter().any(|effect| matches!(effect, Effect::Reject { .. }));
        match (says_yes, says_no, must, is_in) {
            (_, true, true, _) => Err("I4: a session in the room is told that it is not".into()),
            (true, _, _, false) => {
                Err("I4: a session that is not in the room is told that it is".into())
            }
            _ => Ok(()),
        }
    }

    pub fn account_of(&self, stream: u64) -> usize {
        self.streams.get(&stream).map_or(0, crate::world::Stream::account)
    }

    fn in_all_rooms(&mut self, stream: u64, input: &Input) -> Result<(), String> {
        let account = self.account_of(stream);
        for room in 0..ROOMS {
            if self.standing(account, room) != minimix::Standing::None {
                let context = Context::new(account, room, Cause::Gone, Source::Stream(stream));
                self.bring(input.clone(), &context)?;
            }
        }
        Ok(())
    }

    /// A stream ends; what waits for it is routed again, to who has its resource now.
    pub fn lose(&mut self, stream: u64) -> Result<(), String> {
        self.in_all_rooms(
            stream,
            &Input::Detach { session: minimix::SessionId(stream), words: None },
        )?;
        let Some(gone) = self.streams.remove(&stream) else { return Ok(()) };
        if self.current[gone.device] == Some(stream) {
            self.current[gone.device] = None;
        }
        self.reroute(gone.device, gone.mailbox);
        Ok(())
    }

    /// What belongs to no attachment was for that stream alone.
    fn reroute(&mut self, device: usize, mailbox: impl IntoIterator<Item = Mail>) {
        let heir = self.current[device].and_then(|heir| self.streams.get_mut(&heir));
        if let Some(heir) = heir {
            let is_stanza =
                |mail: &Mail| matches!(mail, Mail::Delivery { gate: Gate::Attachment(_), .. });
            heir.mailbox.extend(mailbox.into_iter().filter(is_stanza));
        }
    }

    fn resume(&mut self, device: usize) -> Result<(), String> {
        let Some(old) = self.current[device] else { return Ok(()) };
        let new = self.connect(device);
        let (from, to) = (minimix::SessionId(old), minimix::SessionId(new));
        self.in_all_rooms(new, &Input::Resumed { old: from, new: to })?;
        let Some(gone) = self.streams.remove(&old) else { return Ok(()) };
        if let Some(stream) = self.streams.get_mut(&new) {
            stream.chats = gone.chats;
            // Whatever the new process was sent already waits behind what the old one was sent.
            let since = std::mem::take(&mut stream.mailbox);
            let stanzas =
                gone.mailbox.into_iter().filter(|mail| matches!(mail, Mail::Delivery { .. }));
            stream.mailbox = stanzas.chain(since).collect();
        }
        for stream in self.renamers.values_mut().filter(|stream| **stream == old) {
            *stream = new;
        }
        for ticket in self.tickets.values_mut().filter(|ticket| ticket.stream == Some(old)) {
            ticket.stream = Some(new);
        }
        Ok(())
    }

    fn hide(&mut self, device: usize) -> Result<(), String> {
        let Some(stream) = self.current[device] else { return Ok(()) };
        self.in_all_rooms(
            stream,
            &Input::Detach { session: minimix::SessionId(stream), words: None },
        )?;
        for chat in self.streams.get_mut(&stream).into_iter().flat_map(|stream| &mut stream.chats) {
            // Answers for an attachment are dropped with it.
            let is_attached = chat.generation.is_some();
            let leaves = std::mem::take(&mut chat.leaves);
            *chat = Chat {
                is_away: true,
                leaves: leaves.into_iter().filter(|_| !is_attached).collect(),
                asked: std::mem::take(&mut chat.asked),
                asked_at: chat.asked_at,
                joins: chat.joins,
                strays: chat.strays,
                renames: std::mem::take(&mut chat.renames),
                messages: std::mem::take(&mut chat.messages),
                ..Chat::default()
            };
        }
        Ok(())
    }

    /// The account is removed from its server.
    pub fn stop(&mut self, account: usize) -> Result<(), String> {
        for room in 0..ROOMS {
            if self.standing(account, room) != minimix::Standing::None {
                let context = Context::new(account, room, Cause::Gone, Source::Clock);
                self.bring(Input::Stop, &context)?;
                self.pair(account, room).known.is_forgotten();
            }
        }
        Ok(())
    }
}

fn device_of(device: u8) -> usize {
    usize::from(device) % (ACCOUNTS * DEVICES)
}

fn history(wish: Wish) -> Xml {
    let (key, value) = match wish {
        Wish::All => return element("history", &[], &[]),
        Wish::None => ("maxstanzas", "0".to_owned()),
        Wish::Stanzas(limit) => ("maxstanzas", limit.to_string()),
        Wish::Seconds(seconds) => ("seconds", seconds.to_string()),
        Wish::Since(ago) => ("since", stanza::stamp(crate::entering::since_of(ago))),
    };
    element("history", &[(key, &value)], &[])
}
