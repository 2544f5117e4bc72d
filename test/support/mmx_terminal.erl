%% A program on a screen that no one sees: tmux in its control mode, which tells when something is written.
-module(mmx_terminal).
-behaviour(gen_server).

-export([start/3, stop/1, type/2, until/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-type terminal() :: pid().
-type screen() :: [Row :: binary()].
-type condition() :: fun((screen()) -> boolean()).
-export_type([terminal/0, screen/0, condition/0]).

-record(state, {
    port :: port(),
    %% What tmux was asked, in order, and what of the first answer has come.
    asked = [started] :: [started | typed | look],
    answer = none :: none | [binary()],
    waiter = none :: none | {gen_server:from(), condition(), reference()},
    screen = [] :: screen(),
    stopping = none :: none | gen_server:from()
}).

-define(PATIENCE, 30_000).
-define(SETTINGS, <<
    "set -g default-size 160x48\n"
    "set -g status off\n"
    %% It lives no longer than the process that started it.
    "set -g destroy-unattached on\n"
>>).

%% The folder is for what belongs to this terminal.
-spec start(file:filename(), [{string(), string()}], [string(), ...]) -> terminal().
start(Folder, Env, Command) ->
    {ok, Terminal} = gen_server:start(?MODULE, {self(), Folder, Env, Command}, []),
    Terminal.

-spec stop(terminal()) -> ok.
stop(Terminal) ->
    ok = gen_server:call(Terminal, stop, ?PATIENCE),
    gen_server:stop(Terminal).

%% Types a line and presses Enter.
-spec type(terminal(), iodata()) -> ok.
type(Terminal, Line) ->
    gen_server:call(Terminal, {type, Line}).

%% Returns when the screen is like this.
-spec until(terminal(), condition()) -> ok.
until(Terminal, Condition) ->
    case gen_server:call(Terminal, {until, Condition}, infinity) of
        ok -> ok;
        {nothing_in_time, Screen} -> error({nothing_in_time, iolist_to_binary(lists:join($\n, Screen))})
    end.

-spec init({pid(), file:filename(), [{string(), string()}], [string()]}) -> {ok, #state{}}.
init({Owner, Folder, Env, Command}) ->
    _ = monitor(process, Owner),
    Settings = filename:join(Folder, "tmux.conf"),
    ok = filelib:ensure_dir(Settings),
    ok = file:write_file(Settings, ?SETTINGS),
    %% The name of a socket cannot be as long as a path of Common Test.
    Socket = "mmx-" ++ os:getpid() ++ "-" ++ integer_to_list(erlang:unique_integer([positive])),
    Args = ["-L", Socket, "-f", Settings, "-C", "new-session" | Command],
    Options = [{args, Args}, {env, [{"TERM", "screen"}, {"LC_ALL", "C.UTF-8"}, {"TMUX", false} | Env]}],
    Port = open_port({spawn_executable, os:find_executable("tmux")}, [{line, 1_000_000}, binary, exit_status | Options]),
    {ok, #state{port = Port}}.

-spec handle_call(term(), gen_server:from(), #state{}) -> {reply, term(), #state{}} | {noreply, #state{}}.
handle_call({type, Line}, _From, State) ->
    Keys = [io_lib:format(" ~2.16.0b", [Byte]) || <<Byte>> <= iolist_to_binary([Line, $\r])],
    {reply, ok, ask(typed, ["send-keys -H", Keys], State)};
handle_call({until, Condition}, From, #state{waiter = none} = State) ->
    Timer = erlang:start_timer(?PATIENCE, self(), patience),
    {noreply, look(State#state{waiter = {From, Condition, Timer}})};
handle_call(stop, From, State) ->
    {noreply, ask(typed, "kill-server", State#state{stopping = From})}.

-spec handle_cast(term(), #state{}) -> {noreply, #state{}}.
handle_cast(_, State) ->
    {noreply, State}.

-spec handle_info(term(), #state{}) -> {noreply, #state{}} | {stop, normal, #state{}}.
handle_info({Port, {data, {eol, Line}}}, #state{port = Port} = State) ->
    {noreply, told(Line, State)};
handle_info({Port, {exit_status, _}}, #state{port = Port, stopping = none} = State) ->
    {noreply, State};
handle_info({Port, {exit_status, _}}, #state{port = Port, stopping = From} = State) ->
    gen_server:reply(From, ok),
    {noreply, State};
handle_info({timeout, Timer, patience}, #state{waiter = {From, _, Timer}} = State) ->
    gen_server:reply(From, {nothing_in_time, State#state.screen}),
    {noreply, State#state{waiter = none}};
handle_info({'DOWN', _, process, _, _}, State) ->
    {stop, normal, State};
handle_info(_, State) ->
    {noreply, State}.

told(<<"%begin ", _/binary>>, #state{answer = none} = State) ->
    State#state{answer = []};
told(<<"%end ", _/binary>>, #state{asked = [What | Asked], answer = Answer} = State) ->
    answered(What, lists:reverse(Answer), State#state{asked = Asked, answer = none});
told(<<"%error ", _/binary>>, #state{answer = Answer}) ->
    error({tmux, Answer});
told(Line, #state{answer = Answer} = State) when is_list(Answer) ->
    State#state{answer = [Line | Answer]};
told(<<"%output ", _/binary>>, State) ->
    look(State);
told(_, State) ->
    State.

answered(look, Screen, #state{waiter = {From, Condition, Timer}} = State) ->
    case Condition(Screen) of
        true ->
            _ = erlang:cancel_timer(Timer),
            gen_server:reply(From, ok),
            State#state{waiter = none, screen = Screen};
        false ->
            State#state{screen = Screen}
    end;
answered(_, _, State) ->
    State.

%% A look that was asked for and is not yet answered sees what is written now.
look(#state{waiter = none} = State) ->
    State;
look(#state{asked = Asked} = State) ->
    case lists:member(look, Asked) andalso State#state.answer =:= none of
        true -> State;
        false -> ask(look, "capture-pane -p", State)
    end.

ask(What, Command, #state{port = Port, asked = Asked} = State) ->
    true = port_command(Port, [Command, $\n]),
    State#state{asked = Asked ++ [What]}.
