//! The next control presence: at most one is in flight.

use crate::author;
use crate::control::{Asker, Control, Kind};
use crate::effect::{Effect, Target};
use crate::membership::{Cx, Membership, RESYNC_PAUSE};
use crate::muc_user::code;
use crate::names::Millis;
use crate::roster::Roster;
use crate::showing;
use crate::state::State;
use crate::xml::Xml;

/// How long before the last message that has arrived another one may have been lost.
const BEFORE: u64 = 5 * 60_000;

impl Membership {
    /// Sends the next control presence when none is in flight.
    pub fn settle(&mut self, cx: &mut Cx<'_>) {
        if self.control.is_some() || matches!(self.state, State::Joining) {
            return;
        }
        if matches!(self.state, State::Away(_)) {
            return self.settle_away(cx);
        }
        if self.queue.goodbye || (self.is_stopping && self.is_established()) {
            self.queue.goodbye = false;
            return self.leave_again(cx);
        }
        if let Some(leave) = self.queue.leave.take() {
            self.state = State::Leaving;
            let id = leave.words.root().attribute("id").map(String::from);
            let stanza = author::leave(&cx.occupant(&self.nick), id.as_deref(), Some(&leave.words));
            return self.send(cx, Kind::Leave, id, Some(leave.by), stanza);
        }
        if !self.is_established() {
            return;
        }
        if self.queue.resync && self.resync_after <= cx.now {
            return self.resync(cx);
        }
        if self.queue.gap && self.resync_after <= cx.now {
            return self.fill_the_gap(cx);
        }
        if let Some(change) = self.queue.nick.take()
            && change.nick != self.nick
            && let Some(wanted) = self.wanted(cx)
        {
            let stanza = author::update(&wanted, &cx.occupant(&change.nick), change.id.as_deref());
            return self.send(cx, Kind::Nick(wanted), change.id, change.by, stanza);
        }
        if std::mem::take(&mut self.queue.update) {
            let asker = self.queue.asker.take();
            self.update(cx, asker);
        }
    }

    fn resync(&mut self, cx: &mut Cx<'_>) {
        self.queue.resync = false;
        let Some(waiting) = self.attachments.waiting().next() else {
            return;
        };
        let Some(wanted) = self.wanted(cx) else {
            return;
        };
        let (to, id) = (cx.occupant(&self.nick), author::own_id(cx.fresh()));
        let stanza = waiting.request.again(&wanted, &to, &id);
        self.fills_a_gap = false;
        self.send_resync(cx, wanted, id, stanza);
    }

    /// Asks for everything, and for the history since before the gap: what is known of that is told
    /// apart.
    fn fill_the_gap(&mut self, cx: &mut Cx<'_>) {
        self.queue.gap = false;
        let seen_at = self.intent.seen.as_ref().map(|(at, _)| *at).or(self.intent.joined_at);
        let Some(seen_at) = seen_at.filter(|_| cx.config.history_size > 0) else {
            return;
        };
        let Some(wanted) = self.wanted(cx) else {
            return;
        };
        let (to, id) = (cx.occupant(&self.nick), author::own_id(cx.fresh()));
        let since = Some(Millis(seen_at.0.saturating_sub(BEFORE)));
        let password = self.intent.password.as_deref();
        let stanza = author::join_again(&wanted, &to, &id, password, since, cx.config.history_size);
        self.repeats = self.history.clone();
        self.fills_a_gap = true;
        self.send_resync(cx, wanted, id, stanza);
    }

    fn send_resync(&mut self, cx: &mut Cx<'_>, shown: Xml, id: String, stanza: Xml) {
        self.shown = Some(shown);
        self.resync_after = cx.now.after(RESYNC_PAUSE);
        self.burst = Some(Roster::default());
        self.send(cx, Kind::Resync, Some(id), None, stanza);
    }

    /// Sends what others see of the account when it has changed. Who asked for a change that
    /// others do not see is given the self-presence all the same.
    fn update(&mut self, cx: &mut Cx<'_>, asker: Option<Asker>) {
        let asker = asker.filter(|asker| self.attachments.attached(asker.by.session).is_some());
        let (by, id) = asker.map_or((None, None), |asker| (Some(asker.by), asker.id));
        let is_shown = |wanted: &Xml| {
            let is_meant = by.is_some();
            self.shown.as_ref().is_some_and(|shown| showing::is_alike(shown, wanted, is_meant))
        };
        if let Some(wanted) = self.wanted(cx)
            && !is_shown(&wanted)
        {
            let stanza = author::update(&wanted, &cx.occupant(&self.nick), id.as_deref());
            self.shown = Some(wanted);
            self.send(cx, Kind::Update, id, by, stanza);
        } else if let Some((target, own)) = by.zip(self.own.as_ref()) {
            let (codes, resource) = ([code::SELF], &target.resource);
            let stanza = author::self_presence(own, &codes, cx.account, resource, id.as_deref());
            cx.push(Effect::Deliver { target, stanza });
        }
    }

    /// What others should see of the account.
    pub fn wanted(&self, cx: &Cx<'_>) -> Option<Xml> {
        showing::best(&self.attachments, &self.lost)
            .cloned()
            .or_else(|| author::offline_presence(cx.config.offline_presence))
            .or_else(|| self.shown.clone())
    }

    pub fn send(
        &mut self,
        cx: &mut Cx<'_>,
        kind: Kind,
        id: Option<String>,
        by: Option<Target>,
        stanza: Xml,
    ) {
        let until = cx.now.after(cx.config.join_timeout);
        let is_leave = matches!(kind, Kind::Leave);
        self.last_id.clone_from(&id);
        self.control = Some(Control { kind, id, by, until });
        cx.push(match is_leave {
            true => Effect::Leave { stanza },
            false => Effect::Send { stanza },
        });
    }

    /// Who leaves a room that does not know the account need not wait for it.
    fn settle_away(&mut self, cx: &mut Cx<'_>) {
        let leave = self.queue.leave.take();
        if leave.is_none() && !std::mem::take(&mut self.queue.goodbye) {
            return;
        }
        let words = leave.as_ref().map(|leave| leave.words.clone());
        if let Some(leave) = leave {
            self.tell_out(cx, leave.by, &[]);
        }
        // It may have been in the room all the time.
        let stanza = author::leave(&cx.occupant(&self.nick), None, words.as_ref());
        cx.push(Effect::Leave { stanza });
        self.end(cx);
        self.has_said_goodbye = true;
    }
}
