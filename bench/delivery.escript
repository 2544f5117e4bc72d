#!/usr/bin/env escript
%% What a message in a room costs a real ejabberd, for each copy that a session of its accounts gets on its socket:
%% plain rooms and the module beside each other, in turns; medians of five runs, and the worst.
%% Usage: make bench   (tools/bench.sh knows where the code is), or with numbers: accounts, then sessions of each.
-mode(compile).

-define(RUNS, 5).
%% Copies of a run, about.
-define(COPIES, 40_000).
-define(TEXT, binary:copy(<<"0123456789">>, 8)).

main([]) ->
    main(["200", "1", "2", "4", "8"]);
main([Accounts | Sessions]) ->
    io:format("~-34ts ~14ts ~12ts ~14ts ~14ts ~10ts~n",
              ["", "server us/copy", "worst run", "copies/s", "load us/copy", "plain / it"]),
    [compare(list_to_integer(Accounts), list_to_integer(Count)) || Count <- Sessions].

compare(Accounts, Sessions) ->
    Plain = fill(none, Accounts, Sessions),
    Ours = fill(#{history_size => 50}, Accounts, Sessions),
    Runs = [{run(Plain), run(Ours)} || _ <- lists:seq(0, ?RUNS)],
    %% The first run warms up.
    {OfPlain, OfOurs} = lists:unzip(tl(Runs)),
    What = io_lib:format("~b accounts, ~b session~ts each", [Accounts, Sessions, [$s || Sessions > 1]]),
    Cost = row([What, ", plain"], OfPlain, none),
    _ = row([What, ", module"], OfOurs, Cost),
    [stop(Room) || Room <- [Plain, Ours]].

row(What, Runs, Peer) ->
    {Costs, Rates, Loads} = lists:unzip3(Runs),
    Cost = median(Costs),
    Times = [io_lib:format("~10.2f", [Peer / Cost]) || Peer =/= none],
    io:format("~-34ts ~14.2f ~12.2f ~14b ~14.2f ~ts~n", [What, Cost, lists:max(Costs), median(Rates), median(Loads), Times]),
    Cost.

median(Numbers) ->
    lists:nth(?RUNS div 2 + 1, lists:sort(Numbers)).

%%% A server with a room that is full

fill(Minimix, Accounts, Sessions) ->
    Server = mmx_server:start(#{vm_args => ["+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"], minimix => Minimix, muc => #{min_message_interval => 0}}),
    Room = mmx_server:fresh_room(Server),
    Names = [<<"account-", (integer_to_binary(Number))/binary>> || Number <- lists:seq(1, Accounts)],
    [ok = mmx_server:register(Server, Name) || Name <- [<<"bob">> | Names]],
    Bob = enter(Server, Room, <<"bob">>, <<"bench">>),
    All = [Bob | [enter(Server, Room, Name, integer_to_binary(Number)) || Name <- Names, Number <- lists:seq(1, Sessions)]],
    #{server => Server, room => Room, bob => Bob, all => All}.

stop(#{server := Server, all := All}) ->
    [exit(Client, kill) || Client <- All],
    ok = mmx_server:stop(Server).

%% In plain rooms a session shares its nick with the others of its account.
enter(Server, Room, Name, Resource) ->
    Asker = self(),
    Client = spawn(fun() -> client(Server, Room, Name, Resource, Asker) end),
    receive {Client, entered} -> Client after 30_000 -> error({did_not_enter, Name, Resource}) end.

%% As cheap as can be: what comes is searched for what is waited for, and not parsed.
client(Server, Room, Name, Resource, Asker) ->
    Link = mmx_stream:open(gen_tcp, {mmx_server:port(Server), none}, mmx_server:host(Server), Name, <<"secret">>),
    _ = mmx_stream:bind(Link, Resource),
    ok = mmx_stream:write(Link, ["<presence/><presence to='", Room, "/", Name, "'><x xmlns='http://jabber.org/protocol/muc'/></presence>"]),
    ok = await(<<"<subject">>, <<>>),
    Asker ! {self(), entered},
    talk(Link, Room).

talk(Link, Room) ->
    receive
        {say, Text} ->
            ok = mmx_stream:write(Link, ["<message type='groupchat' to='", Room, "'><body>", Text, "</body></message>"]),
            talk(Link, Room);
        {await, Text, Asker} ->
            ok = await(Text, <<>>),
            Asker ! {self(), heard},
            talk(Link, Room)
    end.

await(Text, Before) ->
    receive
        {tcp, _, Data} ->
            All = <<Before/binary, Data/binary>>,
            case binary:match(All, Text) of
                nomatch -> await(Text, binary:part(All, byte_size(All), -min(byte_size(All), byte_size(Text))));
                _ -> ok
            end
    end.

%%% A run

run(#{server := Server, bob := Bob, all := All}) ->
    Messages = max(5, ?COPIES div length(All)),
    Last = mmx_stanza:unique(),
    [Client ! {await, Last, self()} || Client <- All, Client =/= Bob],
    Before = {cpu(mmx_server:os_pid(Server)), cpu(os:getpid())},
    Start = erlang:monotonic_time(microsecond),
    [Bob ! {say, ?TEXT} || _ <- lists:seq(2, Messages)],
    Bob ! {say, Last},
    Bob ! {await, Last, self()},
    [receive {Client, heard} -> ok after 120_000 -> error(heard_nothing) end || Client <- All],
    Time = erlang:monotonic_time(microsecond) - Start,
    After = {cpu(mmx_server:os_pid(Server)), cpu(os:getpid())},
    Copies = Messages * length(All),
    [OfServer, OfLoad] = [(element(N, After) - element(N, Before)) / Copies || N <- [1, 2]],
    {OfServer, Copies * 1_000_000 div Time, OfLoad}.

%% Microseconds that a process has used, of which Linux counts hundredths of seconds.
cpu(Pid) ->
    {ok, Text} = file:read_file(["/proc/", Pid, "/stat"]),
    [_, Rest] = string:split(Text, ") ", trailing),
    Fields = string:lexemes(Rest, " "),
    (binary_to_integer(lists:nth(12, Fields)) + binary_to_integer(lists:nth(13, Fields))) * 10_000.
