//! One roster for all accounts that were shown the same.
//!
//! A room shows each account all occupants but itself, so no two rosters are equal. But where they
//! differ by nothing else, one map serves both: it holds every occupant as the others were shown it,
//! and each account hides its own. An account only ever rests on a map that holds exactly what it was
//! shown (I7): accounts that are shown more, as moderators are, or were shown a change that has not come
//! to the rest, are on maps of their own and meet the others again when the contents are equal.

use std::collections::VecDeque;

use imbl::ordmap::DiffItem;

use crate::names::Nick;
use crate::roster::{Presences, Roster};
use crate::xml::Xml;

/// Maps that are compared with: what moderators see and others do, some changes back.
const RECENT: usize = 8;

/// The latest maps of a room, the newest first.
#[derive(Debug, Default)]
pub struct Versions(VecDeque<Version>);

#[derive(Debug)]
struct Version {
    presences: Presences,
    /// The occupant whose roster it was, who was not shown itself as others are.
    unsure: Option<Nick>,
}

/// A roster can rest on a version, when that has the unsure occupant as the roster has it.
struct Fit {
    unsure: Option<(Nick, Option<Xml>)>,
}

impl Versions {
    /// Has the roster of the account with this nick rest on what others rest on, if that is the same; or
    /// others may rest on this one.
    pub fn settle(&mut self, roster: &mut Roster, own: &Nick) {
        if self.meet(roster, own) {
            return;
        }
        self.0.truncate(RECENT - 1);
        self.0.push_front(Version {
            presences: roster.presences().clone(),
            unsure: Some(own.clone()),
        });
    }

    /// Has it rest on what others rest on, if that is the same; whether nothing is left to do. Before a
    /// change, too: who is always the first to be shown changes would never meet the others after them.
    pub fn meet(&mut self, roster: &mut Roster, own: &Nick) -> bool {
        // Who was shown somebody else under the own nick has nothing in common with anybody.
        if roster.is_forgotten() || roster.get(own).is_some() {
            return true;
        }
        let is_its = |known: &&mut Version| known.presences.ptr_eq(roster.presences());
        let is_there = self.0.iter_mut().find(is_its).map(|version| version.confirm(own));
        if is_there == Some(true) {
            return true;
        }
        for version in &mut self.0 {
            let fit =
                version.fit(roster, own).filter(|_| !version.presences.ptr_eq(roster.presences()));
            if let Some(fit) = fit {
                version.take(fit, own);
                let hidden = version.presences.contains_key(own).then(|| own.clone());
                roster.rest_on(version.presences.clone(), hidden);
                return true;
            }
        }
        is_there.is_some()
    }
}

impl Version {
    /// Another account rests on it: whether all that is in it is sure.
    fn confirm(&mut self, own: &Nick) -> bool {
        self.unsure.take_if(|unsure| unsure != own);
        self.unsure.is_none()
    }

    fn take(&mut self, fit: Fit, own: &Nick) {
        match fit.unsure {
            Some((nick, Some(presence))) => _ = self.presences.insert(nick, presence),
            Some((nick, None)) => _ = self.presences.remove(&nick),
            None => {}
        }
        self.confirm(own);
    }

    fn fit(&self, roster: &Roster, own: &Nick) -> Option<Fit> {
        let theirs = roster.presences();
        if self.presences.len().abs_diff(theirs.len()) > 2 {
            return None;
        }
        let is_own = |nick: &Nick| nick == own && roster.get(nick).is_none();
        let is_unsure = |nick: &Nick| self.unsure.as_ref() == Some(nick);
        let mut fit = Fit { unsure: None };
        for difference in self.presences.diff(theirs) {
            match difference {
                DiffItem::Remove(nick, _) | DiffItem::Update { old: (nick, _), .. }
                    if is_own(nick) => {}
                // The roster hides it, and the version has not got it.
                DiffItem::Add(nick, _) if roster.hidden() == Some(nick) => {}
                DiffItem::Add(nick, presence) | DiffItem::Update { new: (nick, presence), .. }
                    if is_unsure(nick) =>
                {
                    fit.unsure = Some((nick.clone(), Some(presence.clone())));
                }
                DiffItem::Remove(nick, _) if is_unsure(nick) => {
                    fit.unsure = Some((nick.clone(), None));
                }
                _ => return None,
            }
        }
        // What the roster hides is the own occupant, or nobody that the version has.
        let is_clear = roster
            .hidden()
            .is_none_or(|hidden| hidden == own || !self.presences.contains_key(hidden));
        is_clear.then_some(fit)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const NICKS: [&str; 6] = ["ada", "bob", "cleo", "dan", "eve", "finn"];

    fn presence(text: u8) -> Xml {
        format!("<presence xmlns='jabber:client'><status>{text}</status></presence>")
            .parse()
            .unwrap()
    }

    /// An account with what it was shown, kept apart.
    struct Shown {
        own: Nick,
        roster: Roster,
        all: BTreeMap<Nick, Xml>,
    }

    impl Shown {
        fn is_shown(&mut self, nick: &Nick, presence: Option<Xml>) {
            match presence {
                Some(presence) => {
                    let old = self.roster.apply(nick.clone(), presence.clone());
                    assert_eq!(old, self.all.insert(nick.clone(), presence));
                }
                None => assert_eq!(self.roster.remove(nick), self.all.remove(nick)),
            }
        }

        fn is_right(&self) -> bool {
            self.roster.iter().eq(self.all.iter())
                && self.roster.len() == self.all.len()
                && self.all.iter().all(|(nick, presence)| self.roster.get(nick) == Some(presence))
                && self.roster.get(&self.own) == self.all.get(&self.own)
        }
    }

    fn accounts() -> Vec<Shown> {
        let of = |nick: &&str| Shown {
            own: Nick::from(*nick),
            roster: Roster::default(),
            all: BTreeMap::new(),
        };
        NICKS[..4].iter().map(of).collect()
    }

    /// Something that the room shows to some of the accounts.
    #[derive(Clone, Debug)]
    enum Step {
        Shows { nick: usize, presence: Option<u8>, to: [bool; 4] },
        Renames { account: usize, nick: usize },
    }

    fn step() -> impl Strategy<Value = Step> {
        let to = prop_oneof![3 => Just([true; 4]), 1 => any::<[bool; 4]>()];
        prop_oneof![
            9 => (0..6usize, proptest::option::weighted(0.7, 0..3u8), to)
                .prop_map(|(nick, presence, to)| Step::Shows { nick, presence, to }),
            1 => (0..4usize, 0..6usize).prop_map(|(account, nick)| Step::Renames { account, nick }),
        ]
    }

    proptest! {
        /// I7: whoever shares what with whom, each account has what it was shown and nothing else.
        #[test]
        fn each_account_has_what_it_was_shown(steps in proptest::collection::vec(step(), 0..60)) {
            let mut versions = Versions::default();
            let mut accounts = accounts();
            for step in steps {
                match step {
                    Step::Shows { nick, presence: shown, to } => {
                        let nick = Nick::from(NICKS[nick]);
                        // As interned: one copy for all.
                        let shown = shown.map(presence);
                        for (account, _) in accounts.iter_mut().zip(to).filter(|(_, is_told)| *is_told) {
                            versions.meet(&mut account.roster, &account.own);
                            prop_assert!(account.is_right());
                            if account.own != nick {
                                account.is_shown(&nick, shown.clone());
                            }
                            versions.settle(&mut account.roster, &account.own);
                            prop_assert!(account.is_right());
                        }
                    }
                    Step::Renames { account, nick } => {
                        accounts[account].own = Nick::from(NICKS[nick]);
                        let account = &mut accounts[account];
                        versions.settle(&mut account.roster, &account.own);
                    }
                }
                prop_assert!(accounts.iter().all(Shown::is_right));
            }
        }

        /// Memory: accounts that are shown the same end on one map, whatever came before.
        #[test]
        fn accounts_that_are_shown_the_same_share_one_map(steps in proptest::collection::vec(step(), 0..20)) {
            let mut versions = Versions::default();
            let mut accounts = accounts();
            let mut show = |nick: &str, shown: Option<Xml>, accounts: &mut Vec<Shown>| {
                for account in accounts.iter_mut() {
                    versions.meet(&mut account.roster, &account.own);
                    if account.own.as_str() != nick {
                        account.is_shown(&Nick::from(nick), shown.clone());
                    }
                    versions.settle(&mut account.roster, &account.own);
                }
            };
            for step in steps {
                if let Step::Shows { nick, presence: shown, .. } = step {
                    show(NICKS[nick], shown.map(presence), &mut accounts);
                }
            }
            for (at, nick) in NICKS.iter().enumerate() {
                show(nick, Some(presence(10 + at as u8)), &mut accounts);
            }
            show("finn", Some(presence(99)), &mut accounts);
            show("finn", Some(presence(98)), &mut accounts);
            for other in &accounts {
                prop_assert!(accounts[0].roster.presences().ptr_eq(other.roster.presences()));
            }
        }
    }
}
