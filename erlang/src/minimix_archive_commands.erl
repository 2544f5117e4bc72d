%%% mod_mam's commands that delete an archive, as long as part of it is ours.
-module(minimix_archive_commands).

-export([take_over/0, give_back/0]).
-export([remove_mam_for_user/2, remove_mam_for_user_with_peer/3]).

-include("ejabberd_commands.hrl").
-include_lib("xmpp/include/jid.hrl").

%% Milliseconds in which what waits to be written is.
-define(PATIENCE, 30_000).

-define(COMMANDS, [remove_mam_for_user, remove_mam_for_user_with_peer]).

%% @doc The commands delete groupchat, too.
-spec take_over() -> ok.
take_over() ->
    have(?MODULE).

%% @doc The commands are mod_mam's own.
-spec give_back() -> ok.
give_back() ->
    have(mod_mam).

%% Some of them may not be there: mod_mam has them while it runs on any host.
have(Module) ->
    Known = [Command || Name <- ?COMMANDS, Command <- known(Name)],
    Others = [Command || #ejabberd_commands{module = Current} = Command <- Known, Current =/= Module],
    ok = ejabberd_commands:unregister_commands(Others),
    ejabberd_commands:register_commands(mod_mam, [Command#ejabberd_commands{module = Module} || Command <- Others]).

known(Name) ->
    try [ejabberd_commands:get_command_definition(Name)]
    catch throw:{error, unknown_command} -> []
    end.

-spec remove_mam_for_user(binary(), binary()) -> {ok | error, binary()}.
remove_mam_for_user(User, Host) ->
    both(mod_mam:remove_mam_for_user(User, Host),
         fun(Account, Server) -> minimix_archive_sql:forget(Server, Account) end, User, Host).

-spec remove_mam_for_user_with_peer(binary(), binary(), binary()) -> {ok | error, binary()}.
remove_mam_for_user_with_peer(User, Host, Peer) ->
    both(mod_mam:remove_mam_for_user_with_peer(User, Host, Peer),
         fun(Account, Server) -> minimix_archive_sql:forget(Server, Account, jid:decode(Peer)) end, User, Host).

%% What waits to be written is older than the command.
both({ok, _} = Done, Delete, User, Host) ->
    #jid{lserver = Server} = Account = jid:make(User, Host),
    State = minimix_state:find(Server),
    case State =/= undefined andalso minimix_archive:is_on(State) of
        true -> deleted(minimix_archive:flush(Server, ?PATIENCE), Delete, Account, Server, Done);
        false -> Done
    end;
both({error, _} = Failed, _Delete, _User, _Host) ->
    Failed.

deleted(true, Delete, Account, Server, Done) ->
    case Delete(Account, Server) of
        ok -> Done;
        {error, _} -> {error, <<"Groupchat was not removed: the database returned an error">>}
    end;
deleted(false, _Delete, _Account, _Server, _Done) ->
    {error, <<"Groupchat was not removed: the database takes too long">>}.
