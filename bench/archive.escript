#!/usr/bin/env escript
%% What archiving costs on a real ejabberd, in SQLite and in PostgreSQL: the same messages of one room once in the
%% room's own archive (mod_mam, one row each) and once in those of 200 accounts (one row each and account).
%% Medians of five runs, which take turns. Usage: make bench   (tools/bench.sh knows where the code is)
-mode(compile).

-define(ACCOUNTS, 200).
%% Messages of a run: about as many rows for both.
-define(MESSAGES_OF_ROOM, 2_000).
-define(MESSAGES_OF_ACCOUNTS, 20).
-define(RUNS, 5).
-define(TEXT, binary:copy(<<"0123456789">>, 10)).

main(_) ->
    io:format("~-12ts ~-44ts ~12ts ~12ts ~12ts~n", ["", "", "rows/s", "worst run", "bytes/row"]),
    lists:foreach(fun measure/1, [sqlite, pgsql]).

measure(Kind) ->
    Options = mmx_story:beside_plain(#{archive => true, history_size => 0}),
    Room = #{mam => true},
    Muc = #{min_message_interval => 0},
    Keeper = mmx_keeper:start(Kind, fun(Database) -> mmx_archive:options(Database, Options#{room => Room, muc => Muc}) end),
    try rows(Kind, mmx_keeper:server(Keeper))
    after mmx_keeper:stop(Keeper)
    end.

rows(Kind, Server) ->
    Bob = mmx_client:connect(Server, <<"bob-1/bench">>),
    Alone = mmx_server:fresh_room(Server),
    Full = mmx_server:fresh_room(Server),
    [_ = mmx_muc:join(Bob, Room, <<"bob">>) || Room <- [Alone, Full]],
    ok = fill(Server, Full),
    %% The rooms' own archive is not what the second row measures.
    [Name, Service] = binary:split(Full, <<"@">>),
    ok = mmx_server:rpc(Server, mod_muc_admin, change_room_option, [Name, Service, <<"mam">>, <<"false">>]),
    Before = size(Kind, Server),
    Runs = [{rate(Server, Bob, Alone, ?MESSAGES_OF_ROOM, 1), rate(Server, Bob, Full, ?MESSAGES_OF_ACCOUNTS, ?ACCOUNTS)}
            || _ <- lists:seq(1, ?RUNS)],
    {Rooms, Accounts} = lists:unzip(Runs),
    Bytes = (size(Kind, Server) - Before) div (?RUNS * (?MESSAGES_OF_ROOM + ?MESSAGES_OF_ACCOUNTS * ?ACCOUNTS)),
    row(Kind, "the room's archive, by mod_mam", Rooms, Bytes),
    row(Kind, "the archives of 200 accounts", Accounts, Bytes).

row(Kind, What, Rates, Bytes) ->
    Sorted = lists:sort(Rates),
    io:format("~-12ts ~-44ts ~12b ~12b ~12b~n", [Kind, What, lists:nth(?RUNS div 2 + 1, Sorted), hd(Sorted), Bytes]).

%% Without sessions: what is measured is the archive.
fill(Server, Room) ->
    Host = mmx_server:host(Server),
    Names = [<<"account-", (integer_to_binary(Number))/binary>> || Number <- lists:seq(1, ?ACCOUNTS)],
    [ok = mmx_server:register(Server, Name) || Name <- Names],
    [{ok, _} = mmx_server:rpc(Server, minimix_admin, join, [Name, Host, Room, Name, <<>>]) || Name <- Names],
    mmx_server:wait_until("all are in the room", fun() -> length(mmx_server:room_occupants(Server, Room)) > ?ACCOUNTS end).

%% Rows that are in the database in a second.
rate(Server, Bob, Room, Messages, RowsEach) ->
    Start = erlang:monotonic_time(microsecond),
    [ok = mmx_muc:say(Bob, Room, ?TEXT) || _ <- lists:seq(1, Messages)],
    Last = mmx_stanza:unique(),
    ok = mmx_muc:say(Bob, Room, Last),
    _ = mmx_client:take_with(Bob, fun(Queue) -> up_to(Last, Queue) end, 120_000),
    ok = mmx_archive:flush(Server),
    Time = erlang:monotonic_time(microsecond) - Start,
    (Messages + 1) * RowsEach * 1_000_000 div Time.

up_to(Text, Queue) ->
    case lists:any(fun(Stanza) -> mmx_stanza:body(Stanza) =:= Text end, Queue) of
        true -> {done, []};
        false -> more
    end.

%% Of the whole database, which holds hardly anything else.
size(sqlite, Server) ->
    number(Server, <<"select page_count * page_size from pragma_page_count(), pragma_page_size();">>);
size(pgsql, Server) ->
    number(Server, <<"select pg_total_relation_size('archive');">>).

number(Server, Query) ->
    {selected, _, [[Number]]} = mmx_server:rpc(Server, ejabberd_sql, sql_query, [mmx_server:host(Server), [Query]]),
    binary_to_integer(Number).
