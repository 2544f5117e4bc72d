%%% Wakes the devices that have no session (XEP-0357), by mod_push.
%%%
%%% mod_push asks a database which devices there are, for which a room's process does not wait.
-module(minimix_push).
-behaviour(gen_server).

-export([push/2]).
-export([init/1, handle_call/3, handle_cast/2, format_status/1]).

-include("logger.hrl").
-include_lib("xmpp/include/xmpp.hrl").

%% Messages that wait at most: whoever is woken for the first ones is awake.
-define(MAX_WAITING, 10_000).

%% @doc Wakes the account's devices for a message, but for those that have a session.
-spec push(jid:jid(), message()) -> ok.
push(#jid{lserver = Host} = Account, Message) ->
    case whereis(gen_mod:get_module_proc(Host, ?MODULE)) of
        undefined -> ok;
        Pid -> push(Pid, process_info(Pid, message_queue_len), Account, Message)
    end.

push(Pid, {message_queue_len, Waiting}, Account, Message) when Waiting < ?MAX_WAITING ->
    gen_server:cast(Pid, {push, Account, Message});
push(_Pid, _TooManyOrGone, _Account, _Message) ->
    ok.

-spec init([binary() | gen_mod:opts()]) -> {ok, binary()}.
init([Host, _Opts]) ->
    {ok, Host}.

-spec handle_call(term(), gen_server:from(), binary()) -> {stop, {unexpected_call, term()}, binary()}.
handle_call(Request, _From, Host) ->
    {stop, {unexpected_call, Request}, Host}.

-spec handle_cast({push, jid:jid(), message()}, binary()) -> {noreply, binary()}.
handle_cast({push, Account, Message}, Host) ->
    try gen_mod:is_loaded(Host, mod_push) andalso notify(Account, Message) of
        _ -> {noreply, Host}
    catch
        Class:Reason:Trace ->
            ?ERROR_MSG("mod_minimix failed to wake devices: ~ts", [minimix_failure:text(Class, Reason, Trace)]),
            {noreply, Host}
    end.

%% As if the message were put into an archive. The last argument came with ejabberd 26.03.
notify(#jid{luser = U, lserver = S}, #message{from = From} = Message) ->
    Arguments = [Message, U, S, From, <<>>, chat, recv],
    case erlang:function_exported(mod_push, mam_message, 8) of
        true -> apply(mod_push, mam_message, Arguments ++ [false]);
        false -> apply(mod_push, mam_message, Arguments)
    end.

%% @doc What people say is not for logs.
-spec format_status(gen_server:format_status()) -> gen_server:format_status().
format_status(Status) ->
    maps:map(fun(message, _) -> hidden;
                (_, Other) -> Other
             end, Status).
