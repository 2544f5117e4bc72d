%% What a room of this server says to all its accounts at once.
-module(broadcasting_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1]).
-export([
    every_account_is_told_once_and_in_order/1,
    accounts_of_every_host_are_told/1,
    a_long_message_reaches_every_account/1,
    who_changes_single_copies_changes_single_copies/1,
    who_drops_single_copies_drops_single_copies/1,
    a_session_without_the_module_is_told_beside_the_accounts/1
]).
%% Handlers on the server.
-export([mark_for_clara/1, drop_for_clara/1]).

-include("support/mmx.hrl").

-define(OTHER, <<"other.example">>).
%% More than one call tells.
-define(CROWD, 230).
-define(MARK, <<"mark">>).

all() ->
    cases(?MODULE) -- [mark_for_clara, drop_for_clara].

init_per_suite(Config) ->
    Options = beside_plain(#{rejoin_rate => 10_000}),
    [{server, mmx_server:start(Options#{hosts => [<<"mmx.example">>, ?OTHER]})} | Config].

end_per_suite(Config) ->
    mmx_server:stop(?config(server, Config)).

%% I3, B15.95 (XEP-0045 §7.4)
every_account_is_told_once_and_in_order(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Server = ?config(server, Config),
        Host = mmx_server:host(Server),
        Accounts = [mmx_server:fresh(Server, "crowd") || _ <- lists:seq(1, ?CROWD)],
        [ok = mmx_server:register(Server, Account) || Account <- Accounts],
        [{ok, _} = mmx_server:rpc(Server, minimix_admin, join, [Account, Host, Room, Account, <<>>]) || Account <- Accounts],
        mmx_server:wait_until("all are there", fun() -> length(in_room(Config, Room)) =:= ?CROWD + 2 end),
        Clients = [connect(Server, [Account, "/desk"]) || Account <- [hd(Accounts), lists:nth(?CROWD div 2, Accounts), lists:last(Accounts)]],
        [_ = join(Client, Room, name(Client)) || Client <- Clients],
        ok = settle(Room, [Bob, Phone, Desk | Clients]),
        Texts = [integer_to_binary(Number) || Number <- lists:seq(1, 20)],
        [say(Bob, Room, Text) || Text <- Texts],
        Heard = [bodies(mmx_client:recv_until(Client, fun(Stanza) -> body(Stanza) =:= <<"20">> end)) || Client <- [Bob, Phone, Desk | Clients]],
        ?assertEqual([Texts || _ <- Heard], Heard),
        ?assertEqual([], lists:append([sync(Client, Room) || Client <- [Bob, Phone, Desk | Clients]])),
        [mmx_client:abandon(Client) || Client <- Clients]
    end).

name(Client) ->
    hd(binary:split(account(Client), <<"@">>)).

%% I3, B15.95 (XEP-0045 §7.4)
accounts_of_every_host_are_told(Config) ->
    with_two(Config, fun(Room, Bob, Phone, Desk) ->
        Dora = connect(?config(server, Config), <<"dora/desk">>, #{host => ?OTHER}),
        _ = join(Dora, Room, <<"dora">>),
        ok = settle(Room, [Bob, Phone, Desk, Dora]),
        told(Bob, Room, <<"to all">>, [Bob, Phone, Desk, Dora]),
        ?assert(lists:member({<<"dora">>, account(Dora)}, in_room(Config, Room))),
        mmx_client:abandon(Dora)
    end).

%% I3, I9 (XEP-0045 §7.4)
a_long_message_reaches_every_account(Config) ->
    story(Config, ["bob/desk" | [Name ++ "/phone" || Name <- ["alice", "clara", "dora"]]], fun(Room, Bob, Alice, Clara, Dora) ->
        ok = enter(Room, [{Bob, <<"bob">>}, {Alice, <<"alice">>}, {Clara, <<"clara">>}, {Dora, <<"dora">>}]),
        told(Bob, Room, binary:copy(<<"0123456789">>, 60_000), [Bob, Alice, Clara, Dora]),
        told(Bob, Room, <<"short">>, [Bob, Alice, Clara, Dora])
    end).

%% I3 (XEP-0045 §7.4)
who_changes_single_copies_changes_single_copies(Config) ->
    handled(Config, mark_for_clara, fun(Room, Bob, Alice, Clara) ->
        told(Bob, Room, <<"marked for one">>, [Bob]),
        [OfAlice, OfClara] = [hears(Client, <<Room/binary, "/bob">>, <<"marked for one">>) || Client <- [Alice, Clara]],
        ?assertEqual({undefined, true}, {child(OfAlice, ?MARK), child(OfClara, ?MARK) =/= undefined})
    end).

%% I3 (XEP-0045 §7.4)
who_drops_single_copies_drops_single_copies(Config) ->
    handled(Config, drop_for_clara, fun(Room, Bob, Alice, Clara) ->
        told(Bob, Room, <<"not for all">>, [Bob, Alice]),
        ?assertEqual([], bodies(sync(Clara, Room)))
    end).

handled(Config, Function, Fun) ->
    Server = ?config(server, Config),
    Add = [filter_packet, ?MODULE, Function, 50],
    story(Config, ["bob/desk", "alice/phone", "clara/phone"], fun(Room, Bob, Alice, Clara) ->
        ok = enter(Room, [{Bob, <<"bob">>}, {Alice, <<"alice">>}, {Clara, <<"clara">>}]),
        ok = mmx_server:rpc(Server, ejabberd_hooks, add, Add),
        try Fun(Room, Bob, Alice, Clara)
        after ok = mmx_server:rpc(Server, ejabberd_hooks, delete, Add)
        end
    end).

mark_for_clara(Stanza) ->
    case is_for_clara(Stanza) of
        true -> xmpp:append_subtags(Stanza, [#xmlel{name = ?MARK}]);
        false -> Stanza
    end.

drop_for_clara(Stanza) ->
    case is_for_clara(Stanza) of
        true -> drop;
        false -> Stanza
    end.

is_for_clara(Stanza) ->
    To = xmpp:get_to(Stanza),
    xmpp:get_type(Stanza) =:= groupchat andalso string:prefix(jid:encode(To), "clara") =/= nomatch.

%% I3 (XEP-0045 §7.4)
a_session_without_the_module_is_told_beside_the_accounts(Config) ->
    story(Config, ["bob/desk", "carol/desk", "alice/phone"], fun(Room, Bob, Carol, Alice) ->
        ok = enter(Room, [{Bob, <<"bob">>}, {Alice, <<"alice">>}, {Carol, <<"carol">>}]),
        [told(Who, Room, Text, [Bob, Carol, Alice]) || {Who, Text} <- [{Bob, <<"one">>}, {Carol, <<"two">>}, {Alice, <<"three">>}]]
    end).
