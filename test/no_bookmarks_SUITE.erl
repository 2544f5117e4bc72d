%% Without what keeps bookmarks nothing is followed, and nothing fails.
-module(no_bookmarks_SUITE).

-export([all/0]).
-export([
    without_pubsub_nothing_happens/1,
    without_pep_private_storage_is_followed/1,
    without_private_storage_pep_is_followed/1,
    a_database_that_fails_takes_nobody_out/1,
    bookmarks_that_are_no_longer_followed_hold_nobody/1,
    bookmarks_are_forgotten_that_were_turned_off_meanwhile/1,
    bookmarks_that_are_followed_again_bring_the_account_back/1
]).

-include("support/mmx.hrl").

-import(mmx_bookmarks, [conference/2, publish/3, told/1, knows/2]).

-define(ROOM, <<"room@rooms.example">>).

all() ->
    cases(?MODULE).

%% I8 (XEP-0402 is optional)
without_pubsub_nothing_happens(_Config) ->
    with_server(#{modules => #{mod_private => #{}}}, fun(Server) ->
        story([{server, Server}], ["alice/desk"], fun(Room, Alice) ->
            ok = knows(Alice, [?ROOM]),
            ok = mmx_bookmarks:set_private(Alice, private()),
            appear_again(Alice),
            ok = mmx_bookmarks:set_nick(Alice, ?ROOM, <<"Alice">>),
            ?assertEqual([], told(Alice)),
            ?assertEqual({error, no_pubsub}, mmx_bookmarks:read_all(Server, account(Alice))),
            join(Alice, Room, <<"alice">>)
        end)
    end).

%% I8, B20.143 (XEP-0163 is optional)
without_pep_private_storage_is_followed(_Config) ->
    with_server(#{modules => #{mod_pubsub => #{plugins => [<<"flat">>]}, mod_private => #{}}}, fun(Server) ->
        story([{server, Server}], ["alice/desk"], fun(_Room, Alice) ->
            appear_again(Alice),
            ?assertEqual([], told(Alice)),
            ok = mmx_bookmarks:set_private(Alice, private()),
            ?assertEqual([{?ROOM, autojoin()}], told(Alice)),
            appear_again(Alice),
            ?assertEqual([{?ROOM, autojoin()}], told(Alice)),
            ok = mmx_bookmarks:set_nick(Alice, ?ROOM, <<"Alice">>),
            ?assertEqual({ok, [{?ROOM, (autojoin())#{nick => <<"Alice">>}}]}, mmx_bookmarks:read_all(Server, account(Alice)))
        end)
    end).

appear_again(Client) ->
    going_offline(Client),
    send(Client, presence(none, [])).

private() ->
    mmx_bookmarks:storage([{?ROOM, [{autojoin, <<"true">>}], []}]).

autojoin() ->
    #{autojoin => true, nick => none, password => none, notify => none}.

%% I8 (XEP-0049, XEP-0411 are optional)
without_private_storage_pep_is_followed(_Config) ->
    with_server(#{pubsub => true, modules => #{mod_private => none}}, fun(Server) ->
        story([{server, Server}], ["alice/desk"], fun(_Room, Alice) ->
            ok = publish(Alice, ?ROOM, conference([{autojoin, <<"true">>}], [])),
            ok = mmx_bookmarks:set_nick(Alice, ?ROOM, <<"Alice">>),
            ?assertEqual([{?ROOM, autojoin()}], told(Alice)),
            ok = mmx_bookmarks:delete(Alice),
            ?assertEqual([], mmx_bookmarks:items(Alice))
        end)
    end).

%% I8, B20.140 (what cannot be read is not gone)
a_database_that_fails_takes_nobody_out(_Config) ->
    with_server(#{pubsub => true}, fun(Server) ->
        story([{server, Server}], ["alice/desk"], fun(_Room, Alice) ->
            ok = publish(Alice, ?ROOM, conference([{autojoin, <<"true">>}], [])),
            ok = knows(Alice, [?ROOM]),
            _ = told(Alice),
            {atomic, ok} = mmx_server:rpc(Server, mnesia, delete_table, [pubsub_item]),
            appear_again(Alice),
            ok = mmx_bookmarks:set_nick(Alice, ?ROOM, <<"Alice">>),
            ?assertEqual([], told(Alice))
        end)
    end).

%% B20.140, B23.174 (option bookmarks)
bookmarks_that_are_no_longer_followed_hold_nobody(_Config) ->
    bookmarked(fun(Config, Room, Bob) ->
        ok = mmx_server:reload(?config(off, Config)),
        mmx_server:wait_until("the account is out", fun() -> in_room(Config, Room) =:= [{<<"bob">>, jid(Bob)}] end),
        Config
    end).

%% B20.140, B23.174, I11 (option bookmarks)
bookmarks_are_forgotten_that_were_turned_off_meanwhile(_Config) ->
    bookmarked(fun(Config, _Room, _Bob) ->
        Again = mmx_server:restart(?config(off, Config)),
        Host = mmx_server:host(Again),
        IsForgotten = fun() ->
            ok = mmx_server:rpc(Again, minimix_store, flush, [Host]),
            mmx_server:rpc(Again, ets, tab2list, [minimix_room]) =:= []
        end,
        mmx_server:wait_until("nothing is stored", IsForgotten),
        lists:keystore(server, 1, Config, {server, Again})
    end).

%% B20.139, B23.174 (option bookmarks)
bookmarks_that_are_followed_again_bring_the_account_back(_Config) ->
    bookmarked(fun(Config, Room, Bob) ->
        Is = fun(Occupants) -> fun() -> [Nick || {Nick, _} <- in_room(Config, Room)] =:= Occupants end end,
        ok = mmx_server:reload(?config(off, Config)),
        mmx_server:wait_until("the account is out", Is([<<"bob">>])),
        ok = mmx_server:reload(?config(server, Config)),
        mmx_server:wait_until("the account is back", Is([<<"alice">>, <<"bob">>])),
        _ = drain(Bob),
        Config
    end).

%% A bookmark has brought the account into a room; the fun gives the server that runs last.
bookmarked(Fun) ->
    Options = fun(Follow) -> (beside_plain(#{bookmarks => Follow}))#{pubsub => true} end,
    Server = mmx_server:start(Options(true)),
    Config = [{server, Server}, {off, mmx_server:with_options(Server, Options(false))}],
    [Bob, Alice] = [connect(Server, [mmx_server:fresh(Server, Name), "/desk"]) || Name <- ["bob", "alice"]],
    Room = mmx_server:fresh_room(Server),
    enter(Room, [{Bob, <<"bob">>}]),
    ok = publish(Alice, Room, conference([{autojoin, <<"true">>}], [el(nick, [], [<<"alice">>])])),
    IsThere = fun() -> lists:keymember(<<"alice">>, 1, in_room(Config, Room)) end,
    mmx_server:wait_until("the account is there", IsThere),
    Last = Fun(Config, Room, Bob),
    mmx_server:stop(?config(server, Last)).

with_server(Options, Fun) ->
    Server = mmx_server:start(Options#{minimix => #{}}),
    try
        ok = mmx_bookmarks:listen(Server),
        Fun(Server),
        Crashes = [Line || Line <- mmx_server:complaints(Server), binary:match(Line, <<"CRASH">>) =/= nomatch],
        ?assertEqual([], Crashes)
    after
        mmx_server:stop(Server)
    end.
