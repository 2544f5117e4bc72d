%% Conversations about private messages.
-module(mmx_whispering).

-export([
    whispers_between_two/0,
    a_whisper_that_is_not_marked/0,
    a_whisper_of_other_types/0,
    a_whisper_without_a_type_or_an_id/0,
    a_whisper_with_much_in_it/0,
    a_whisper_as_groupchat/0,
    a_whisper_to_nobody/0,
    a_whisper_to_oneself/0,
    a_whisper_from_outside/0,
    whispers_are_for_nobody/0,
    whispers_are_for_moderators/0,
    a_visitor_whispers/0,
    receipts/0,
    markers_and_states_in_private/0,
    a_whisper_that_is_not_to_be_copied/0,
    a_whisper_is_corrected/0,
    an_error_that_is_not_of_the_kind_that_expels/0,
    whispers_in_the_own_archive/0,
    who_is_blocked_is_not_heard/0,
    a_whisper_to_an_old_nick/0,
    many_whispers_at_once/0,
    whispers_of_two_who_are_served/0
]).

-compile({no_auto_import, [error/2]}).
-import(mmx_script, [
    join/1, leave/1, nick/1, say/1, message/3, chat/2, whisper/2, error/2, role/2, open_room/0, room_with/1,
    both/0, everybody/0
]).

%% B16.108, B16.111 (XEP-0045 §7.5)
whispers_between_two() ->
    everybody() ++
        [
            {bob, whisper("alice", "psst")},
            {phone, whisper("bob", "what?")},
            {carol, whisper("alice", "me too")}
        ].

%% B16.108, B16.111 (XEP-0045 §7.5)
a_whisper_that_is_not_marked() ->
    both() ++ [{phone, chat("bob", "<body>psst</body>")}, {bob, chat("alice", "<body>psst</body>")}].

%% B16.108, B16.111 (XEP-0045 §7.5)
a_whisper_of_other_types() ->
    both() ++
        [
            {Session, message(["$room/", To], Type, "<body>psst</body>")}
         || Type <- ["normal", "headline"], {Session, To} <- [{phone, "bob"}, {bob, "alice"}]
        ].

%% B16.111 (XEP-0045 §7.5)
a_whisper_without_a_type_or_an_id() ->
    {allowing, [{id_is_added, [4, 5]}],
        both() ++
            [
                {Session, {no_id, ["<message to='$room/", To, "'><body>psst</body></message>"]}}
             || {Session, To} <- [{phone, "bob"}, {bob, "alice"}]
            ]}.

%% B16.111 (XEP-0045 §7.5)
a_whisper_with_much_in_it() ->
    both() ++
        [
            {Session, [
                "<message to='$room/", To, "' type='chat' xml:lang='de' id='mine'><subject>s</subject><body>hallo</body>",
                "<body xml:lang='en'>hello</body><thread>t</thread><origin-id xmlns='urn:xmpp:sid:0' id='origin'/>",
                "<odd xmlns='urn:odd'><deep/></odd></message>"
            ]}
         || {Session, To} <- [{phone, "bob"}, {bob, "alice"}]
        ].

%% B16.113 (XEP-0045 §7.5)
a_whisper_as_groupchat() ->
    both() ++
        [
            {phone, message("$room/bob", "groupchat", "<body>psst</body>")},
            {bob, message("$room/alice", "groupchat", "<body>psst</body>")}
        ].

%% B16.114 (XEP-0045 §7.5)
a_whisper_to_nobody() ->
    both() ++
        [
            {phone, whisper("nobody", "psst")},
            {phone, {no_id, whisper("nobody", "psst")}},
            {carol, join("carol")},
            {carol, leave("carol")},
            {phone, whisper("carol", "psst")}
        ].

%% B16.111 (XEP-0045 §7.5)
a_whisper_to_oneself() ->
    both() ++ [{phone, whisper("alice", "psst")}, {bob, whisper("bob", "psst")}].

%% B16.114 (XEP-0045 §7.5)
a_whisper_from_outside() ->
    open_room() ++ [{phone, whisper("bob", "psst")}, {phone, chat("nobody", "<body>psst</body>")}].

%% B16.114 (XEP-0045 §7.5)
whispers_are_for_nobody() ->
    room_with([{"allowpm", "none"}]) ++
        [
            {phone, join("alice")},
            {phone, whisper("bob", "psst")},
            {bob, whisper("alice", "psst")}
        ].

%% B16.114 (XEP-0045 §7.5)
whispers_are_for_moderators() ->
    room_with([{"allowpm", "moderators"}]) ++
        [
            {phone, join("alice")},
            {phone, whisper("bob", "psst")},
            {bob, whisper("alice", "psst")},
            {bob, role("alice", "moderator")},
            {phone, whisper("bob", "psst")}
        ].

%% B16.114 (XEP-0045 §7.5)
a_visitor_whispers() ->
    room_with([{"moderatedroom", "1"}]) ++
        [
            {phone, join("alice")},
            {carol, join("carol")},
            {bob, role("alice", "visitor")},
            {phone, whisper("bob", "psst")},
            {phone, whisper("carol", "psst")}
        ].

%% B16.116 (XEP-0184)
receipts() ->
    both() ++ receipt(phone, "bob", bob, "alice") ++ receipt(bob, "alice", phone, "bob").

receipt(Session, To, Other, Back) ->
    [
        {Session, chat(To, "<body>psst</body><request xmlns='urn:xmpp:receipts'/>")},
        {Other, chat(Back, "<received xmlns='urn:xmpp:receipts' id='step-4'/>")}
    ].

%% B16.116 (XEP-0333, XEP-0085)
markers_and_states_in_private() ->
    both() ++
        [
            {Session, chat(To, Inside)}
         || Inside <- [
                "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
                "<displayed xmlns='urn:xmpp:chat-markers:0' id='step-4'/>"
            ],
            {Session, To} <- [{phone, "bob"}, {bob, "alice"}]
        ].

%% B16.115 (XEP-0280 §9)
a_whisper_that_is_not_to_be_copied() ->
    both() ++
        [
            {Session, chat(To, "<body>psst</body><private xmlns='urn:xmpp:carbons:2'/><no-copy xmlns='urn:xmpp:hints'/>")}
         || {Session, To} <- [{phone, "bob"}, {bob, "alice"}]
        ].

%% B16.116 (XEP-0308 §3)
a_whisper_is_corrected() ->
    both() ++
        [
            {phone, whisper("bob", "pst")},
            {phone, chat("bob", "<body>psst</body><replace xmlns='urn:xmpp:message-correct:0' id='step-4'/>")}
        ].

%% B13.89 (XEP-0045 §7.5)
an_error_that_is_not_of_the_kind_that_expels() ->
    {allowing, [{errors_stop, [5]}],
        both() ++
            [
                {bob, whisper("alice", "psst")},
                {phone, message("$room/bob", "error", error("modify", "policy-violation"))},
                {phone, say("still here")}
            ]}.

%% B16.112 (XEP-0313 §6.1.1)
whispers_in_the_own_archive() ->
    both() ++
        [
            {bob, whisper("alice", "psst")},
            {phone, whisper("bob", "what?")},
            {phone, say("aloud")},
            {phone, "<iq type='set'><query xmlns='urn:xmpp:mam:2' queryid='q'/></iq>"}
        ].

%% B24.178 (XEP-0191)
who_is_blocked_is_not_heard() ->
    both() ++
        [
            {phone, "<iq type='set'><block xmlns='urn:xmpp:blocking'><item jid='$room/bob'/></block></iq>"},
            {bob, whisper("alice", "psst")},
            {bob, say("hello")},
            {phone, say("hello")},
            {phone, whisper("bob", "psst")}
        ].

%% B4.37, B16.114 (XEP-0045 §7.6)
a_whisper_to_an_old_nick() ->
    both() ++ [{bob, nick("robert")}, {phone, whisper("bob", "psst")}, {phone, whisper("robert", "psst")}].

%% B16.108 (XEP-0045 §7.5)
many_whispers_at_once() ->
    both() ++
        [
            {bob, {burst, [whisper("alice", Text) || Text <- ["one", "two", "three"]]}},
            {phone, {burst, [whisper("bob", Text) || Text <- ["one", "two", "three"]]}}
        ].

%% B16.108 (XEP-0045 §7.5)
whispers_of_two_who_are_served() ->
    both() ++ [{dan, join("dan")}, {dan, whisper("alice", "psst")}, {phone, whisper("dan", "what?")}].
