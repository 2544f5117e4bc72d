//! Plays one case: brings its steps to the host and compares what everybody gets.

use minimix::{
    Account, Input, LeavePolicy, NickPolicy, OccupantAddress, OfflinePresence, Place, Push,
    RoomJid, Xml,
};

use crate::host::Host;
use crate::pattern;
use crate::script::{Action, Step, StreamEvent, milliseconds};
use crate::words::{self, Context, address};

/// What a failure shows of a stanza.
const SHOWN: usize = 2_000;

/// A conversation under way.
pub struct Play {
    host: Host,
    context: Context,
    log: String,
}

impl Play {
    /// Plays all steps. A failure tells the conversation up to the line that differs.
    pub fn all(steps: &[Step]) -> Result<(), String> {
        let mut play = Play { host: Host::new(), context: Context::default(), log: String::new() };
        let mut before: Option<&Step> = None;
        for step in steps {
            step.written.lines().for_each(|line| play.log.push_str(&format!("     {line}\n")));
            let is_one_moment = before.is_some_and(Step::sends) && step.sends();
            before = Some(step);
            play.step(step, is_one_moment)
                .map_err(|why| format!("{}\n{}: {why}\n", play.log, step.place))?;
        }
        play.silence().map_err(|why| format!("{}\nat the end: {why}\n", play.log))
    }

    fn step(&mut self, step: &Step, is_one_moment: bool) -> Result<(), String> {
        if !is_one_moment && !step.expects() {
            self.silence()?;
        }
        match &step.action {
            Action::Option { key, value } => self.option(key, value),
            Action::OtherRooms(count) => {
                self.host.other_rooms = *count;
                Ok(())
            }
            Action::OtherTombs(count) => {
                self.host.other_tombs = *count;
                Ok(())
            }
            Action::Declines => {
                self.host.declines = true;
                Ok(())
            }
            Action::NeedsResource => {
                self.host.needs_resource = true;
                Ok(())
            }
            Action::Bookmark(bookmark) => {
                self.host.happens(Input::Bookmark { bookmark: bookmark.clone() })
            }
            Action::BookmarkGets(nick) => {
                let got = self.host.bookmarked.pop_front();
                is(nick, got.as_ref().map_or("nothing", |nick| nick.as_str()))
            }
            Action::Command(command) => {
                self.host.happens(Input::Command { command: command.clone() })
            }
            Action::Gap => self.host.happens(Input::Gap),
            Action::LinkBreaks => self.host.happens(Input::Doubt),
            Action::Restarts => self.host.restarts(),
            Action::TurnsWait => {
                self.host.turns_wait = true;
                Ok(())
            }
            Action::TurnComes => self.host.turn_comes(),
            Action::Stored { place, nick } => self.stored(place, nick.as_deref()),
            Action::Woken => match std::mem::take(&mut self.host.woken) {
                1 => Ok(()),
                times => Err(format!("devices are woken {times} times")),
            },
            Action::ArchiveHolds(text) => self.archive_holds(text),
            Action::LongestDetached(room) => {
                self.host.longest_detached = Some(RoomJid::from(room.as_str()));
                Ok(())
            }
            Action::Dismissed(room) => {
                let got = self.host.dismissed.pop_front();
                is(room, got.as_ref().map_or("nothing", |room| room.as_str()))
            }
            Action::After(time) => self.host.wait(*time),
            Action::Sends { who, times, text } => {
                repeat(*times, |number| self.sends(who, text, number))
            }
            Action::Get { who, text, .. } if text.is_empty() => {
                who.iter().try_for_each(|who| match self.next(who) {
                    Some(stanza) => Err(format!("{who} gets {}", shown(&stanza))),
                    None => Ok(()),
                })
            }
            Action::Get { who, times, text } => {
                who.iter().try_for_each(|who| repeat(*times, |number| self.gets(who, text, number)))
            }
            Action::Silence => self.silence(),
            Action::Stream { who, what } => self.stream(who, *what),
            Action::Stops => self.host.stops(),
            Action::Include(_) => Ok(()),
        }
    }

    fn stored(&self, place: &str, nick: Option<&str>) -> Result<(), String> {
        let record = self.host.records.get(&Account::from(address("alice").as_str()));
        let found = match record.map(|record| record.place) {
            None => "nothing",
            Some(Place::Joining) => "joining",
            Some(Place::Joined) => "joined",
            Some(Place::Out) => "out",
        };
        is(place, found)?;
        nick.map_or(Ok(()), |nick| is(nick, record.map_or("", |record| record.nick.as_str())))
    }

    fn sends(&mut self, who: &str, text: &str, number: Option<usize>) -> Result<(), String> {
        self.context.number = number;
        self.context.me = (who != "room").then(|| self.host.stream(who).jid());
        for stanza in words::stanzas(text, &self.context)? {
            match who {
                "room" => self.host.room_sends(&stanza)?,
                session => self.host.session_sends(session, &stanza)?,
            }
        }
        Ok(())
    }

    fn gets(&mut self, who: &str, text: &str, number: Option<usize>) -> Result<(), String> {
        self.context.number = number;
        let is_session = who != "room" && who != "server";
        self.context.me = is_session.then(|| self.host.stream(who).jid());
        for expected in words::stanzas(text, &self.context)? {
            let Some(found) = self.next(who) else {
                return Err(format!("{who} does not get {}", shown(&expected)));
            };
            let found = self.without_the_obvious(&expected, found);
            pattern::compare(expected.root(), found.root(), &mut self.context.names).map_err(
                |why| {
                    let (expected, found) = (shown(&expected), shown(&found));
                    format!("{who}: {why}\n  expected {expected}\n  gets     {found}")
                },
            )?;
        }
        Ok(())
    }

    fn archive_holds(&mut self, text: &str) -> Result<(), String> {
        self.context.me = None;
        let expected = words::stanzas(text, &self.context)?;
        let archive = self.host.archives.get(&Account::from(address("alice").as_str()));
        let found: Vec<Xml> =
            archive.into_iter().flatten().map(|one| one.message.clone()).collect();
        is(&expected.len().to_string(), &found.len().to_string())
            .map_err(|why| format!("messages in the archive: {why}: {found:?}"))?;
        for (expected, found) in expected.iter().zip(&found) {
            pattern::compare(expected.root(), found.root(), &mut self.context.names)
                .map_err(|why| format!("the archive: {why}\n  holds {}", shown(found)))?;
        }
        Ok(())
    }

    /// Leaves out the session's `to` and the account's `from` where a transcript does.
    fn without_the_obvious(&self, expected: &Xml, found: Xml) -> Xml {
        let (key, obvious) = match &self.context.me {
            Some(me) => ("to", me.clone()),
            None if found.root().attribute("to") == Some(&address("alice")) => {
                ("to", address("alice"))
            }
            None => ("from", address("alice")),
        };
        let leave_out = expected.root().attribute(key).is_none()
            && found.root().attribute(key) == Some(obvious.as_str());
        if leave_out { found.edited(&[(key, None)], |_| true, &[]) } else { found }
    }

    fn next(&mut self, who: &str) -> Option<Xml> {
        match who {
            "room" => self.host.room_got.pop_front(),
            "server" => self.host.server_got.pop_front(),
            session => self.host.stream(session).shown.pop_front(),
        }
    }

    /// Nobody has got anything that was not expected.
    fn silence(&mut self) -> Result<(), String> {
        if let Some(stanza) = self.host.room_got.front() {
            return Err(format!("room gets {}", shown(stanza)));
        }
        if let Some(nick) = self.host.bookmarked.front() {
            return Err(format!("bookmark gets {nick}"));
        }
        if let Some(room) = self.host.dismissed.front() {
            return Err(format!("account leaves {room}"));
        }
        if self.host.woken > 0 {
            return Err("devices are woken".to_owned());
        }
        if let Some(stanza) = self.host.server_got.front() {
            return Err(format!("server gets {}", shown(stanza)));
        }
        for stream in &self.host.streams {
            if let Some(stanza) = stream.shown.front() {
                return Err(format!("{} gets {}", stream.name, shown(stanza)));
            }
        }
        Ok(())
    }

    fn stream(&mut self, who: &str, what: StreamEvent) -> Result<(), String> {
        match what {
            StreamEvent::IsBusy => self.host.stream(who).is_busy = true,
            StreamEvent::GoesOn => {
                self.host.stream(who).is_busy = false;
                return self.host.drain();
            }
            StreamEvent::Disconnects => {
                self.host
                    .session_event(who, false, |session| Input::Detach { session, words: None })?;
            }
            StreamEvent::GoesOffline => {
                self.host.session_event(who, true, |session| {
                    let words = "<presence xmlns='jabber:client' type='unavailable'/>".parse().ok();
                    Input::Detach { session, words }
                })?;
            }
            StreamEvent::Resumes => self.host.resumes(who)?,
            StreamEvent::FallsAsleep => {
                let session = self.host.stream(who).id;
                self.host.happens(Input::Asleep { session })?;
            }
        }
        Ok(())
    }

    fn option(&mut self, key: &str, value: &str) -> Result<(), String> {
        let unknown = || format!("no option: {key} {value}");
        let count = || value.parse::<usize>().map_err(|_| unknown());
        let time = || {
            let (number, unit) = value.split_once(' ').ok_or_else(unknown)?;
            milliseconds(number, unit)
        };
        let config = &mut self.host.config;
        match (key, value) {
            ("nick", "assign") => config.nick = NickPolicy::Assign,
            ("nick", "change") => config.nick = NickPolicy::Change,
            ("leave", "auto") => config.leave = LeavePolicy::Auto,
            ("leave", "last_session") => config.leave = LeavePolicy::LastSession,
            ("leave", "never") => config.leave = LeavePolicy::Never,
            ("occupant_address", "bare") => config.occupant_address = OccupantAddress::Bare,
            ("occupant_address", "resource") => {
                config.occupant_address = OccupantAddress::Resource;
            }
            ("offline_presence", "xa") => config.offline_presence = OfflinePresence::Xa,
            ("offline_presence", "away") => config.offline_presence = OfflinePresence::Away,
            ("offline_presence", "keep") => config.offline_presence = OfflinePresence::Keep,
            ("offline_delay", _) => config.offline_delay = time()?,
            ("join_timeout", _) => config.join_timeout = time()?,
            ("detached_ttl", _) => config.detached_ttl = time()?,
            ("ping_interval", _) => config.ping_interval = time()?,
            ("archive", "on") => config.archive = true,
            ("push", "none") => config.push = Push::None,
            ("push", "mentions") => config.push = Push::Mentions,
            ("push", "all") => config.push = Push::All,
            ("history_size", _) => config.history_size = count()?,
            ("max_rooms", _) => config.max_rooms = count()?,
            ("max_occupants", _) => config.max_occupants = count()?,
            _ => return Err(unknown()),
        }
        Ok(())
    }
}

fn is(expected: &str, found: &str) -> Result<(), String> {
    match expected == found {
        true => Ok(()),
        false => Err(format!("expected {expected}, found {found}")),
    }
}

/// Once, or with a number each.
fn repeat(
    times: usize,
    mut what: impl FnMut(Option<usize>) -> Result<(), String>,
) -> Result<(), String> {
    match times {
        1 => what(None),
        times => (1..=times).try_for_each(|number| what(Some(number))),
    }
}

fn shown(stanza: &Xml) -> String {
    let mut text = stanza.to_string().replace(" xmlns='jabber:client'", "");
    if let Some((end, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(end);
        text.push('…');
    }
    text
}
