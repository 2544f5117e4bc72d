%% Conversations of an account with several sessions under one nick, or with one that comes back.
-module(mmx_sharing).

-export([
    a_second_session_joins/0,
    a_second_session_wishes_no_history/0,
    a_second_session_wishes_a_little_history/0,
    a_second_session_joins_a_room_that_hides_nobody/0,
    a_second_session_of_the_owner_joins/0,
    a_second_session_joins_after_much/0,
    a_second_session_of_a_moderator_joins/0,
    a_second_session_joins_a_room_that_hides_again/0,
    the_second_session_of_the_owner_works/0,
    two_sessions_talk/0,
    two_sessions_use_the_same_id/0,
    one_of_two_sessions_is_refused/0,
    two_sessions_with_carbons_whisper/0,
    two_sessions_whisper/0,
    one_of_two_sessions_asks/0,
    one_of_two_sessions_leaves/0,
    two_sessions_see_others/0,
    two_sessions_are_kicked/0,
    two_sessions_are_banned/0,
    two_sessions_are_changed/0,
    the_room_of_two_sessions_is_destroyed/0,
    two_sessions_are_invited_and_one_is_in/0,
    a_session_is_lost_and_back/0,
    a_session_comes_back_to_much/0,
    a_session_goes_offline_and_is_back/0,
    a_session_says_goodbye_and_is_back/0
]).

-import(mmx_script, [
    join/1, join/2, leave/1, show/2, nick/1, say/1, subject/1, message/3, chat/2, whisper/2, query/3, ping/1,
    role/2, affiliation/2, configure/1, instant/0, destroy/1, room_with/1, both/0, everybody/0
]).

%% The occupant of several sessions is one; what it shows of itself natively alternates between them.
sharing(Steps) ->
    {allowing, [{one_occupant, always}], Steps}.

%% bob in his room, and two sessions of alice.
all_three() ->
    both() ++ [{laptop, join("alice")}].

%% B2.17, B2.22, B2.24 (XEP-0045 §7.2.8)
a_second_session_joins() ->
    {allowing, [{one_occupant, always}, {history_as_it_was_sent, [8]}],
        both() ++
            [
                {bob, say("one")},
                {phone, say("two")},
                {bob, subject("tea")},
                {carol, join("carol")},
                {laptop, join("alice")}
            ]}.

%% B2.20 (XEP-0045 §7.2.14)
a_second_session_wishes_no_history() ->
    sharing(both() ++ [{bob, say("one")}, {laptop, join("alice", "<history maxstanzas='0'/>")}]).

%% B2.20 (XEP-0045 §7.2.14)
a_second_session_wishes_a_little_history() ->
    {allowing, [{one_occupant, always}, {history_as_it_was_sent, [7]}],
        both() ++ [{bob, say(Text)} || Text <- ["one", "two", "three"]] ++ [{laptop, join("alice", "<history maxstanzas='1'/>")}]}.

%% B2.18, B2.28 (XEP-0045 §7.2.3)
a_second_session_joins_a_room_that_hides_nobody() ->
    sharing(room_with([{"whois", "anyone"}]) ++
        [
            {phone, join("alice")},
            {carol, join("carol")},
            {laptop, join("alice")}
        ]).

%% B2.18 (XEP-0045 §7.2.2)
a_second_session_of_the_owner_joins() ->
    sharing([{phone, join("alice")}, {phone, instant()}, {bob, join("bob")}, {laptop, join("alice")}]).

%% B2.18, B4.38, B9.67, B10.73, B10.75, B15.105 (XEP-0045 §7.2.2)
a_second_session_joins_after_much() ->
    {allowing, [{one_occupant, always}, {history_as_it_was_sent, [15]}, {shown_as_it_was, [15]}, {newly_seen_by_all, [15]}],
        everybody() ++ much() ++ [{laptop, join("alice")}]}.

%% What the others do meanwhile.
much() ->
    [
        {dan, join("dan")},
        {carol, nick("caroline")},
        {carol, show("caroline", "<show>away</show><status>tea</status>")},
        {bob, affiliation("$carol", "member")},
        {bob, role("dan", "moderator")},
        {bob, configure([{"whois", "anyone"}, {"roomname", "tea"}])},
        {bob, say("hello")},
        {bob, subject("tea")},
        {dan, leave("dan")},
        {bob, show("bob", "<show>dnd</show>")}
    ].

%% B2.18, B10.74 (XEP-0045 §9.6)
a_second_session_of_a_moderator_joins() ->
    {allowing, [{one_occupant, always}, {newly_seen_by_all, [8]}],
        everybody() ++ [
            {bob, role("alice", "moderator")},
            {dan, join("dan")},
            {bob, show("bob", "<show>away</show>")},
            {laptop, join("alice")}
        ]}.

%% B2.18 (XEP-0045 §7.2.3, §10.2.1)
a_second_session_joins_a_room_that_hides_again() ->
    sharing(
        room_with([{"whois", "anyone"}]) ++
            [
                {phone, join("alice")},
                {bob, configure([{"whois", "moderators"}])},
                {carol, join("carol")},
                {laptop, join("alice")}
            ]
    ).

%% B17.119 (XEP-0045 §8, §9, §10)
the_second_session_of_the_owner_works() ->
    sharing([
        {phone, join("alice")},
        {phone, instant()},
        {bob, join("bob")},
        {carol, join("carol")},
        {laptop, join("alice")},
        {laptop, query("$room", "get", "http://jabber.org/protocol/muc#owner")},
        {laptop, role("bob", "visitor")},
        {laptop, role("carol", "none")},
        {laptop, affiliation("$carol", "outcast")},
        {laptop, configure([{"roomname", "tea"}])},
        {laptop, mmx_script:affiliations("outcast")},
        {laptop, destroy("/>")}
    ]).

%% B15.96, B15.98 (XEP-0045 §7.4)
two_sessions_talk() ->
    sharing(all_three() ++
        [
            {phone, say("one")},
            {laptop, say("two")},
            {bob, say("three")},
            {laptop, subject("tea")}
        ]).

%% B15.99 (XEP-0045 §7.4)
two_sessions_use_the_same_id() ->
    Same = fun(Text) -> ["<message to='$room' type='groupchat' id='same'><body>", Text, "</body></message>"] end,
    sharing(all_three() ++ [{phone, Same("one")}, {laptop, Same("two")}]).

%% B15.98 (XEP-0045 §7.5)
one_of_two_sessions_is_refused() ->
    sharing(room_with([{"moderatedroom", "1"}, {"members_by_default", "0"}]) ++
        [
            {phone, join("alice")},
            {laptop, join("alice")},
            {laptop, say("hello")},
            {phone, subject("tea")}
        ]).

%% B16.110, B16.111 (XEP-0280 §6.1)
two_sessions_with_carbons_whisper() ->
    sharing(
        all_three() ++
            [{Session, "<iq type='set'><enable xmlns='urn:xmpp:carbons:2'/></iq>"} || Session <- [phone, laptop]] ++
            [{bob, whisper("alice", "psst")}, {laptop, whisper("bob", "what?")}, {phone, say("hello")}]
    ).

%% B16.108, B16.111 (XEP-0045 §7.5)
two_sessions_whisper() ->
    sharing(all_three() ++
        [
            {bob, whisper("alice", "psst")},
            {laptop, whisper("bob", "what?")},
            {phone, chat("nobody", "<body>psst</body>")}
        ]).

%% B17.117, B17.124, B19.132 (XEP-0045 §17.4)
one_of_two_sessions_asks() ->
    sharing(
        all_three() ++
            [
                {laptop, query("$room/bob", "get", "jabber:iq:version")},
                {bob, {answer, result, "<query xmlns='jabber:iq:version'><name>b</name></query>"}},
                {laptop, ping("alice")},
                {phone, ping("alice")},
                {laptop, query("$room/nobody", "get", "jabber:iq:version")}
            ]
    ).

%% B6.46, B6.47, B6.49 (XEP-0045 §7.14)
one_of_two_sessions_leaves() ->
    {allowing, [{one_occupant, always}, {history_as_it_was_sent, [7]}],
        all_three() ++
            [
                {laptop, leave("alice")},
                {bob, say("hello")},
                {laptop, join("alice")},
                {phone, leave("alice")},
                {bob, say("who is there?")}
            ]}.

%% B4.34 (XEP-0045 §7.6)
two_sessions_see_others() ->
    sharing(all_three() ++
        [
            {carol, join("carol")},
            {bob, show("bob", "<show>away</show>")},
            {bob, nick("robert")},
            {bob, role("carol", "none")}
        ]).

%% B9.65 (XEP-0045 §8.2)
two_sessions_are_kicked() ->
    sharing(all_three() ++ [{bob, role("alice", "none")}, {laptop, join("alice")}]).

%% B10.71 (XEP-0045 §9.1)
two_sessions_are_banned() ->
    sharing(all_three() ++ [{bob, affiliation("$alice", "outcast")}]).

%% B10.73 (XEP-0045 §8.3)
two_sessions_are_changed() ->
    sharing(all_three() ++
        [
            {bob, role("alice", "moderator")},
            {bob, affiliation("$alice", "member")},
            {bob, configure([{"whois", "anyone"}])}
        ]).

%% B11.76 (XEP-0045 §10.9)
the_room_of_two_sessions_is_destroyed() ->
    sharing(all_three() ++ [{bob, destroy("><reason>enough</reason></destroy>")}]).

%% B18.128, B18.129 (XEP-0045 §7.8.2, XEP-0280 §6.1)
two_sessions_are_invited_and_one_is_in() ->
    sharing(
        both() ++
            [
                {laptop, "<presence><status>here</status></presence>"},
                {bob, message("$room", "normal", [
                    "<x xmlns='http://jabber.org/protocol/muc#user'><invite to='$alice'/></x>"
                ])}
            ]
    ).

%% B8.58 (XEP-0045 §7.14)
a_session_is_lost_and_back() ->
    {allowing, [{history_as_it_was_sent, [9]}, {lost_session_stays, [6, 8, 9]}], everybody() ++
        [
            {bob, say("one")},
            {phone, cut},
            {bob, say("two")},
            {phone, connect},
            {phone, join("alice")},
            {phone, say("three")}
        ]}.

%% B8.58, B2.18 (XEP-0045 §7.14)
a_session_comes_back_to_much() ->
    {allowing, [{history_as_it_was_sent, [17]}, {lost_session_stays, [5, 6, 17, 18]}, {shown_as_it_was, [17]}],
        everybody() ++ [{phone, cut}] ++ much() ++ [{phone, connect}, {phone, join("alice")}, {phone, say("hello")}]}.

%% B8.58 (XEP-0045 §7.14)
a_session_goes_offline_and_is_back() ->
    {allowing, [{history_as_it_was_sent, [9]}, {lost_session_stays, [6, 8, 9]}], everybody() ++
        [
            {bob, say("one")},
            {phone, "<presence type='unavailable'/>"},
            {bob, say("two")},
            {phone, "<presence/>"},
            {phone, join("alice")},
            {phone, say("three")}
        ]}.

%% B8.58 (XEP-0045 §7.14)
a_session_says_goodbye_and_is_back() ->
    {allowing, [{lost_session_stays, [5, 6, 7]}], everybody() ++
        [
            {phone, close},
            {phone, connect},
            {phone, join("alice")},
            {phone, say("three")}
        ]}.
