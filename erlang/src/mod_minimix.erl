%%% An account joins each room once, and all its sessions take part in it (XEP-0045).
%%%
%%% This is the module that ejabberd loads: options, hooks, start and stop.
-module(mod_minimix).
-behaviour(gen_mod).

-export([start/2, stop/1, reload/3, depends/2, mod_opt_type/1, mod_options/1, mod_doc/0]).
-export([serves/2]).

-include("logger.hrl").
-include("translate.hrl").
-include_lib("xmpp/include/jid.hrl").

-spec start(binary(), gen_mod:opts()) -> {ok, [gen_mod:registration()]}.
start(Host, Opts) ->
    case minimix_nif:is_loaded() of
        true ->
            {ok, _} = gen_mod:start_child(minimix_state, Host, config(Opts)),
            {ok, _} = gen_mod:start_child(minimix_host, Host, Opts),
            {ok, hooks()};
        false ->
            ?ERROR_MSG("mod_minimix does nothing on ~ts, as its library did not load: "
                       "accounts join rooms as without it", [Host]),
            {ok, []}
    end.

hooks() ->
    [%% After all that wants to see the session's own address: mod_carboncopy at 89 tells by it
     %% who has a message already, mod_mam at 500 is the last.
     {hook, user_send_packet, minimix_hooks, user_send_packet, 600},
     %% Before mod_block_strangers at 25 answers the sender of what is not for this session.
     {hook, user_receive_packet, minimix_hooks, user_receive_packet, 15},
     %% After mod_mam at 50 has given messages the id that it stores them with.
     {hook, sm_receive_packet, minimix_hooks, sm_receive_packet, 75},
     %% Before ejabberd_c2s at 100 takes what it does not know for a mistake.
     {hook, c2s_handle_info, minimix_hooks, c2s_handle_info, 45},
     %% Before ejabberd_c2s tells the members of `pres_a', which follows this hook.
     {hook, c2s_self_presence, minimix_hooks, c2s_self_presence, 60},
     %% Before mod_stream_mgmt at 50 ends the hook for a stream that was resumed.
     {hook, c2s_terminated, minimix_hooks, c2s_terminated, 40},
     {hook, c2s_copy_session, minimix_hooks, c2s_copy_session, 50},
     %% Before mod_muc at 50 takes the account out of the rooms by itself.
     {hook, remove_user, minimix_hooks, remove_user, 45}].

-spec stop(binary()) -> ok.
stop(Host) ->
    case minimix_state:find(Host) of
        undefined ->
            ok;
        State ->
            true = minimix_state:set_serving(State, false),
            ok = minimix_door:stop_all(State),
            _ = gen_mod:stop_child(minimix_host, Host),
            _ = gen_mod:stop_child(minimix_state, Host),
            ok
    end.

%% Rooms stay joined: only what is decided from now on differs.
-spec reload(binary(), gen_mod:opts(), gen_mod:opts()) -> ok.
reload(Host, NewOpts, _OldOpts) ->
    case minimix_state:find(Host) of
        undefined -> ok;
        State -> minimix_nif:configure(minimix_state:core(State), config(NewOpts))
    end.

-spec depends(binary(), gen_mod:opts()) -> [].
depends(_Host, _Opts) ->
    [].

%% @doc Whether the account is to join this room through the module.
-spec serves(jid:jid(), jid:jid()) -> boolean().
serves(#jid{lserver = Host} = Jid, Room) ->
    Access = gen_mod:get_module_opt(Host, ?MODULE, access),
    Excluded = gen_mod:get_module_opt(Host, ?MODULE, exclude),
    Account = jid:remove_resource(Jid),
    acl:match_rule(Host, Access, Account) =:= allow
        andalso not lists:any(fun(Glob) -> is_excluded(Room, Glob) end, Excluded)
        andalso not is_subscriber(Account, Room).

%% A MUC/Sub subscriber who is an occupant gets no events any more: it stays as it is.
is_subscriber(Account, #jid{luser = U, lserver = S}) ->
    case is_local_service(S) andalso mod_muc:find_online_room(U, S) of
        {ok, Pid} -> mod_muc_room:is_subscribed(Pid, Account) =/= false;
        _ -> false
    end.

is_local_service(Service) ->
    ejabberd_router:is_my_route(Service)
        andalso gen_mod:is_loaded(ejabberd_router:host_of_route(Service), mod_muc).

is_excluded(#jid{luser = U, lserver = S}, Glob) ->
    Text = case binary:match(Glob, <<"@">>) of
               nomatch -> S;
               _ -> <<U/binary, $@, S/binary>>
           end,
    re:run(Text, ejabberd_regexp:sh_to_awk(Glob), [{capture, none}]) =:= match.

%% The options that the core decides by.
config(Opts) ->
    Decisive = [nick, leave, offline_presence, offline_delay, history_size, join_timeout,
                max_rooms, max_occupants],
    (maps:with(Decisive, Opts))#{'__struct__' => 'Config'}.

-spec mod_opt_type(atom()) -> econf:validator().
mod_opt_type(access) -> econf:acl();
mod_opt_type(exclude) -> econf:list(econf:binary("^[^/]+$"), [unique]);
mod_opt_type(nick) -> econf:enum([assign, change]);
mod_opt_type(leave) -> econf:enum([auto, last_session, never]);
mod_opt_type(offline_presence) -> econf:enum([xa, away, keep]);
mod_opt_type(offline_delay) -> econf:timeout(second);
mod_opt_type(history_size) -> econf:int(0, 1_000);
mod_opt_type(join_timeout) -> econf:timeout(second);
mod_opt_type(max_rooms) -> econf:pos_int();
mod_opt_type(max_occupants) -> econf:pos_int().

-spec mod_options(binary()) -> [{atom(), term()}].
mod_options(_Host) ->
    [{access, all},
     {exclude, []},
     {nick, assign},
     {leave, auto},
     {offline_presence, xa},
     {offline_delay, timer:minutes(5)},
     {history_size, 50},
     {join_timeout, timer:seconds(60)},
     {max_rooms, 200},
     {max_occupants, 5_000}].

-spec mod_doc() -> #{desc := [binary()], opts := [minimix_doc:option(), ...], example := [string()]}.
mod_doc() ->
    #{desc => [?T("Makes an account join each chat room once, on its own server, while every "
                  "client believes it joins by itself."),
               ?T("Clients and rooms, local or remote, need no change.")],
      opts => minimix_doc:options(),
      example => ["modules:", "  mod_minimix: {}"]}.
