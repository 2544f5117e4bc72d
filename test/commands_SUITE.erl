%% What admins can ask for and see.
-module(commands_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    the_rooms_of_an_account_are_listed/1,
    an_account_is_made_to_join_and_to_leave/1,
    a_session_attaches_to_what_an_admin_joined/1,
    a_password_opens_a_room/1,
    a_refused_account_is_not_in_the_room/1,
    a_leave_reaches_every_session/1,
    a_rejoin_asks_the_room_again/1,
    who_is_made_to_leave_a_bookmarked_room_is_out/1,
    what_is_wrong_is_said/1,
    what_is_not_served_is_not_joined/1,
    an_account_in_too_many_rooms_joins_no_other/1,
    figures_follow_what_happens/1,
    ejabberdctl_knows_the_commands/1,
    the_commands_work_over_http/1,
    the_commands_go_with_the_last_host/1
]).

-include("support/mmx.hrl").

-define(OTHER, <<"other.example">>).

all() ->
    cases(?MODULE).

init_per_suite(Config) ->
    #{minimix := Minimix} = beside_plain(#{max_rooms => 3, exclude => [<<"*-loud@rooms.*">>]}),
    Options = #{hosts => [<<"mmx.example">>, ?OTHER, <<"plain.example">>], minimix => Minimix, pubsub => true},
    Server = mmx_server:start(mmx_admin:api(Options)),
    ok = mmx_server:rpc(Server, gen_mod, stop_module, [<<"plain.example">>, mod_minimix]),
    [{server, Server} | Config].

end_per_suite(Config) ->
    mmx_server:stop(?config(server, Config)).

execute(Config, Command, Args) ->
    mmx_admin:execute(?config(server, Config), Command, Args).

%% The user and the host of a session's account, as commands want them.
who(Session) ->
    binary:split(account(Session), <<"@">>).

account_of(Config, Name) ->
    Server = ?config(server, Config),
    [mmx_server:fresh(Server, Name), mmx_server:host(Server)].

states(Config, Who) ->
    {ok, Rows} = execute(Config, minimix_rooms, Who),
    [{Room, State} || {Room, _, State, _, _, _, _, _} <- Rows].

until_states(Config, Who, Expected) ->
    mmx_server:wait_until("the account is where it should be", fun() -> states(Config, Who) =:= Expected end).

%% I4 (XEP-0045 §7.2)
the_rooms_of_an_account_are_listed(Config) ->
    with_two(Config, fun(Room, _Bob, Phone, Desk) ->
        Listed = fun() -> execute(Config, minimix_rooms, who(Phone)) end,
        {ok, [{Room, <<"alice">>, joined, Sessions, false, Since, <<>>, <<>>}]} = Listed(),
        ?assertEqual([<<"phone">>, <<"desk">>], Sessions),
        ?assertMatch({match, _}, re:run(Since, "^20\\d\\d-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ$")),
        [going_offline(Session) || Session <- [Phone, Desk]],
        {ok, [{Room, <<"alice">>, joined, [], false, Since, DetachedSince, <<>>}]} = Listed(),
        ?assert(DetachedSince >= Since),
        {ok, {ok, _}} = execute(Config, minimix_rejoin, who(Phone) ++ [Room]),
        Repaired = fun() -> element(8, hd(element(2, Listed()))) end,
        mmx_server:wait_until("the room has taken the account back", fun() -> Repaired() >= DetachedSince end)
    end).

%% I1, I4 (XEP-0045 §7.2, §7.14)
an_account_is_made_to_join_and_to_leave(Config) ->
    story(Config, ["bob/desk"], fun(Room, Bob) ->
        enter(Room, [{Bob, <<"bob">>}]),
        [User, Host] = Who = account_of(Config, "alice"),
        Account = <<User/binary, "@", Host/binary>>,
        {ok, {ok, _}} = execute(Config, minimix_join, Who ++ [Room, <<"Ally">>, <<>>]),
        Entered = recv(Bob),
        ?assertEqual({<<"Ally">>, <<"available">>}, {from_nick(Entered), type(Entered)}),
        ?assertEqual([{<<"Ally">>, Account}, {<<"bob">>, jid(Bob)}], in_room(Config, Room)),
        until_states(Config, Who, [{Room, joined}]),
        {error, conflict, _} = execute(Config, minimix_join, Who ++ [Room, <<"other">>, <<>>]),
        {ok, {ok, _}} = execute(Config, minimix_leave, Who ++ [Room]),
        Left = recv(Bob),
        ?assertEqual({<<"Ally">>, <<"unavailable">>}, {from_nick(Left), type(Left)}),
        ?assertEqual([{<<"bob">>, jid(Bob)}], in_room(Config, Room)),
        until_states(Config, Who, [])
    end).

%% I1, B2.25 (XEP-0045 §7.2)
a_session_attaches_to_what_an_admin_joined(Config) ->
    story(Config, ["bob/desk", "alice/phone"], fun(Room, Bob, Phone) ->
        enter(Room, [{Bob, <<"bob">>}]),
        {ok, {ok, _}} = execute(Config, minimix_join, who(Phone) ++ [Room, <<"alice">>, <<>>]),
        ?assertEqual(<<"alice">>, from_nick(recv(Bob))),
        ?assertEqual([<<"bob">>, <<"alice">>], [Nick || Nick <- nicks(join(Phone, Room, <<"alice">>)), Nick =/= undefined]),
        settle(Room, [Phone]),
        told(Phone, Room, <<"hello">>, [Phone]),
        ?assertEqual([account(Phone), jid(Bob)], lists:sort([Jid || {_, Jid} <- in_room(Config, Room)]))
    end).

%% B1.14 (XEP-0045 §7.2.5)
a_password_opens_a_room(Config) ->
    locked_room(Config, <<"open">>, fun(_Who, Bob) ->
        ?assertEqual(<<"alice">>, from_nick(recv(Bob)))
    end).

%% I4, B1.11 (XEP-0045 §7.2.5)
a_refused_account_is_not_in_the_room(Config) ->
    locked_room(Config, <<"wrong">>, fun(Who, _Bob) -> until_states(Config, Who, []) end).

locked_room(Config, Password, Fun) ->
    story(Config, ["bob/desk"], fun(Room, Bob) ->
        enter(Room, [{Bob, <<"bob">>}]),
        room_option(Config, Room, <<"password">>, <<"open">>),
        room_option(Config, Room, <<"password_protected">>, <<"true">>),
        settle(Room, [Bob]),
        Who = account_of(Config, "alice"),
        {ok, {ok, _}} = execute(Config, minimix_join, Who ++ [Room, <<"alice">>, Password]),
        Fun(Who, Bob)
    end).

%% I2, I4 (XEP-0045 §7.14)
a_leave_reaches_every_session(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        {ok, {ok, _}} = execute(Config, minimix_leave, who(Phone) ++ [Room]),
        Out = fun(Session) -> status_codes(removed(Session, Room, <<"alice">>)) end,
        ?assertEqual([[110], [110]], [Out(Session) || Session <- [Phone, Desk]]),
        Left = recv(Bob),
        ?assertEqual({<<"alice">>, <<"unavailable">>}, {from_nick(Left), type(Left)}),
        ?assertEqual([], sync(Bob, Room)),
        join(Desk, Room, <<"alice">>),
        told(Bob, Room, <<"hello">>, [Desk]),
        ?assertEqual([], sync(Phone, Room))
    end).

%% I2 (XEP-0045 §7.2.1)
a_rejoin_asks_the_room_again(Config) ->
    story(Config, ["alice/phone"], fun(_, Phone) ->
        {Puppet, Room} = mmx_puppet:joined_by(?config(server, Config), [Phone]),
        {ok, {ok, _}} = execute(Config, minimix_rejoin, who(Phone) ++ [Room]),
        Join = mmx_puppet:takes(Puppet),
        ?assertMatch({#xmlel{}, <<"available">>}, {child(Join, x, ?NS_MUC), type(Join)}),
        ?assertEqual({account(Phone), [{Room, away}]}, {from(Join), states(Config, who(Phone))}),
        mmx_puppet:shows(Puppet, Room, <<"alice">>, account(Phone), [110]),
        mmx_puppet:ends_telling(Puppet, Room, account(Phone)),
        until_states(Config, who(Phone), [{Room, joined}]),
        ?assertEqual([], sync(Phone))
    end).

%% B20.139, I11 (XEP-0402 §4)
who_is_made_to_leave_a_bookmarked_room_is_out(Config) ->
    story(Config, ["bob/desk", "alice/phone"], fun(Room, Bob, Phone) ->
        enter(Room, [{Bob, <<"bob">>}]),
        Who = who(Phone),
        Listed = fun() ->
            {ok, Rows} = execute(Config, minimix_rooms, Who),
            [{State, Autojoin} || {_, _, State, _, Autojoin, _, _, _} <- Rows]
        end,
        ok = mmx_bookmarks:publish(Phone, Room, mmx_bookmarks:conference([{autojoin, <<"true">>}], [el(nick, [], [<<"alice">>])])),
        ?assertEqual(<<"alice">>, from_nick(recv(Bob))),
        mmx_server:wait_until("the bookmark is followed", fun() -> Listed() =:= [{joined, true}] end),
        {ok, {ok, _}} = execute(Config, minimix_leave, Who ++ [Room]),
        ?assertEqual(<<"unavailable">>, type(recv(Bob))),
        mmx_server:wait_until("the account is out", fun() -> Listed() =:= [{out, true}] end),
        {error, not_exists, _} = execute(Config, minimix_leave, Who ++ [Room]),
        {ok, {ok, _}} = execute(Config, minimix_join, Who ++ [Room, <<"alice">>, <<>>]),
        Again = recv(Bob),
        ?assertEqual({<<"alice">>, <<"available">>}, {from_nick(Again), type(Again)})
    end).

%% I8 (bad arguments)
what_is_wrong_is_said(Config) ->
    story(Config, ["alice/phone"], fun(Room, Phone) ->
        [User, Host] = who(Phone),
        Commands = [{minimix_rooms, []}, {minimix_join, [Room, <<"alice">>, <<>>]}, {minimix_leave, [Room]}, {minimix_rejoin, [Room]}],
        Wrong = [
            {not_exists, [<<"nobody">>, Host], <<"nobody@mmx.example is no account">>},
            {not_exists, [User, <<"elsewhere.example">>], <<"elsewhere.example is no virtual host">>},
            {not_exists, [User, <<"plain.example">>], <<"mod_minimix does not run on plain.example">>},
            {invalid, [<<"a@b">>, Host], <<"a@b is no user name">>}
        ],
        [
            ?assertEqual({Command, {error, Kind, Text}}, {Command, execute(Config, Command, Who ++ Args)})
         || {Command, Args} <- Commands, {Kind, Who, Text} <- Wrong
        ],
        [
            ?assertMatch({_, {error, invalid, _}}, {Bad, execute(Config, minimix_join, [User, Host, Bad, <<"alice">>, <<>>])})
         || Bad <- [<<>>, <<"a@">>, <<"rooms.mmx.example">>, <<Room/binary, "/alice">>, <<"x@mmx.example">>]
        ],
        [
            ?assertMatch({_, {error, invalid, _}}, {Bad, execute(Config, minimix_join, [User, Host, Room, Bad, <<>>])})
         || Bad <- [<<>>, <<1>>, binary:copy(<<"x">>, 1_024)]
        ],
        {error, invalid, _} = execute(Config, minimix_join, [User, Host, Room, <<"alice">>, <<"a", 0>>]),
        [
            ?assertMatch({error, not_exists, _}, execute(Config, Command, [User, Host, Room]))
         || Command <- [minimix_leave, minimix_rejoin]
        ],
        {error, not_exists, _} = execute(Config, minimix_stats, [<<"elsewhere.example">>])
    end).

%% B23.174 (options access and exclude)
what_is_not_served_is_not_joined(Config) ->
    story(Config, ["alice/phone", "bob/desk"], fun(Room, Phone, Bob) ->
        enter(Room, [{Bob, <<"bob">>}]),
        {error, conflict, NoAccess} = execute(Config, minimix_join, who(Bob) ++ [Room, <<"bob">>, <<>>]),
        ?assertNotEqual(nomatch, binary:match(NoAccess, <<"access">>)),
        Loud = binary:replace(Room, <<"@">>, <<"-loud@">>),
        {error, conflict, Excluded} = execute(Config, minimix_join, who(Phone) ++ [Loud, <<"alice">>, <<>>]),
        ?assertNotEqual(nomatch, binary:match(Excluded, <<"exclude">>)),
        ?assertEqual([], sync(Bob, Room)),
        ?assertEqual([], states(Config, who(Phone)))
    end).

%% I10 (option max_rooms)
an_account_in_too_many_rooms_joins_no_other(Config) ->
    story(Config, ["alice/phone"], fun(Room, Phone) ->
        Full = [mmx_server:fresh_room(?config(server, Config)) || _ <- [1, 2, 3]],
        [join(Phone, Each, <<"alice">>) || Each <- Full],
        {error, conflict, Text} = execute(Config, minimix_join, who(Phone) ++ [Room, <<"alice">>, <<>>]),
        ?assertNotEqual(nomatch, binary:match(Text, <<"max_rooms">>))
    end).

%% I10 (counting)
figures_follow_what_happens(Config) ->
    Server = ?config(server, Config),
    Stats = fun() -> maps:filter(fun(_, Count) -> Count > 0 end, mmx_admin:stats(Server, ?OTHER)) end,
    Here = fun() -> maps:without([<<"bytes">>, <<"forks">>], Stats()) end,
    story(Config, ["bob/desk"], fun(Room, Bob) ->
        enter(Room, [{Bob, <<"bob">>}]),
        ?assertEqual(#{}, Here()),
        Everywhere = mmx_admin:stats(Server, <<"global">>),
        [Phone, Desk] = [connect(Server, Who, #{host => ?OTHER}) || Who <- ["alice/phone", "alice/desk"]],
        [join(Session, Room, <<"alice">>) || Session <- [Phone, Desk]],
        Done = #{<<"joins">> => 1, <<"attaches">> => 2},
        Known = #{<<"accounts">> => 1, <<"rooms">> => 1, <<"memberships">> => 1, <<"memberships_joined">> => 1},
        One = maps:merge(Done, Known#{<<"occupants">> => 1}),
        ?assertEqual(One#{<<"sessions">> => 2}, Here()),
        settle(Room, [Bob, Phone, Desk]),
        told(Bob, Room, <<"hello">>, [Bob, Phone, Desk]),
        ?assertMatch(#{<<"forks">> := Forks, <<"bytes">> := Bytes} when Forks >= 2 andalso Bytes > 100, Stats()),
        Sum = maps:merge_with(fun(_, A, B) -> A + B end, Everywhere, Here()),
        ?assertEqual(maps:with(maps:keys(One), Sum), maps:with(maps:keys(One), mmx_admin:stats(Server, <<"global">>))),
        going_offline(Desk),
        ?assertEqual(One#{<<"sessions">> => 1}, Here()),
        leave(Phone, Room),
        ?assertEqual(Done, maps:without([<<"accounts">>, <<"rooms">>], Here()))
    end).

%% I8 (ejabberdctl)
ejabberdctl_knows_the_commands(Config) ->
    Server = ?config(server, Config),
    story(Config, ["bob/desk", "alice/phone"], fun(Room, Bob, Phone) ->
        enter(Room, [{Bob, <<"bob">>}]),
        [User, Host, Address] = [binary_to_list(Part) || Part <- who(Phone) ++ [Room]],
        Ctl = fun(Words) -> mmx_admin:ctl(Server, Words) end,
        Commands = ["minimix_rooms", "minimix_join", "minimix_leave", "minimix_rejoin", "minimix_stats", "minimix_upgrade"],
        Process = fun(Words) -> mmx_server:rpc(Server, ejabberd_ctl, process, [Words]) end,
        [?assertEqual({Command, 0}, {Command, Process(["help", Command])}) || Command <- Commands],
        ?assertEqual(0, Process(["minimix_rooms", User, Host])),
        ?assertMatch({0, [[_ | _]]}, Ctl(["minimix_join", User, Host, Address, "alice", ""])),
        ?assertEqual(<<"alice">>, from_nick(recv(Bob))),
        join(Phone, Room, <<"alice">>),
        {0, [[Address, "alice", "joined", "phone", "false", _Since | _]]} = Ctl(["minimix_rooms", User, Host]),
        {0, Figures} = Ctl(["minimix-stats", "global"]),
        ?assert(lists:all(fun([_Name, _Value]) -> true; (_) -> false end, Figures)),
        ?assertMatch({0, _}, Ctl(["minimix_rejoin", User, Host, Address])),
        ?assertMatch({0, _}, Ctl(["minimix_leave", User, Host, Address])),
        removed(Phone, Room, <<"alice">>),
        {1, [[Refusal]]} = Ctl(["minimix_rooms", "nobody", Host]),
        ?assertNotEqual(nomatch, string:find(Refusal, "nobody@mmx.example is no account")),
        ?assertMatch({Failed, _} when Failed > 0, Ctl(["minimix_join", User, Host, "no room", "alice", ""]))
    end).

%% I8 (mod_http_api)
the_commands_work_over_http(Config) ->
    Server = ?config(server, Config),
    story(Config, ["bob/desk", "alice/phone"], fun(Room, Bob, Phone) ->
        enter(Room, [{Bob, <<"bob">>}]),
        [User, Host] = who(Phone),
        Who = #{user => User, host => Host},
        There = Who#{room => Room},
        Join = There#{nick => <<"älice"/utf8>>, password => <<>>},
        ?assertMatch({200, _}, mmx_admin:post(Server, "minimix_join", Join)),
        ?assertEqual(<<"älice"/utf8>>, from_nick(recv(Bob))),
        join(Phone, Room, <<"älice"/utf8>>),
        {200, [Row]} = mmx_admin:post(Server, "minimix_rooms", Who),
        ?assertMatch(#{<<"room">> := Room, <<"state">> := <<"joined">>, <<"sessions">> := [<<"phone">>]}, Row),
        {200, #{<<"accounts">> := Accounts}} = mmx_admin:post(Server, "minimix_stats", #{host => Host}),
        ?assert(binary_to_integer(Accounts) > 0),
        ?assertMatch({409, _}, mmx_admin:post(Server, "minimix_join", Join)),
        ?assertMatch({400, _}, mmx_admin:post(Server, "minimix_join", Join#{nick => <<>>})),
        ?assertMatch({200, _}, mmx_admin:post(Server, "minimix_rejoin", There)),
        ?assertMatch({200, _}, mmx_admin:post(Server, "minimix_leave", There)),
        removed(Phone, Room, <<"älice"/utf8>>),
        ?assertMatch({404, _}, mmx_admin:post(Server, "minimix_rooms", Who#{user => <<"nobody">>}))
    end).

%% B23.167 (start and stop)
the_commands_go_with_the_last_host(_Config) ->
    Server = mmx_server:start(mmx_admin:api(#{hosts => [<<"mmx.example">>, ?OTHER], minimix => #{}})),
    try
        Count = fun() ->
            Names = [Name || {Name, _, _} <- mmx_server:rpc(Server, ejabberd_commands, list_commands, [])],
            length([Name || Name <- Names, string:prefix(atom_to_list(Name), "minimix_") =/= nomatch])
        end,
        Module = fun(Change, Host) -> mmx_server:rpc(Server, gen_mod, Change, [Host, mod_minimix]) end,
        ?assertEqual(6, Count()),
        ok = Module(stop_module, <<"mmx.example">>),
        ?assertEqual(6, Count()),
        ok = Module(stop_module, ?OTHER),
        ?assertEqual(0, Count()),
        ?assertEqual({error, unknown_command, <<>>}, mmx_admin:execute(Server, minimix_stats, [<<"global">>])),
        _ = Module(start_module, ?OTHER),
        ?assertEqual(6, Count()),
        ?assertMatch({ok, _}, mmx_admin:execute(Server, minimix_stats, [<<"global">>])),
        ?assertEqual([], mmx_server:complaints(Server))
    after
        mmx_server:stop(Server)
    end.
