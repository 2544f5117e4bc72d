%% The options access and exclude change while accounts are in rooms.
-module(reloading_SUITE).

-export([all/0, init_per_testcase/2, end_per_testcase/2]).
-export([
    who_is_no_longer_served_is_out_and_joins_alone/1,
    nothing_is_remembered_of_who_is_no_longer_served/1,
    what_an_access_rule_says_counts/1,
    a_room_that_is_excluded_is_left/1,
    an_account_without_sessions_leaves_an_excluded_room/1,
    who_waits_to_enter_is_refused/1,
    who_is_newly_served_goes_on_as_it_is/1,
    a_reload_of_something_else_is_not_noticed/1,
    a_change_while_the_server_was_down_counts/1
]).

-include("support/mmx.hrl").

all() ->
    cases(?MODULE).

init_per_testcase(_Case, Config) ->
    Rules = #{served => [#{deny => #{user_regexp => <<"^bob-">>}}, #{allow => all}], nobody => [#{deny => all}]},
    Options = #{minimix => #{access => served, exclude => []}, top => #{access_rules => Rules}},
    [{server, mmx_server:start(mmx_admin:api(Options))} | Config].

end_per_testcase(_Case, Config) ->
    mmx_server:stop(?config(server, Config)).

reload(Config, Old, New) ->
    ok = change(Config, Old, New),
    ok = mmx_server:rpc(?config(server, Config), ejabberd_config, reload, []).

change(Config, Old, New) ->
    File = mmx_server:rpc(?config(server, Config), os, getenv, ["EJABBERD_CONFIG_PATH"]),
    {ok, Text} = file:read_file(File),
    ?assertNotEqual(nomatch, binary:match(Text, Old)),
    file:write_file(File, binary:replace(Text, Old, New)).

serve_nobody(Config) ->
    reload(Config, <<"\"access\": \"served\"">>, <<"\"access\": \"nobody\"">>).

serve_all(Config) ->
    reload(Config, <<"\"access\": \"nobody\"">>, <<"\"access\": \"served\"">>).

stored(Config) ->
    ok = mmx_server:rpc(?config(server, Config), minimix_store, flush, [mmx_server:host(?config(server, Config))]),
    mmx_server:rpc(?config(server, Config), ets, tab2list, [minimix_room]).

rooms(Config, Session) ->
    {ok, Rows} = mmx_admin:execute(?config(server, Config), minimix_rooms, binary:split(account(Session), <<"@">>)),
    [element(1, Row) || Row <- Rows].

are_out(Room, Sessions) ->
    [?assertEqual([110, 333], status_codes(removed(Session, Room, <<"alice">>))) || Session <- Sessions].

left(Bob) ->
    Left = recv(Bob),
    ?assertEqual({<<"alice">>, <<"unavailable">>}, {from_nick(Left), type(Left)}).

%% B23.174 (option access)
who_is_no_longer_served_is_out_and_joins_alone(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        serve_nobody(Config),
        are_out(Room, [Phone, Desk]),
        left(Bob),
        join(Phone, Room, <<"alice">>),
        ?assertEqual([{<<"alice">>, jid(Phone)}, {<<"bob">>, jid(Bob)}], in_room(Config, Room)),
        ?assertEqual([], sync(Desk, Room))
    end).

%% B23.174, I11 (option access)
nothing_is_remembered_of_who_is_no_longer_served(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        ?assertMatch([_], stored(Config)),
        serve_nobody(Config),
        are_out(Room, [Phone, Desk]),
        left(Bob),
        ?assertEqual([], stored(Config)),
        mmx_server:wait_until("nothing is known", fun() -> rooms(Config, Phone) =:= [] end)
    end).

%% B23.174 (access rules)
what_an_access_rule_says_counts(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        reload(Config, <<"^bob-">>, <<"^(bob|alice)-">>),
        are_out(Room, [Phone, Desk]),
        left(Bob)
    end).

%% B23.174 (option exclude)
a_room_that_is_excluded_is_left(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Other = mmx_server:fresh_room(?config(server, Config)),
        join(Phone, Other, <<"alice">>),
        drain(Phone),
        reload(Config, <<"\"exclude\": []">>, <<"\"exclude\": [\"", Room/binary, "\"]">>),
        are_out(Room, [Phone, Desk]),
        left(Bob),
        ?assertEqual([], sync(Phone, Other)),
        ?assertEqual([{<<"alice">>, account(Phone)}], in_room(Config, Other)),
        ?assertMatch([_], stored(Config)),
        [join(Session, Room, <<"alice">>) || Session <- [Phone, Desk]],
        ?assertEqual([jid(Desk), jid(Phone)], lists:sort([Jid || {<<"alice">>, Jid} <- in_room(Config, Room)]))
    end).

%% B23.174 (option exclude)
an_account_without_sessions_leaves_an_excluded_room(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        [close(Session) || Session <- [Phone, Desk]],
        reload(Config, <<"\"exclude\": []">>, <<"\"exclude\": [\"rooms.*\"]">>),
        left(Bob),
        ?assertEqual([], stored(Config)),
        ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(Config, Room))
    end).

%% B23.174, I2 (XEP-0045 §7.2.17)
who_waits_to_enter_is_refused(Config) ->
    story(Config, ["bob/desk", "alice/phone"], fun(Room, Bob, Phone) ->
        enter(Room, [{Bob, <<"bob">>}]),
        Refusal = paused(Config, Room, fun() ->
            ask(Phone, Room, <<"alice">>),
            drain(Phone),
            serve_nobody(Config),
            recv(Phone)
        end),
        ?assertEqual(<<"service-unavailable">>, error_condition(Refusal)),
        mmx_server:wait_until("the account is out", fun() -> in_room(Config, Room) =:= [{<<"bob">>, jid(Bob)}] end),
        join(Phone, Room, <<"alice">>),
        ?assert(lists:member({<<"alice">>, jid(Phone)}, in_room(Config, Room)))
    end).

%% T8 (sessions that joined natively)
who_is_newly_served_goes_on_as_it_is(Config) ->
    serve_nobody(Config),
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Natives = in_room(Config, Room),
        serve_all(Config),
        ?assertEqual([], sync(Bob, Room)),
        told(Phone, Room, <<"hello">>, [Bob, Phone, Desk]),
        ?assertEqual(Natives, in_room(Config, Room)),
        leave(Desk, Room),
        join(Desk, Room, <<"alice">>),
        Both = [account(Desk), jid(Phone)],
        ?assertEqual(Both, lists:sort([Jid || {<<"alice">>, Jid} <- in_room(Config, Room)]))
    end).

%% B23.168
a_reload_of_something_else_is_not_noticed(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        reload(Config, <<"\"exclude\": []">>, <<"\"exclude\": [\"quiet.*\"], \"max_rooms\": 7">>),
        unnoticed(Config, Room, Bob, [Phone, Desk]),
        ?assertMatch([_], stored(Config))
    end).

%% B23.174, B23.165 (XEP-0045 §7.14)
a_change_while_the_server_was_down_counts(Config) ->
    story(Config, ["alice/phone"], fun(_, Phone) ->
        Server = ?config(server, Config),
        Host = mmx_server:host(Server),
        {Puppet, Room} = mmx_puppet:joined_by(Server, [Phone]),
        [Row] = stored(Config),
        ok = mmx_server:rpc(Server, gen_mod, stop_module, [Host, mod_minimix]),
        ?assertEqual(<<"unavailable">>, type(mmx_puppet:takes(Puppet))),
        are_out(Room, [Phone]),
        ok = mmx_server:rpc(Server, mnesia, dirty_write, [Row]),
        %% The reload starts the module.
        serve_nobody(Config),
        Left = mmx_puppet:takes(Puppet),
        ?assertEqual({account(Phone), <<"unavailable">>}, {from(Left), type(Left)}),
        ?assertEqual([], stored(Config)),
        ?assertEqual([], rooms(Config, Phone)),
        ?assertEqual([], sync(Phone)),
        ?assertEqual([], mmx_puppet:waiting(Puppet))
    end).
