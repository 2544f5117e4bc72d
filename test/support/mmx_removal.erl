%% An account that is removed while one of its sessions is on its way into a room: its server has seen that the
%% account may join, and has not carried it out.
-module(mmx_removal).

-export([in_the_midst/2]).
-export([privacy_check_packet/4]).

-include("mmx.hrl").

%% The fun makes a session of the account join.
-spec in_the_midst(mmx_client:client(), fun(() -> _)) -> ok.
in_the_midst(Session, Fun) ->
    Server = mmx_client:server(Session),
    Handler = [privacy_check_packet, mmx_server:host(Server), ?MODULE, privacy_check_packet, 99],
    ok = mmx_server:rpc(Server, ejabberd_hooks, add, Handler),
    Fun(),
    _ = mmx_client:closed(Session),
    ok = mmx_server:rpc(Server, ejabberd_hooks, delete, Handler).

%% ---- Within the server

-spec privacy_check_packet(Acc, ejabberd_c2s:state(), tuple(), in | out) -> Acc.
privacy_check_packet(Acc, #{user := User, server := Host}, Stanza, out) when element(1, Stanza) =:= presence ->
    case xmpp:has_subtag(Stanza, {muc, undefined, undefined}) of
        true -> removed(User, Host);
        false -> ok
    end,
    Acc;
privacy_check_packet(Acc, _, _, _) ->
    Acc.

removed(User, Host) ->
    {Pid, Monitor} = spawn_monitor(fun() -> ok = ejabberd_auth:remove_user(User, Host) end),
    receive {'DOWN', Monitor, process, Pid, normal} -> ok end.
