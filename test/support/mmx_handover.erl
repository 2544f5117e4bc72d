%% A stream that ends by itself before the one that resumes it has taken over, as when it finds out only then
%% that its connection is lost.
-module(mmx_handover).

-export([early/3]).
-export([c2s_copy_session/2, started/0, end_old/0, go_on/0]).

-include("mmx.hrl").

%% Resumes the session. The first fun runs when the old stream has given its state away, and what it brings
%% waits in that stream's mailbox; the second one when the old stream has been told to end.
-spec early(mmx_client:client(), fun(() -> _), fun(() -> _)) -> ok.
early(Client, Before, After) ->
    Server = mmx_client:server(Client),
    Old = mmx_server:c2s_pid(Server, jid(Client)),
    Handler = [c2s_copy_session, mmx_server:host(Server), ?MODULE, c2s_copy_session, 1],
    ok = mmx_server:rpc(Server, ejabberd_hooks, add, Handler),
    {Resumer, Monitor} = spawn_monitor(fun() -> ok = resume(Client) end),
    mmx_server:wait_until("the new stream knows the old one's state", fun() -> mmx_server:rpc(Server, ?MODULE, started, []) end),
    ok = mmx_server:rpc(Server, ejabberd_hooks, delete, Handler),
    Before(),
    ok = mmx_server:rpc(Server, ?MODULE, end_old, []),
    After(),
    mmx_server:wait_until("the old stream is gone", fun() -> not mmx_server:rpc(Server, erlang, is_process_alive, [Old]) end),
    ok = mmx_server:rpc(Server, ?MODULE, go_on, []),
    receive {'DOWN', Monitor, process, Resumer, Reason} -> ?assertEqual(normal, Reason) end.

%% ---- Within the server

-spec started() -> boolean().
started() ->
    whereis(?MODULE) =/= undefined.

-spec end_old() -> ok.
end_old() ->
    tell(end_old).

-spec go_on() -> ok.
go_on() ->
    tell(go_on).

tell(What) ->
    ?MODULE ! {self(), What},
    receive {?MODULE, What} -> ok end.

-spec c2s_copy_session(New, ejabberd_c2s:state()) -> New.
c2s_copy_session(New, #{sid := {_, Old}}) ->
    true = erlang:suspend_process(Old),
    true = register(?MODULE, self()),
    told(end_old, fun() -> ok = ejabberd_c2s:stop_async(Old), true = erlang:resume_process(Old) end),
    told(go_on, fun() -> true = unregister(?MODULE) end),
    New.

told(What, Do) ->
    receive {From, What} -> Do(), From ! {?MODULE, What} end.
