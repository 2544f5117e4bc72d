%% Holds a server that cases stop and start: whatever runs last is stopped at the end.
-module(mmx_holder).

-export([start/1, server/1, again/3, stop/1]).

-opaque holder() :: pid().
-export_type([holder/0]).

-spec start(mmx_server:server()) -> holder().
start(Server) ->
    spawn(fun() -> hold(Server) end).

-spec server(holder()) -> mmx_server:server().
server(Holder) ->
    ask(Holder, server).

%% The fun runs while the server is down.
-spec again(holder(), restart | crash, fun(() -> _)) -> mmx_server:server().
again(Holder, How, Meanwhile) ->
    ask(Holder, {again, How, Meanwhile}).

-spec stop(holder()) -> ok.
stop(Holder) ->
    ask(Holder, stop).

ask(Holder, Request) ->
    Monitor = monitor(process, Holder),
    Holder ! {self(), Monitor, Request},
    receive
        {Monitor, Answer} -> true = demonitor(Monitor, [flush]), Answer;
        {'DOWN', Monitor, process, _, Reason} -> error(Reason)
    end.

hold(Server) ->
    receive
        {From, Tag, server} ->
            From ! {Tag, Server},
            hold(Server);
        {From, Tag, {again, How, Meanwhile}} ->
            Next = mmx_server:How(Server, Meanwhile),
            From ! {Tag, Next},
            hold(Next);
        {From, Tag, stop} ->
            From ! {Tag, mmx_server:stop(Server)}
    end.
