%% What the module leaves alone, and how it starts, stops and reloads.
-module(untouched_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    an_account_outside_access_joins_by_itself/1,
    an_excluded_room_sees_each_session/1,
    an_excluded_service_sees_each_session/1,
    a_muc_sub_subscriber_stays_as_it_is/1,
    a_busy_room_keeps_no_stream_waiting/1,
    chat_and_directed_presence_of_contacts_pass/1,
    a_session_that_joined_before_the_module_started_goes_on/1,
    a_stopping_module_tells_its_sessions/1,
    a_module_that_starts_again_serves_everybody/1,
    a_reload_keeps_the_rooms/1,
    a_removed_account_leaves_its_rooms/1,
    a_room_limit_is_kept/1,
    a_wrong_option_is_named/1
]).

-include("support/mmx.hrl").

all() ->
    [Name || {Name, 1} <- ?MODULE:module_info(exports), Name =/= init_per_suite, Name =/= end_per_suite, Name =/= module_info].

init_per_suite(Config) ->
    Served = [#{deny => #{user_regexp => <<"^plain">>}}, #{allow => all}],
    Minimix = #{access => served, exclude => [<<"*-Loud@Rooms.*">>, <<"quiet.*">>], max_rooms => 2},
    Options = #{
        minimix => Minimix,
        top => #{access_rules => #{served => Served}},
        muc => #{hosts => [<<"rooms.@HOST@">>, <<"quiet.@HOST@">>]}
    },
    [{server, mmx_server:start(Options)} | Config].

end_per_suite(Config) ->
    mmx_server:stop(?config(server, Config)).

%% B23.174 (option access)
an_account_outside_access_joins_by_itself(Config) ->
    story(Config, ["plain/phone", "plain/desk"], fun(Room, Phone, Desk) ->
        join(Phone, Room, <<"phone">>),
        join(Desk, Room, <<"desk">>),
        ?assertEqual([jid(Desk), jid(Phone)], occupants(Config, Room))
    end).

%% T9 (option exclude)
an_excluded_room_sees_each_session(Config) ->
    story(Config, ["alice/phone", "alice/desk"], fun(Room, Phone, Desk) ->
        [Name, Service] = binary:split(Room, <<"@">>),
        Loud = <<Name/binary, "-loud@", Service/binary>>,
        join(Phone, Loud, <<"alice">>),
        join(Desk, Loud, <<"alice">>),
        ?assertEqual([jid(Desk), jid(Phone)], occupants(Config, Loud))
    end).

%% T9 (option exclude)
an_excluded_service_sees_each_session(Config) ->
    story(Config, ["alice/phone"], fun(Room, Phone) ->
        [Name, _] = binary:split(Room, <<"@">>),
        Quiet = <<Name/binary, "@quiet.", (mmx_server:host(?config(server, Config)))/binary>>,
        join(Phone, Quiet, <<"alice">>),
        ?assertEqual([jid(Phone)], occupants(Config, Quiet))
    end).

%% T8 (MUC/Sub)
a_muc_sub_subscriber_stays_as_it_is(Config) ->
    story(Config, ["bob/desk", "alice/phone"], fun(Room, Bob, Phone) ->
        join(Bob, Room, <<"bob">>),
        Allow = #{<<"allow_subscription">> => <<"1">>, <<"muc#roomconfig_allow_subscription">> => <<"1">>},
        configure(Bob, Room, maps:with([<<"allow_subscription">>], Allow)),
        Subscribe = el(subscribe, [{xmlns, <<"urn:xmpp:mucsub:0">>}, {nick, <<"alice">>}], [
            el(event, [{node, <<"urn:xmpp:mucsub:nodes:messages">>}])
        ]),
        ?assertEqual(<<"result">>, type(request(Phone, iq(Room, set, [Subscribe])))),
        join(Phone, Room, <<"alice">>),
        ?assert(lists:member(jid(Phone), occupants(Config, Room)))
    end).

%% I9 T8 (the room that is asked for its subscribers is suspended)
a_busy_room_keeps_no_stream_waiting(Config) ->
    story(Config, ["bob/desk", "alice/phone"], fun(Room, Bob, Phone) ->
        join(Bob, Room, <<"bob">>),
        paused(Config, Room, fun() ->
            ask(Phone, Room, <<"alice">>),
            ?assertEqual([], sync(Phone))
        end),
        entered(Phone, Room),
        ?assertEqual([account(Phone)], [Jid || {<<"alice">>, Jid} <- in_room(Config, Room)])
    end).

%% B6.51 (XEP-0045 §7.14: presence to a full JID that is no room)
chat_and_directed_presence_of_contacts_pass(Config) ->
    story(Config, ["alice/phone", "bob/desk"], fun(_Room, Alice, Bob) ->
        drain(Bob),
        send(Alice, presence(jid(Bob), [el(show, [], [<<"away">>])])),
        ?assertEqual({jid(Alice), <<"available">>}, from_and_type(recv(Bob))),
        send(Alice, message(jid(Bob), chat, [el(body, [], [<<"hello">>])])),
        ?assertEqual({jid(Alice), <<"chat">>}, from_and_type(recv(Bob))),
        send(Alice, presence(jid(Bob), unavailable, [])),
        ?assertEqual({jid(Alice), <<"unavailable">>}, from_and_type(recv(Bob)))
    end).

%% T8 (sessions that joined natively)
a_session_that_joined_before_the_module_started_goes_on(_Config) ->
    Server = mmx_server:start(#{}),
    try
        story([{server, Server}], ["alice/phone", "alice/desk", "bob/desk"], fun(Room, Phone, Desk, Bob) ->
            join(Bob, Room, <<"bob">>),
            join(Phone, Room, <<"alice">>),
            start_module(Server),
            join(Desk, Room, <<"alice">>),
            say(Phone, Room, <<"still here">>),
            mmx_client:take(Bob, fun(Stanza) -> body(Stanza) =:= <<"still here">> end),
            mmx_client:take(Phone, fun(Stanza) -> body(Stanza) =:= <<"still here">> end),
            mmx_client:take(Desk, fun(Stanza) -> body(Stanza) =:= <<"still here">> end),
            Both = [account(Desk), jid(Phone)],
            ?assertEqual(Both, [Jid || {<<"alice">>, Jid} <- mmx_server:room_occupants(Server, Room)]),
            leave(Phone, Room),
            join(Phone, Room, <<"alice">>),
            ?assertEqual([account(Desk)], [Jid || {<<"alice">>, Jid} <- mmx_server:room_occupants(Server, Room)])
        end)
    after
        mmx_server:stop(Server)
    end.

%% B23.167 (XEP-0045 §11.1)
a_stopping_module_tells_its_sessions(_Config) ->
    Server = mmx_server:start(#{minimix => #{}}),
    try
        story([{server, Server}], ["alice/phone", "alice/desk", "alice/web", "bob/desk"], fun(Room, Phone, Desk, Web, Bob) ->
            join(Bob, Room, <<"bob">>),
            [join(Client, Room, <<"alice">>) || Client <- [Phone, Desk]],
            drain(Web),
            ok = mmx_server:rpc(Server, gen_mod, stop_module, [mmx_server:host(Server), mod_minimix]),
            ?assertEqual([], sync(Web)),
            [?assertEqual([110, 333], status_codes(removed(Client, Room, <<"alice">>))) || Client <- [Phone, Desk]],
            mmx_server:wait_until("nobody is left", fun() -> mmx_server:room_pid(Server, Room) =:= none end),
            join(Phone, Room, <<"alice">>),
            ?assertEqual([{<<"alice">>, jid(Phone)}], mmx_server:room_occupants(Server, Room))
        end)
    after
        mmx_server:stop(Server)
    end.

%% B23.167 T8
a_module_that_starts_again_serves_everybody(_Config) ->
    Server = mmx_server:start(beside_plain(#{})),
    try
        story([{server, Server}], ["alice/phone", "alice/desk", "bob/desk"], fun(Room, Phone, Desk, Bob) ->
            join(Bob, Room, <<"bob">>),
            [join(Client, Room, <<"alice">>) || Client <- [Phone, Desk]],
            Host = mmx_server:host(Server),
            ok = mmx_server:rpc(Server, gen_mod, stop_module, [Host, mod_minimix]),
            [removed(Client, Room, <<"alice">>) || Client <- [Phone, Desk]],
            ok = mmx_server:rpc(Server, gen_mod, start_module, [Host, mod_minimix]),
            [join(Client, Room, <<"alice">>) || Client <- [Phone, Desk]],
            ?assertEqual([account(Phone)], [Jid || {<<"alice">>, Jid} <- mmx_server:room_occupants(Server, Room)])
        end)
    after
        mmx_server:stop(Server)
    end.

%% B23.168
a_reload_keeps_the_rooms(Config) ->
    story(Config, ["alice/phone", "bob/desk"], fun(Room, Alice, Bob) ->
        join(Bob, Room, <<"bob">>),
        join(Alice, Room, <<"alice">>),
        drain(Bob),
        reload_with(Config, <<"\"max_rooms\": 2">>, <<"\"max_rooms\": 2, \"history_size\": 1">>),
        [say(Alice, Room, Text) || Text <- [<<"one">>, <<"two">>]],
        [hears(Bob, <<Room/binary, "/alice">>, Text) || Text <- [<<"one">>, <<"two">>]],
        ?assert(lists:member(account(Alice), occupants(Config, Room))),
        drain(Alice),
        Again = join(Alice, Room, <<"alice">>),
        ?assertEqual([<<"two">>], [body(Stanza) || Stanza <- Again, body(Stanza) =/= undefined]),
        ?assertEqual([], sync(Bob, Room))
    end).

%% B23.173
a_removed_account_leaves_its_rooms(Config) ->
    story(Config, ["alice/phone", "bob/desk"], fun(Room, Alice, Bob) ->
        join(Bob, Room, <<"bob">>),
        join(Alice, Room, <<"alice">>),
        [User, Host] = binary:split(account(Alice), <<"@">>),
        ok = mmx_server:rpc(?config(server, Config), ejabberd_auth, remove_user, [User, Host]),
        Gone = fun(Stanza) -> type(Stanza) =:= <<"unavailable">> andalso from_nick(Stanza) =:= <<"alice">> end,
        mmx_client:take(Bob, Gone),
        ?assertEqual([account(Bob)], occupants(Config, Room))
    end).

%% I10 (option max_rooms)
a_room_limit_is_kept(Config) ->
    story(Config, ["alice/phone"], fun(_, Alice) ->
        Server = ?config(server, Config),
        [One, Two, Three] = [mmx_server:fresh_room(Server) || _ <- [1, 2, 3]],
        [join(Alice, Room, <<"alice">>) || Room <- [One, Two]],
        {error, Refusal} = try_join(Alice, Three, <<"alice">>),
        ?assertEqual(<<"resource-constraint">>, error_condition(Refusal)),
        leave(Alice, One),
        join(Alice, Three, <<"alice">>)
    end).

%% I10 (options are refused at load, by name)
a_wrong_option_is_named(_Config) ->
    Wrong = [
        {nick, <<"whatever">>}, {leave, <<"sometimes">>}, {history_size, -1}, {max_rooms, 0}, {exclude, [<<"a/b">>]},
        {exclude, [<<"[abc">>]}, {offline_delay, <<"soon">>}, {offline_delay, 0}, {join_timeout, <<"1000 days">>},
        {no_such_option, true}
    ],
    [
        begin
            {error, Why} = refusal(#{Name => Value}),
            ?assertNotEqual({Name, nomatch}, {Name, binary:match(Why, atom_to_binary(Name))}),
            ?assertNotEqual({Name, nomatch}, {Name, binary:match(Why, <<"mod_minimix">>)})
        end
     || {Name, Value} <- Wrong
    ].

reload_with(Config, Old, New) ->
    Server = ?config(server, Config),
    File = mmx_server:rpc(Server, os, getenv, ["EJABBERD_CONFIG_PATH"]),
    {ok, Text} = file:read_file(File),
    ?assertNotEqual(nomatch, binary:match(Text, Old)),
    ok = file:write_file(File, binary:replace(Text, Old, New)),
    ok = mmx_server:rpc(Server, ejabberd_config, reload, []).

refusal(Options) ->
    try mmx_server:start(#{minimix => Options}) of
        Server -> mmx_server:stop(Server), accepted
    catch
        error:{ejabberd_did_not_start, _, _, Log} -> {error, Log}
    end.

start_module(Server) ->
    reload_with([{server, Server}], <<"\"mod_muc_admin\": {}">>, <<"\"mod_muc_admin\": {}, \"mod_minimix\": {}">>).

occupants(Config, Room) ->
    lists:sort([Jid || {_, Jid} <- mmx_server:room_occupants(?config(server, Config), Room)]).

from_and_type(Stanza) ->
    {from(Stanza), type(Stanza)}.
