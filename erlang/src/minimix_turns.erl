%%% Who comes back to a room waits for its turn, so that no service is flooded after a restart or a
%%% broken link. Accounts with sessions come first.
-module(minimix_turns).
-behaviour(gen_server).

-export([await/3, waiting/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-include("logger.hrl").
-include_lib("xmpp/include/jid.hrl").

%% Milliseconds between two looks at the queues.
-define(PACE, 50).
%% Milliseconds that a question may take, while very many come at once.
-define(PATIENCE, 30_000).

-type who() :: {jid:jid(), jid:ljid()}.
-type queue() :: queue:queue(who()).
%% Turns saved up, those with sessions, and the others. Who is no longer known to wait in a queue has
%% had its turn from the other one.
-record(service,
        {turns = 1.0 :: float(),
         first = queue:new() :: queue(),
         others = queue:new() :: queue(),
         known = #{} :: #{who() => first | others}}).
-type service() :: #service{}.
-type waiting() :: #{Domain :: binary() => pos_integer()}.
-type state() :: {Host :: binary(), #{Domain :: binary() => service()}}.

%% @doc Brings `turn' to an account in a room when the room's service may be asked.
-spec await(jid:jid(), jid:ljid(), IsUrgent :: boolean()) -> ok.
await(#jid{lserver = Host} = Account, Room, IsUrgent) ->
    gen_server:cast(gen_mod:get_module_proc(Host, ?MODULE), {await, Account, Room, IsUrgent}).

%% @doc How many wait for each service.
-spec waiting(binary()) -> waiting().
waiting(Host) ->
    gen_server:call(gen_mod:get_module_proc(Host, ?MODULE), waiting, ?PATIENCE).

-spec init([binary() | gen_mod:opts()]) -> {ok, state()}.
init([Host | _]) ->
    {ok, {Host, #{}}}.

-spec handle_call(waiting, gen_server:from(), state()) -> {reply, waiting(), state()}.
handle_call(waiting, _From, {_, Services} = State) ->
    Counts = maps:map(fun(_, #service{known = Known}) -> map_size(Known) end, Services),
    {reply, maps:filter(fun(_, Count) -> Count > 0 end, Counts), State}.

-spec handle_cast({await, jid:jid(), jid:ljid(), boolean()}, state()) -> {noreply, state()}.
handle_cast({await, Account, {_, Domain, _} = Room, IsUrgent}, {Host, Services}) ->
    Service = maps:get(Domain, Services, #service{}),
    Place = case IsUrgent orelse has_session(Account) of
                true -> first;
                false -> others
            end,
    ok = look_soon(Services),
    {noreply, {Host, Services#{Domain => line_up({Account, Room}, Place, Service)}}}.

line_up(Who, Place, #service{first = First, others = Others, known = Known} = Service) ->
    case Known of
        #{Who := Place} -> Service;
        #{Who := first} -> Service;
        _ when Place =:= first -> Service#service{first = queue:in(Who, First), known = Known#{Who => first}};
        _ -> Service#service{others = queue:in(Who, Others), known = Known#{Who => others}}
    end.

has_session(#jid{luser = U, lserver = S}) ->
    ejabberd_sm:get_user_resources(U, S) =/= [].

look_soon(Services) when map_size(Services) =:= 0 ->
    self() ! look,
    ok;
look_soon(_Services) ->
    ok.

-spec handle_info(look, state()) -> {noreply, state()}.
handle_info(look, {Host, Services}) ->
    Services1 = case is_started() of
                    true -> serve_all(Host, Services);
                    false -> Services
                end,
    map_size(Services1) > 0 andalso erlang:send_after(?PACE, self(), look),
    {noreply, {Host, Services1}}.

%% While ejabberd starts some rooms are not there yet.
is_started() ->
    lists:keymember(ejabberd, 1, application:which_applications()).

serve_all(Host, Services) ->
    State = minimix_state:find(Host),
    More = gen_mod:get_module_opt(Host, mod_minimix, rejoin_rate) * ?PACE / 1_000,
    maps:filtermap(fun(_Domain, Service) -> serve(State, More, Service) end, Services).

serve(State, More, #service{turns = Turns} = Service) ->
    case give(State, Service#service{turns = Turns + More}) of
        %% Nobody waits, and the next one need not wait either: there is nothing to remember.
        #service{turns = Left, known = Known} when map_size(Known) =:= 0, Left >= 1 -> false;
        #service{turns = Left} = Served -> {true, Served#service{turns = min(Left, max(1.0, More))}}
    end.

give(State, #service{turns = Turns, first = First, others = Others} = Service) when Turns >= 1 ->
    case {queue:out(First), queue:out(Others)} of
        {{{value, Who}, Rest}, _} -> give(State, give_to(State, Who, first, Service#service{first = Rest}));
        {{empty, _}, {{value, Who}, Rest}} -> give(State, give_to(State, Who, others, Service#service{others = Rest}));
        {{empty, _}, {empty, _}} -> Service
    end;
give(_State, Service) ->
    Service.

give_to(State, {Account, Room} = Who, Place, #service{turns = Turns, known = Known} = Service) ->
    case Known of
        #{Who := Place} ->
            ok = turn(State, Account, Room),
            Service#service{turns = Turns - 1, known = maps:remove(Who, Known)};
        #{} ->
            Service
    end.

turn(State, Account, Room) ->
    try minimix_door:turn(State, Account, Room)
    catch
        Class:Reason:Trace ->
            ?ERROR_MSG("mod_minimix failed on a turn: ~ts",
                       [minimix_failure:text(Class, Reason, Trace)])
    end.
