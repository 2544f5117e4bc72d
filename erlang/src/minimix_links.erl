%%% The links to other servers. Where one breaks, an account may have lost its place in a room, and
%%% what was on its way is lost.
-module(minimix_links).
-behaviour(gen_server).

-export([doubt/2, opened/3, closed/4]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-include("logger.hrl").

%% Domains whose link has not been closed; beyond that all are forgotten.
-define(MAX_DOMAINS, 10_000).

%% The last link that a domain has opened and not closed.
-type open() :: #{Domain :: binary() => pid()}.
-type state() :: {Host :: binary(), open()}.

%% @doc The link to a domain was broken, or is there again.
-spec doubt(Host :: binary(), Domain :: binary()) -> ok.
doubt(Host, Domain) ->
    gen_server:cast(name(Host), {doubt, Domain}).

%% @doc A domain has opened a link to this server.
-spec opened(Host :: binary(), Domain :: binary(), pid()) -> ok.
opened(Host, Domain, Link) ->
    gen_server:cast(name(Host), {opened, Domain, Link}).

%% @doc Domains have closed their link, or it broke.
-spec closed(Host :: binary(), Domains :: [binary()], pid(), Reason :: term()) -> ok.
closed(Host, Domains, Link, {stream, _}) ->
    gen_server:cast(name(Host), {closed, Domains, Link});
closed(_Host, _Domains, _Link, _Broken) ->
    ok.

name(Host) ->
    gen_mod:get_module_proc(Host, ?MODULE).

-spec init([binary() | gen_mod:opts()]) -> {ok, state()}.
init([Host, _Opts]) ->
    {ok, {Host, #{}}}.

-spec handle_call(term(), gen_server:from(), state()) -> {stop, {unexpected_call, term()}, state()}.
handle_call(Request, _From, State) ->
    {stop, {unexpected_call, Request}, State}.

-spec handle_cast({doubt, binary()} | {opened, binary(), pid()} | {closed, [binary()], pid()},
                  state()) -> {noreply, state()}.
handle_cast({doubt, Domain}, {Host, _} = State) ->
    safely(fun() -> minimix_door:doubt(minimix_state:find(Host), Domain) end),
    {noreply, State};
handle_cast({opened, Domain, Link}, {Host, Open}) ->
    %% The domain has lost the one before: what it sent into that has not arrived.
    _ = case Open of
            #{Domain := Before} when Before =/= Link ->
                safely(fun() -> minimix_door:gap(minimix_state:find(Host), Domain) end);
            #{} ->
                ok
        end,
    {noreply, {Host, remember(Domain, Link, Open)}};
handle_cast({closed, Domains, Link}, {Host, Open}) ->
    IsClosed = fun(Domain, Known) -> Known =:= Link andalso lists:member(Domain, Domains) end,
    {noreply, {Host, maps:filter(fun(Domain, Known) -> not IsClosed(Domain, Known) end, Open)}}.

remember(Domain, Link, Open) when map_size(Open) < ?MAX_DOMAINS ->
    Open#{Domain => Link};
remember(Domain, Link, _Open) ->
    #{Domain => Link}.

-spec handle_info(term(), state()) -> {noreply, state()}.
handle_info(_LateAnswer, State) ->
    {noreply, State}.

safely(Fun) ->
    try Fun()
    catch
        Class:Reason:Trace ->
            ?ERROR_MSG("mod_minimix failed on a broken link: ~ts",
                       [misc:format_exception(2, Class, Reason, Trace)])
    end.
