%% Conversations about presence and nicks.
-module(mmx_showing).

-export([
    presence_is_updated/0,
    presence_is_the_same_again/0,
    presence_with_much_in_it/0,
    presence_that_says_what_only_rooms_say/0,
    presence_in_another_language/0,
    presence_without_an_id/0,
    presence_to_the_room_itself/0,
    a_subscription_to_an_occupant/0,
    nicks_change/0,
    a_nick_changes_with_a_show/0,
    a_nick_that_is_taken/0,
    a_nick_that_is_no_nick/0,
    a_nick_in_other_letters/0,
    visitors_keep_their_nicks/0,
    visitors_show_no_status/0,
    a_nick_changes_twice_at_once/0,
    a_show_and_a_word_at_once/0,
    who_has_a_new_nick_pings_both/0,
    a_nick_of_another_is_left/0,
    visitors_are_not_shown/0,
    others_come_and_go/0,
    an_error_of_presence_from_outside/0
]).

-compile({no_auto_import, [error/2]}).
-import(mmx_script, [
    join/1, leave/1, show/2, nick/1, say/1, ping/1, error/2, role/2, open_room/0, room_with/1, both/0,
    everybody/0
]).

%% B5.40 (XEP-0045 §7.7)
presence_is_updated() ->
    everybody() ++
        [
            {phone, show("alice", Inside)}
         || Inside <- [
                "<show>away</show>",
                "<show>dnd</show><status>tea</status>",
                "<status xml:lang='de'>tee</status>",
                ""
            ]
        ] ++
        [{bob, show("bob", "<show>xa</show><status>off</status>")}, {dan, join("dan")}].

%% B5.40 (XEP-0045 §7.7)
presence_is_the_same_again() ->
    {allowing, [{nothing_new_is_not_shown, [5]}],
        both() ++ [{phone, show("alice", "<show>away</show>")}, {phone, show("alice", "<show>away</show>")}]}.

%% B5.40, B5.42 (XEP-0045 §7.7, XEP-0115, XEP-0153)
presence_with_much_in_it() ->
    both() ++
        [
            {phone, show("alice", [
                "<show>chat</show><status>tea</status><priority>7</priority>",
                "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:client' ver='abc='/>",
                "<x xmlns='vcard-temp:x:update'><photo/></x><odd xmlns='urn:odd'><deep/></odd>"
            ])},
            {bob, show("bob", [
                "<show>chat</show><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:client' ver='abc='/>",
                "<odd xmlns='urn:odd'/>"
            ])},
            {carol, join("carol")}
        ].

%% B5.43 (XEP-0045 §17.3)
presence_that_says_what_only_rooms_say() ->
    {allowing, [{nothing_new_is_not_shown, [4]}],
        both() ++
            [
                {phone, show("alice", [
                    "<x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='owner' role='moderator'/><status code='110'/></x>",
                    "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='forged'/><delay xmlns='urn:xmpp:delay' stamp='2001-01-01T00:00:00Z'/>"
                ])}
            ]}.

%% B5.40 (XEP-0045 §7.7)
presence_in_another_language() ->
    both() ++
        [{phone, "<presence to='$room/alice' xml:lang='de' id='mine'><show>away</show><status>tee</status></presence>"}].

%% B5.40 (XEP-0045 §7.7)
presence_without_an_id() ->
    both() ++
        [
            {phone, {no_id, show("alice", "<show>away</show>")}},
            {bob, {no_id, show("bob", "<show>away</show>")}}
        ].

%% B5.40 (XEP-0045 §7.7)
presence_to_the_room_itself() ->
    both() ++ [{phone, "<presence to='$room'><show>away</show></presence>"}, {phone, ping("alice")}].

%% B5.45 (XEP-0045 §18.2.2)
a_subscription_to_an_occupant() ->
    both() ++ [{phone, ["<presence type='", Type, "' to='$room/bob'/>"]} || Type <- ["subscribe", "probe"]].

%% B4.33, B4.34 (XEP-0045 §7.6)
nicks_change() ->
    everybody() ++
        [
            {phone, nick("ally")},
            {phone, say("hello")},
            {bob, nick("robert")},
            {bob, say("hello")},
            {dan, join("dan")},
            {phone, nick("alice")}
        ].

%% B4.33 (XEP-0045 §7.6)
a_nick_changes_with_a_show() ->
    both() ++ [{phone, show("ally", "<show>away</show><status>tea</status>")}, {carol, join("carol")}].

%% B4.36 (XEP-0045 §7.6)
a_nick_that_is_taken() ->
    everybody() ++ [{phone, nick("bob")}, {bob, nick("alice")}, {phone, say("hello")}].

%% B4.36 (XEP-0045 §7.6)
a_nick_that_is_no_nick() ->
    both() ++ [{phone, "<presence to='$room/%20'/>"}, {phone, "<presence to='$room/ '/>"}, {phone, say("hello")}].

%% B3.32 (XEP-0045 §17.1)
a_nick_in_other_letters() ->
    both() ++ [{phone, nick("Alice")}, {phone, say("hello")}, {phone, nick("ALICE")}, {carol, join("Alice")}].

%% B4.36 (XEP-0045 §7.6)
visitors_keep_their_nicks() ->
    room_with([{"moderatedroom", "1"}, {"allow_visitor_nickchange", "0"}]) ++
        [{phone, join("alice")}, {bob, role("alice", "visitor")}, {phone, nick("ally")}, {phone, say("hello")}].

%% B5.40 (XEP-0045 §7.7)
visitors_show_no_status() ->
    room_with([{"moderatedroom", "1"}, {"allow_visitor_status", "0"}]) ++
        [
            {phone, join("alice")},
            {bob, role("alice", "visitor")},
            {phone, show("alice", "<show>away</show><status>tea</status>")}
        ].

%% B4.33 (XEP-0045 §7.6)
a_nick_changes_twice_at_once() ->
    both() ++ [{phone, {burst, [nick("ally"), nick("alina")]}}, {phone, say("hello")}].

%% B5.40 (XEP-0045 §7.7)
a_show_and_a_word_at_once() ->
    both() ++ [{phone, {burst, [show("alice", "<show>away</show>"), say("hello"), show("alice", "")]}}].

%% B4.37 (XEP-0410 §4)
who_has_a_new_nick_pings_both() ->
    both() ++ [{phone, nick("ally")}, {phone, ping("ally")}, {phone, ping("nobody")}].

%% B5.41, B7.53 (XEP-0045 §7.14)
a_nick_of_another_is_left() ->
    {allowing, [{error_by_the_server, [5]}],
        both() ++ [{phone, leave("bob")}, {phone, ping("alice")}]}.

%% B2.28 (XEP-0045 §7.2.2)
visitors_are_not_shown() ->
    room_with([{"moderatedroom", "1"}, {"members_by_default", "0"}, {"presencebroadcast", "moderator"}]) ++
        [
            {phone, join("alice")},
            {carol, join("carol")},
            {phone, show("alice", "<show>away</show>")},
            {phone, leave("alice")}
        ].

%% B5.40 (XEP-0045 §7.2.2)
others_come_and_go() ->
    both() ++
        [
            {carol, join("carol")},
            {dan, join("dan")},
            {carol, leave("carol")},
            {dan, leave("dan")},
            {phone, say("hello")}
        ].

%% B13.89 (XEP-0045 §18.1.2)
an_error_of_presence_from_outside() ->
    open_room() ++ [{phone, ["<presence type='error' to='$room/bob'>", error("cancel", "gone"), "</presence>"]}].
