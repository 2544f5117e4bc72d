%%% An account joins each room once, and all its sessions take part in it (XEP-0045).
%%%
%%% This is the module that ejabberd loads: options, hooks, start and stop.
-module(mod_minimix).
-behaviour(gen_mod).

-export([start/2, stop/1, reload/3, depends/2, mod_opt_type/1, mod_options/1, mod_doc/0]).
-export([config/1, start_parts/2, stop_parts/1, handlers/0, change_handlers/2, give_up/2]).
-export([serves/2, admits/1, excludes/2, follows_bookmarks/1, config_reloaded/0, ejabberd_stopping/0, pre_uninstall/0]).

-include("logger.hrl").
-include("translate.hrl").
-include_lib("xmpp/include/jid.hrl").

%% Milliseconds that rooms and sessions have to take notice of the end.
-define(GOODBYE, 2_000).
%% What a timer can count, and more than anybody waits.
-define(MAX_TIME, 7 * 24 * 60 * 60 * 1_000).
%% Ten years.
-define(MAX_TTL, 10 * 366 * 24 * 60 * 60 * 1_000).

%% ejabberd reads access rules anew at 20 and reloads modules at 60.
-define(AFTER_MODULES, 70).

%% What a backend does, in a process that may wait for it. What goes wrong is told in words, and
%% without a record in them.
-callback init(Host :: binary()) -> ok | {error, string()}.
-callback load(Host :: binary()) -> {ok, [minimix_store:stored()]} | {error, string()}.
%% Deletes where there is no record. `durable' returns when this and all that was written before it
%% is on the disk.
-callback write(Host :: binary(), [minimix_store:change()], durable | lazy) -> ok | {error, string()}.

-define(SERVER_STOPS, {?MODULE, server_stops}).

-spec start(binary(), gen_mod:opts()) -> ok | {error, string()}.
start(Host, Opts) ->
    case {minimix_archive:refusal(Host, Opts), minimix_nif:is_loaded()} of
        {none, true} ->
            {ok, _} = gen_mod:start_child(minimix_state, Host, config(Opts)),
            minimix_guard:start(),
            ok = change(fun ejabberd_hooks:add/5, Host, handlers()),
            %% They bring accounts back, and rooms may answer at once.
            ok = start_parts(Host, Opts),
            _ = persistent_term:erase(?SERVER_STOPS),
            ejabberd_hooks:add(ejabberd_stopping, ?MODULE, ejabberd_stopping, 50),
            ejabberd_hooks:add(config_reloaded, ?MODULE, config_reloaded, ?AFTER_MODULES),
            minimix_commands:register(Host);
        {none, false} ->
            ?ERROR_MSG("mod_minimix does nothing on ~ts, as its library did not load: "
                       "accounts join rooms as without it", [Host]),
            minimix_commands:register(Host);
        {Refusal, _} ->
            {error, Refusal}
    end.

%% What runs beside the core, each after what it calls.
-define(PARTS, [minimix_archive, minimix_push, minimix_store, minimix_turns, minimix_links, minimix_host, minimix_bookmarks]).

%% @doc Starts what runs beside the core.
-spec start_parts(binary(), gen_mod:opts()) -> ok.
start_parts(Host, Opts) ->
    ok = lists:foreach(fun(Part) -> {ok, _} = gen_mod:start_child(Part, Host, Opts) end, ?PARTS),
    use_archive(Host, Opts).

%% What the archive needs may go while the module runs.
use_archive(Host, Opts) ->
    case minimix_archive:use(Host, Opts) of
        ok -> ok;
        {error, Reason} -> ?ERROR_MSG("~ts. It is 'false' until that changes", [Reason])
    end,
    have_commands().

%% mod_mam's commands are for all hosts.
have_commands() ->
    case lists:any(fun minimix_archive:is_on/1, states()) of
        true -> minimix_archive_commands:take_over();
        false -> minimix_archive_commands:give_back()
    end.

-spec stop_parts(binary()) -> ok.
stop_parts(Host) ->
    lists:foreach(fun(Part) -> gen_mod:stop_child(Part, Host) end, lists:reverse(?PARTS)).

%% @doc Each hook with its handler. They outlast what a module returns on its start: on stopping there is
%% still something to hear.
-spec handlers() -> [{Hook :: atom(), module(), Priority :: integer()}].
handlers() ->
    [{Hook, minimix_hooks, Priority} || {Hook, Priority} <- hooks()]
        %% After whoever wants to change it.
        ++ [{multicast_route, minimix_broadcast, 75}]
        ++ [{Hook, minimix_push_hooks, Priority} || {Hook, Priority} <- push_hooks()]
        ++ [{Hook, minimix_archive_hooks, Priority} || {Hook, Priority} <- archive_hooks()]
        ++ [{Hook, minimix_bookmark_hooks, Priority} || {Hook, Priority} <- bookmark_hooks()].

%% @doc The handlers of this version in place of those of another one.
-spec change_handlers(binary(), [{atom(), module(), integer()}]) -> ok.
change_handlers(Host, Before) ->
    ok = change(fun ejabberd_hooks:add/5, Host, handlers() -- Before),
    change(fun ejabberd_hooks:delete/5, Host, Before -- handlers()).

change(Fun, Host, Handlers) ->
    lists:foreach(fun({Hook, Module, Priority}) -> Fun(Hook, Host, Module, Hook, Priority) end, Handlers).

hooks() ->
    [%% After all that wants to see the session's own address: mod_carboncopy at 89 tells by it
     %% who has a message already, mod_mam at 500 is the last.
     {user_send_packet, 600},
     %% Before mod_block_strangers at 25 answers the sender of what is not for this session.
     {user_receive_packet, 15},
     %% After mod_mam at 50 has given messages the id that it stores them with.
     {sm_receive_packet, 75},
     %% Before ejabberd_c2s at 100 takes what it does not know for a mistake.
     {c2s_handle_info, 45},
     %% Before ejabberd_c2s tells the members of `pres_a', which follows this hook.
     {c2s_self_presence, 60},
     %% Before mod_stream_mgmt at 50 ends the hook for a stream that was resumed.
     {c2s_terminated, 40},
     %% Before mod_stream_mgmt at 50 gives the state away.
     {c2s_handle_call, 45},
     {c2s_copy_session, 50},
     %% Before mod_muc at 50 takes the account out of the rooms by itself.
     {remove_user, 45},
     {register_user, 50},
     %% The states are those of ejabberd_s2s_out, which changes them at 100.
     {s2s_out_closed, 50},
     {s2s_out_auth_result, 50},
     {s2s_in_auth_result, 50},
     {s2s_in_closed, 50}].

archive_hooks() ->
    [{user_send_packet, 600},
     %% After mod_mam at 50.
     {disco_sm_features, 60},
     {remove_user, 51},
     {register_user, 51}].

%% On both sides of mod_push and mod_push_keepalive at 50.
push_hooks() ->
    [{c2s_session_pending, 49},
     {c2s_session_pending, 51},
     {c2s_handle_send, 49},
     {c2s_handle_send, 51}].

bookmark_hooks() ->
    [%% Before mod_private at 50, which publishes on in the legacy storages.
     {pubsub_publish_item, 45},
     {pubsub_delete_item, 45},
     {pubsub_delete_node, 45},
     {user_send_packet, 600},
     {c2s_handle_info, 45},
     {c2s_self_presence, 61}].

-spec stop(binary()) -> ok.
stop(Host) ->
    case code:is_loaded(minimix_state) of
        {file, _} -> stop_loaded(Host);
        %% Nothing is loaded again of what is about to be removed.
        false -> ok
    end.

stop_loaded(Host) ->
    ok = minimix_commands:unregister(Host),
    case minimix_state:find(Host) of
        undefined ->
            ok;
        State ->
            true = minimix_state:set_serving(State, false),
            ok = say_goodbye(State),
            ok = stop_parts(Host),
            give_up(Host, handlers())
    end.

%% @doc From now on sessions join rooms as without the module.
-spec give_up(binary(), [{atom(), module(), integer()}]) -> ok.
give_up(Host, Handlers) ->
    ok = change(fun ejabberd_hooks:delete/5, Host, Handlers),
    _ = gen_mod:stop_child(minimix_state, Host),
    ok = have_commands(),
    minimix_guard:stop().

%% When the whole server stops nobody is told: the accounts will be back, and rooms elsewhere need not
%% see that they were away.
say_goodbye(State) ->
    case persistent_term:get(?SERVER_STOPS, false) of
        true ->
            ok;
        false ->
            ok = minimix_door:stop_all(State),
            minimix_goodbye:await(State, ?GOODBYE)
    end.

%% @doc The server stops, not only this module.
-spec ejabberd_stopping() -> ok.
ejabberd_stopping() ->
    persistent_term:put(?SERVER_STOPS, true).

%% @doc What `ejabberdctl module_uninstall' and `module_upgrade' call first.
-spec pre_uninstall() -> ok.
pre_uninstall() ->
    ok = ejabberd_hooks:delete(ejabberd_stopping, ?MODULE, ejabberd_stopping, 50),
    ok = ejabberd_hooks:delete(config_reloaded, ?MODULE, config_reloaded, ?AFTER_MODULES),
    minimix_upgrade:unload().

%% Rooms stay joined, but by accounts that are no longer to join them through the module. Who joined
%% without it goes on so until it leaves.
-spec reload(binary(), gen_mod:opts(), gen_mod:opts()) -> ok.
reload(Host, NewOpts, OldOpts) ->
    case minimix_state:find(Host) of
        undefined ->
            ok;
        State ->
            ok = minimix_nif:configure(minimix_state:core(State), config(NewOpts)),
            ok = minimix_store:use(Host, NewOpts),
            ok = use_archive(Host, NewOpts),
            ok = minimix_door:let_go_unserved(State),
            case maps:get(bookmarks, NewOpts) of
                true -> follow_where_new(Host, NewOpts, OldOpts);
                false -> minimix_door:forget_bookmarks(State)
            end
    end.

%% Bookmarks of rooms or accounts that were not served say what is to be done now.
follow_where_new(Host, NewOpts, OldOpts) ->
    Decisive = [bookmarks, access, exclude],
    case maps:with(Decisive, NewOpts) =:= maps:with(Decisive, OldOpts) of
        true -> ok;
        false -> minimix_bookmarks:reconcile_all(Host)
    end.

%% @doc What an access rule says may have changed, which no option tells.
-spec config_reloaded() -> ok.
config_reloaded() ->
    Hosts = [Host || Host <- ejabberd_option:hosts(), minimix_state:find(Host) =/= undefined],
    lists:foreach(fun(Host) -> use_archive(Host, gen_mod:get_module_opts(Host, ?MODULE)) end, Hosts),
    lists:foreach(fun minimix_door:let_go_unserved/1, states()).

states() ->
    [State || Host <- ejabberd_option:hosts(), State <- [minimix_state:find(Host)], State =/= undefined].

-spec depends(binary(), gen_mod:opts()) -> [{module(), hard}].
depends(_Host, #{archive := true}) ->
    [{mod_mam, hard}];
depends(_Host, #{archive := false}) ->
    [].

%% @doc Whether the account is to join this room through the module.
-spec serves(jid:jid(), jid:jid()) -> boolean().
serves(#jid{lserver = Host} = Jid, Room) ->
    admits(Jid) andalso not excludes(Host, Room).

%% @doc Whether the option `access' does not stand against it.
-spec admits(jid:jid()) -> boolean().
admits(#jid{lserver = Host} = Jid) ->
    Access = gen_mod:get_module_opt(Host, ?MODULE, access),
    acl:match_rule(Host, Access, jid:remove_resource(Jid)) =:= allow.

%% @doc Whether the option `exclude' stands against it.
-spec excludes(Host :: binary(), Room :: jid:jid()) -> boolean().
excludes(Host, Room) ->
    Exclude = gen_mod:get_module_opt(Host, ?MODULE, exclude),
    lists:any(fun(Excluded) -> is_excluded(Room, Excluded) end, Exclude).

%% @doc Whether the option `bookmarks' does not stand against it.
-spec follows_bookmarks(jid:jid()) -> boolean().
follows_bookmarks(#jid{lserver = Host}) ->
    gen_mod:get_module_opt(Host, ?MODULE, bookmarks).

is_excluded(#jid{lserver = S}, {service, Pattern}) ->
    matches(S, Pattern);
is_excluded(#jid{luser = U, lserver = S}, {room, Pattern}) ->
    matches(<<U/binary, $@, S/binary>>, Pattern).

matches(Address, Pattern) ->
    re:run(Address, Pattern, [{capture, none}]) =:= match.

%% @doc The options that the core decides by.
-spec config(gen_mod:opts()) -> minimix_nif:config().
config(Opts) ->
    Decisive = [nick, occupant_address, leave, offline_presence, offline_delay, detached_ttl, ping_interval,
                history_size, archive, push, join_timeout, max_rooms, max_occupants],
    (maps:with(Decisive, Opts))#{'__struct__' => 'Config'}.

-spec mod_opt_type(atom()) -> econf:validator().
mod_opt_type(access) -> econf:acl();
mod_opt_type(exclude) -> econf:list(econf:and_then(econf:binary("^[^/]+$"), fun excluded/1));
mod_opt_type(nick) -> econf:enum([assign, change]);
mod_opt_type(occupant_address) -> econf:enum([bare, resource]);
mod_opt_type(leave) -> econf:enum([auto, last_session, never]);
mod_opt_type(bookmarks) -> econf:bool();
mod_opt_type(offline_presence) -> econf:enum([xa, away, keep]);
mod_opt_type(offline_delay) -> duration();
mod_opt_type(detached_ttl) -> duration(?MAX_TTL);
mod_opt_type(ping_interval) -> duration();
mod_opt_type(rejoin_rate) -> econf:pos_int();
mod_opt_type(history_size) -> econf:int(0, 1_000);
mod_opt_type(archive) -> econf:bool();
mod_opt_type(push) -> econf:enum([none, mentions, all]);
mod_opt_type(join_timeout) -> duration();
mod_opt_type(max_rooms) -> econf:pos_int();
mod_opt_type(max_occupants) -> econf:pos_int();
mod_opt_type(db_type) -> econf:db_type(?MODULE).

duration() ->
    duration(?MAX_TIME).

duration(Max) ->
    econf:and_then(econf:timeout(second), econf:int(1_000, Max)).

%% Addresses arrive prepared, so that patterns are, too.
excluded(Glob) ->
    Pattern = (econf:glob())(string:lowercase(Glob)),
    case binary:match(Glob, <<"@">>) of
        nomatch -> {service, Pattern};
        _ -> {room, Pattern}
    end.

-spec mod_options(binary()) -> [{atom(), term()}].
mod_options(Host) ->
    [{access, all},
     {exclude, []},
     {nick, assign},
     {occupant_address, bare},
     {leave, auto},
     {bookmarks, true},
     {offline_presence, xa},
     {offline_delay, timer:minutes(5)},
     {detached_ttl, timer:hours(30 * 24)},
     {ping_interval, timer:minutes(15)},
     {rejoin_rate, 50},
     {history_size, 50},
     {archive, false},
     {push, mentions},
     {join_timeout, timer:seconds(60)},
     {max_rooms, 200},
     {max_occupants, 5_000},
     {db_type, ejabberd_config:default_db(Host, ?MODULE)}].

-spec mod_doc() -> #{desc := [binary()], opts := [minimix_doc:option(), ...], example := [string()]}.
mod_doc() ->
    #{desc => [?T("Makes an account join each chat room once, on its own server, while every "
                  "client believes it joins by itself."),
               ?T("Clients and rooms, local or remote, need no change.")],
      opts => minimix_doc:options(),
      example => ["modules:", "  mod_minimix: {}"]}.
