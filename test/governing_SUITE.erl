%% Roles, affiliations and the end of rooms on another server, over real federation. bob has his account there.
-module(governing_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    a_kick_reaches_every_session/1,
    a_ban_reaches_every_session/1,
    who_is_no_member_of_a_closed_room_is_out/1,
    a_destroyed_room_says_why_and_where_to_go/1,
    a_refusal_reaches_only_who_asked/1,
    another_role_is_shown_and_replayed/1,
    an_account_that_owns_the_room_configures_it/1
]).
-include("support/mmx.hrl").
-import(mmx_far, [beside_bob/2]).

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    mmx_far:start(Config).

end_per_suite(Config) ->
    mmx_far:stop(Config).

%% B9.65, B9.68 (XEP-0045 §8.2)
a_kick_reaches_every_session(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        ?assertEqual(<<"result">>, type(set_role(Bob, Room, <<"alice">>, none))),
        [
            begin
                Out = removed(Session, Room, <<"alice">>),
                ?assertEqual({[110, 307], jid(Session)}, {status_codes(Out), attr(Out, to)}),
                ?assertMatch(#{role := <<"none">>, reason := <<"a test">>}, item(Out))
            end
         || Session <- [Phone, Desk]
        ],
        out(Room, Bob, [Phone, Desk]),
        ?assertEqual([<<"bob">>, <<"alice">>], nicks(join(Desk, Room, <<"alice">>)))
    end).

%% B10.71, B1.10 (XEP-0045 §9.1)
a_ban_reaches_every_session(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        ?assertEqual(<<"result">>, type(set_affiliation(Bob, Room, account(Phone), outcast))),
        [?assertEqual([110, 301], status_codes(removed(Session, Room, <<"alice">>))) || Session <- [Phone, Desk]],
        out(Room, Bob, [Phone, Desk]),
        {error, Refusal} = try_join(Desk, Room, <<"alice">>, #{id => <<"again">>}),
        ?assertEqual({<<"again">>, <<"forbidden">>}, {attr(Refusal, id), error_condition(Refusal)})
    end).

%% B10.71 (XEP-0045 §10.2)
who_is_no_member_of_a_closed_room_is_out(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        ?assertEqual(<<"result">>, type(configure(Bob, Room, #{<<"muc#roomconfig_membersonly">> => <<"1">>}))),
        [?assertEqual([110, 322], status_codes(removed(Session, Room, <<"alice">>))) || Session <- [Phone, Desk]],
        out(Room, Bob, [Phone, Desk])
    end).

%% B11.76, B11.77 (XEP-0045 §10.9)
a_destroyed_room_says_why_and_where_to_go(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Venue = <<"elsewhere@rooms.example">>,
        Destroy = el(destroy, [{jid, Venue}], [el(reason, [], [<<"too late">>])]),
        Request = iq(Room, set, [el(query, [{xmlns, ?NS_MUC_OWNER}], [Destroy])]),
        ?assertEqual(<<"result">>, type(request(Bob, Request))),
        [
            begin
                Told = child(child(removed(Session, Room, <<"alice">>), x, ?NS_MUC_USER), destroy),
                ?assertEqual({Venue, <<"too late">>}, {attr(Told, jid), cdata(child(Told, reason))}),
                say(Session, Room, <<"hello?">>),
                ?assertEqual(<<"item-not-found">>, error_condition(recv(Session)))
            end
         || Session <- [Phone, Desk]
        ]
    end).

%% B1.10, B1.11 (XEP-0045 §7.2.5, §7.2.6, §7.2.8)
a_refusal_reaches_only_who_asked(Config) ->
    Refusals = [
        {<<"not-authorized">>, #{<<"muc#roomconfig_roomsecret">> => <<"open">>}},
        {<<"registration-required">>, #{<<"muc#roomconfig_membersonly">> => <<"1">>}},
        {<<"conflict">>, #{}}
    ],
    [refused(Config, Condition, Fields) || {Condition, Fields} <- Refusals].

refused(Config, Condition, Fields) ->
    beside_bob(Config, fun(Room, Bob, Phone, Desk) ->
        ?assertEqual(<<"result">>, type(configure(Bob, Room, Fields))),
        settle(Room, [Bob]),
        Nick = maps:get(Condition, #{<<"conflict">> => <<"bob">>}, <<"alice">>),
        [
            begin
                {error, Refusal} = try_join(Phone, Room, Nick, #{id => Id}),
                ?assertEqual({<<Room/binary, "/", Nick/binary>>, jid(Phone)}, {from(Refusal), attr(Refusal, to)}),
                ?assertEqual({Id, Condition}, {attr(Refusal, id), error_condition(Refusal)})
            end
         || Id <- [<<"first">>, <<"second">>]
        ],
        [?assertEqual([], sync(Client, Room)) || Client <- [Phone, Desk]],
        marker(Bob, Bob, Room)
    end).

%% B10.73, B10.74, I7 (XEP-0045 §8.4, §9.6, §17.3)
another_role_is_shown_and_replayed(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        ?assertEqual(<<"result">>, type(set_affiliation(Bob, Room, account(Phone), admin))),
        [?assertMatch(#{role := <<"moderator">>}, item(take(S, fun mmx_stanza:is_self_presence/1))) || S <- [Phone, Desk]],
        settle(Room, [Bob, Phone, Desk]),
        [Seen, Own] = presences(join(Desk, Room, <<"alice">>)),
        ?assertEqual({jid(Bob), <<"moderator">>}, {maps:get(jid, item(Seen)), maps:get(role, item(Own))}),
        settle(Room, [Bob, Phone, Desk]),
        ?assertEqual(<<"result">>, type(set_affiliation(Bob, Room, account(Phone), none))),
        [?assertMatch(#{role := <<"participant">>}, item(take(S, fun mmx_stanza:is_self_presence/1))) || S <- [Phone, Desk]],
        settle(Room, [Bob, Phone, Desk]),
        [_, Back] = presences(join(Desk, Room, <<"alice">>)),
        ?assertMatch(#{role := <<"participant">>}, item(Back))
    end).

%% B17.120, B10.75 (XEP-0045 §10.2.1)
an_account_that_owns_the_room_configures_it(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        ?assertEqual(<<"result">>, type(set_affiliation(Bob, Room, account(Phone), owner))),
        settle(Room, [Bob, Phone, Desk]),
        ?assertEqual(<<"result">>, type(configure(Desk, Room, #{<<"muc#roomconfig_whois">> => <<"anyone">>}))),
        IsNews = fun(Stanza) -> status_codes(Stanza) =/= [] end,
        [?assert(lists:member(172, status_codes(take(Client, IsNews)))) || Client <- [Phone, Desk, Bob]]
    end).

presences(Stanzas) ->
    [Stanza || #xmlel{name = <<"presence">>} = Stanza <- Stanzas].

%% The account is out, stays out, and its sessions hear no more of the room.
out(Room, Bob, Sessions) ->
    [
        begin
            say(Session, Room, <<"hello?">>),
            ?assertEqual(<<"not-acceptable">>, error_condition(recv(Session)))
        end
     || Session <- Sessions
    ],
    _ = seen(Bob, Room),
    ?assertEqual([{<<"bob">>, jid(Bob)}], mmx_prosody:occupants(Bob, Room)),
    [?assertEqual([], sync(Session, Room)) || Session <- Sessions].
