%% Conversations about what others do with an occupant, and with the room.
-module(mmx_removing).

-export([
    a_kick/0,
    a_kick_without_a_reason/0,
    a_kick_of_another/0,
    a_ban/0,
    a_ban_of_another/0,
    a_membership_ends/0,
    a_room_becomes_one_for_members/0,
    affiliations_change/0,
    affiliations_change_from_outside/0,
    roles_change/0,
    a_promotion_where_addresses_are_hidden/0,
    what_happens_to_others/0,
    addresses_are_shown_and_hidden/0,
    the_configuration_changes/0,
    the_room_is_destroyed/0,
    the_room_is_destroyed_for_another/0,
    the_owner_destroys_the_room/0,
    a_moderator_kicks_herself/0,
    another_loses_the_connection/0,
    another_goes_offline/0,
    another_is_expelled_for_an_error/0,
    bans_are_listed/0
]).

-compile({no_auto_import, [error/2]}).
-import(mmx_script, [
    join/1, leave/1, show/2, say/1, message/3, query/3, ping/1, error/2, role/2, affiliation/2, admin/1,
    configure/1, instant/0, destroy/1, open_room/0, room_with/1, both/0, everybody/0
]).

%% B9.65, B9.68 (XEP-0045 §8.2)
a_kick() ->
    {allowing, [{error_by_the_server, [6, 7]}],
        everybody() ++
            [
                {bob, role("alice", "none")},
                {phone, say("gone?")},
                {phone, ping("alice")},
                {phone, join("alice")}
            ]}.

%% B9.65 (XEP-0045 §8.2)
a_kick_without_a_reason() ->
    both() ++ [{bob, admin("<item nick='alice' role='none'/>")}].

%% B9.67 (XEP-0045 §8.2)
a_kick_of_another() ->
    everybody() ++ [{bob, role("carol", "none")}, {dan, join("dan")}].

%% B10.71 (XEP-0045 §9.1)
a_ban() ->
    {allowing, [{error_by_the_server, [6]}],
        everybody() ++ [{bob, affiliation("$alice", "outcast")}, {phone, say("gone?")}, {phone, join("alice")}]}.

%% B10.71 (XEP-0045 §9.1)
a_ban_of_another() ->
    everybody() ++ [{bob, affiliation("$carol", "outcast")}, {dan, join("dan")}].

%% B10.71 (XEP-0045 §9.4)
a_membership_ends() ->
    {allowing, [{error_by_the_server, [6]}],
        room_with([{"membersonly", "1"}]) ++
            [
                {bob, affiliation("$alice", "member")},
                {phone, join("alice")},
                {bob, affiliation("$alice", "none")},
                {phone, say("gone?")},
                {phone, join("alice")}
            ]}.

%% B10.71 (XEP-0045 §10.2.1)
a_room_becomes_one_for_members() ->
    {allowing, [{error_by_the_server, [7]}],
        everybody() ++
            [
                {bob, affiliation("$carol", "member")},
                {bob, configure([{"membersonly", "1"}])},
                {phone, say("gone?")}
            ]}.

%% B10.73 (XEP-0045 §9.3, §10.3, §10.6)
affiliations_change() ->
    everybody() ++
        [{bob, affiliation("$alice", Affiliation)} || Affiliation <- ["member", "admin", "owner", "none"]] ++
        [{dan, join("dan")}].

%% B10.72 (XEP-0045 §9.3)
affiliations_change_from_outside() ->
    open_room() ++
        [
            {bob, affiliation("$alice", "member")},
            {phone, join("alice")},
            {phone, leave("alice")},
            {bob, affiliation("$alice", "none")}
        ].

%% B10.73 (XEP-0045 §8.3, §8.4)
roles_change() ->
    room_with([{"moderatedroom", "1"}]) ++
        [{phone, join("alice")}] ++
        [{bob, role("alice", Role)} || Role <- ["visitor", "participant", "moderator", "participant"]] ++
        [{carol, join("carol")}].

%% B10.74 (XEP-0045 §9.6, §9.7)
a_promotion_where_addresses_are_hidden() ->
    everybody() ++
        [
            {bob, role("alice", "moderator")},
            {carol, show("carol", "<show>away</show>")},
            {dan, join("dan")},
            {bob, role("alice", "participant")},
            {carol, show("carol", "")}
        ].

%% B10.73 (XEP-0045 §8.3)
what_happens_to_others() ->
    everybody() ++
        [
            {bob, role("carol", "moderator")},
            {bob, affiliation("$carol", "member")},
            {carol, role("alice", "visitor")},
            {dan, join("dan")}
        ].

%% B10.75 (XEP-0045 §10.2.1)
addresses_are_shown_and_hidden() ->
    everybody() ++
        [
            {bob, configure([{"whois", "anyone"}])},
            {dan, join("dan")},
            {carol, show("carol", "<show>away</show>")},
            {bob, configure([{"whois", "moderators"}])}
        ].

%% B10.75 (XEP-0045 §10.2.1)
the_configuration_changes() ->
    everybody() ++
        [
            {bob, configure([{"roomname", "tea"}])},
            {bob, configure([{"moderatedroom", "1"}])},
            {phone, say("hello")}
        ].

%% B11.76 (XEP-0045 §10.9)
the_room_is_destroyed() ->
    {allowing, [{error_by_the_server, [6]}],
        everybody() ++ [{bob, destroy("/>")}, {phone, say("gone?")}, {phone, join("alice")}]}.

%% B11.77 (XEP-0045 §10.9)
the_room_is_destroyed_for_another() ->
    {allowing, [{error_by_the_server, [6]}],
        everybody() ++
            [
                {bob, destroy(" jid='$other'><reason>we move</reason><password>tea</password></destroy>")},
                {phone, ping("alice")}
            ]}.

%% B11.76, B17.119 (XEP-0045 §10.9)
the_owner_destroys_the_room() ->
    {allowing, [{error_by_the_server, [5]}],
        [
            {phone, join("alice")},
            {phone, instant()},
            {bob, join("bob")},
            {phone, destroy(" jid='$other'><reason>we move</reason></destroy>")},
            {phone, say("gone?")}
        ]}.

%% B9.65 (XEP-0045 §8.2)
a_moderator_kicks_herself() ->
    [
        {phone, join("alice")},
        {phone, instant()},
        {bob, join("bob")},
        {bob, say("hello")},
        {phone, role("alice", "none")}
    ].

%% B8.58 (XEP-0045 §7.14)
another_loses_the_connection() ->
    {by_themselves, everybody() ++ [{carol, cut}, {bob, say("hello")}, {dan, join("dan")}]}.

%% B8.58 (XEP-0045 §7.14)
another_goes_offline() ->
    {by_themselves, everybody() ++
        [
            {carol, "<presence type='unavailable'><status>bye</status></presence>"},
            {bob, say("hello")}
        ]}.

%% B13.89, B9.67 (XEP-0045 §18.1.2)
another_is_expelled_for_an_error() ->
    {by_themselves, everybody() ++
        [
            {bob, say("hello")},
            {carol, message("$room", "error", error("cancel", "gone"))},
            {bob, say("hello")}
        ]}.

%% B10.71 (XEP-0045 §9.1)
bans_are_listed() ->
    both() ++
        [
            {bob, affiliation("$alice", "outcast")},
            {bob, query("$room", "get", "http://jabber.org/protocol/muc#owner")},
            {bob, mmx_script:affiliations("outcast")}
        ].
