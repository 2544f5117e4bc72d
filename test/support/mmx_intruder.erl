%% Somebody else who changes bookmarks at a chosen moment: between the module's reading and its writing.
-module(mmx_intruder).

-export([between/3]).
-export([pubsub_tree_call/4, watch/3]).

-define(NODE, <<"urn:xmpp:bookmarks:1">>).

%% While the fun runs, this is called within the server when the account's node is looked up for the
%% second time: for the writing.
-spec between(mmx_client:client(), {module(), atom(), [term()]}, fun(() -> Result)) -> Result.
between(Client, Change, Fun) ->
    Server = mmx_client:server(Client),
    [User, Host] = binary:split(mmx_client:account(Client), <<"@">>),
    Handler = [pubsub_tree_call, Host, ?MODULE, pubsub_tree_call, 90],
    ok = mmx_server:rpc(Server, ?MODULE, watch, [User, Host, Change]),
    ok = mmx_server:rpc(Server, ejabberd_hooks, add, Handler),
    try Fun() after ok = mmx_server:rpc(Server, ejabberd_hooks, delete, Handler) end.

-spec watch(binary(), binary(), {module(), atom(), [term()]}) -> ok.
watch(User, Host, Change) ->
    Follower = whereis(binary_to_atom(<<"minimix_bookmarks_", Host/binary>>)),
    persistent_term:put(?MODULE, {{User, Host, <<>>}, counters:new(1, []), Follower, Change}).

-spec pubsub_tree_call(term(), module(), atom(), [term()]) -> term().
pubsub_tree_call(Result, _Tree, get_node, [Owner, ?NODE]) ->
    case persistent_term:get(?MODULE) of
        {Owner, Counter, Follower, Change} ->
            ok = counters:add(Counter, 1, 1),
            counters:get(Counter, 1) =:= 2 andalso change(Follower, Change),
            Result;
        _ ->
            Result
    end;
pubsub_tree_call(Result, _Tree, _Function, _Arguments) ->
    Result.

%% The only worker of a database must not wait for itself.
change(Follower, {Module, Function, Arguments}) when Follower =:= self() ->
    {Pid, Monitor} = spawn_monitor(Module, Function, Arguments),
    receive {'DOWN', Monitor, process, Pid, normal} -> true end;
change(_, {Module, Function, Arguments}) ->
    {result, _} = apply(Module, Function, Arguments),
    true.
