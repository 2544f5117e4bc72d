%%% Another version takes over while ejabberd runs.
%%%
%%% A library that is in use cannot be replaced, and what it knows goes with it. But where accounts are is
%%% stored, and which sessions were there their streams know. So the accounts ask their rooms anew, which
%%% see nobody leave, and the sessions are told that they are out.
%%%
%%% The hooks stay: while there is no library they drop what rooms say and refuse what sessions say.
-module(minimix_upgrade).

-export([run/0, unload/0]).

-include("logger.hrl").

%% Milliseconds in which everybody has come out of the old code.
-define(PATIENCE, 5_000).
-define(PAUSE, 20).

%% @doc The versions of the library, before and now.
-spec run() -> {ok, Before :: binary(), Now :: binary()} | {error, Reason :: string()}.
run() ->
    Hosts = [Host || Host <- ejabberd_option:hosts(), gen_mod:is_loaded(Host, mod_minimix)],
    Running = [Host || Host <- Hosts, minimix_state:find(Host) =/= undefined],
    case minimix_probe:library(minimix_nif:library()) of
        _ when Hosts =:= [] -> {error, "mod_minimix runs on no host"};
        {error, Reason} -> {error, "the new library does not load, so nothing has changed: " ++ Reason};
        ok -> prepared(Running, Hosts -- Running)
    end.

prepared(Running, Idle) ->
    case code:prepare_loading(changed() -- [minimix_nif]) of
        {ok, _} -> stored(Running, Idle);
        {error, Reasons} -> {error, lists:flatten(io_lib:format("modules do not load, so nothing has changed: ~0p", [Reasons]))}
    end.

stored(Running, Idle) ->
    try lists:foreach(fun minimix_store:flush/1, Running) of
        ok -> replace(Running, Idle)
    catch
        exit:{timeout, _} -> {error, "the database takes too long, so nothing has changed"}
    end.

replace(Running, Idle) ->
    Before = version(),
    Handlers = mod_minimix:handlers(),
    lists:foreach(fun minimix_commands:unregister/1, Running ++ Idle),
    lists:foreach(fun mod_minimix:stop_parts/1, Running),
    ok = load(),
    case minimix_nif:is_loaded() of
        true ->
            lists:foreach(fun(Host) -> take_over(Host, Handlers) end, Running),
            lists:foreach(fun(Host) -> mod_minimix:start(Host, opts(Host)) end, Idle),
            _ = ejabberd_config:reload(),
            ?INFO_MSG("mod_minimix ~ts runs, in place of ~ts", [version(), Before]),
            {ok, Before, version()};
        false ->
            lists:foreach(fun(Host) -> mod_minimix:give_up(Host, Handlers) end, Running),
            lists:foreach(fun minimix_commands:register/1, Running ++ Idle),
            {error, "the new library does not load: sessions join rooms as without the module"}
    end.

version() ->
    try minimix_nif:version()
    catch error:{nif_not_loaded, minimix_nif} -> <<"none">>
    end.

%% Another version may know other options, which ejabberd knows only when it has read its configuration
%% anew.
opts(Host) ->
    Defaults = maps:from_list(mod_minimix:mod_options(Host)),
    maps:merge(Defaults, gen_mod:get_module_opts(Host, mod_minimix)).

%%% Code

%% All that was replaced, and in any case the library.
load() ->
    lists:foreach(fun(Module) -> reload(Module) end, changed() -- [minimix_nif]),
    ok = remove(minimix_nif),
    {module, minimix_nif} = code:load_file(minimix_nif),
    ok.

changed() ->
    Folder = filename:dirname(code:which(?MODULE)),
    Files = filelib:wildcard(filename:join(Folder, "*.beam")),
    [Module || File <- Files, Module <- [list_to_atom(filename:basename(File, ".beam"))], is_changed(Module, File)].

%% What cannot be read has changed, too, and what was not yet needed is to be seen now.
is_changed(Module, File) ->
    code:is_loaded(Module) =:= false orelse beam_lib:md5(File) =/= {ok, {Module, Module:module_info(md5)}}.

is_in(Folder, File) when is_list(File) -> filename:dirname(File) =:= Folder;
is_in(_Folder, _NoFile) -> false.

reload(Module) ->
    ok = forget(Module),
    {module, Module} = code:load_file(Module).

%% Nobody stays there for long, and who does is in nothing that could go on.
forget(Module) ->
    forget(Module, ?PATIENCE).

forget(Module, Time) ->
    case Time > 0 andalso not code:soft_purge(Module) of
        true ->
            timer:sleep(?PAUSE),
            forget(Module, Time - ?PAUSE);
        false ->
            _ = code:purge(Module),
            ok
    end.

%% @doc Before ejabberd removes the files: nothing stays in memory, so that what is installed next is not
%% mixed with what was.
-spec unload() -> ok.
unload() ->
    Hosts = [Host || Host <- ejabberd_option:hosts(), gen_mod:is_loaded(Host, mod_minimix)],
    lists:foreach(fun(Host) -> gen_mod:stop_module(Host, mod_minimix) end, Hosts),
    Folder = filename:dirname(code:which(?MODULE)),
    All = [Module || {Module, File} <- code:all_loaded(), is_in(Folder, File)],
    %% ejabberd itself removes the module that it knows.
    lists:foreach(fun remove/1, All -- [?MODULE, mod_minimix]),
    true = code:delete(?MODULE),
    ok.

remove(Module) ->
    ok = forget(Module),
    _ = code:delete(Module),
    forget(Module).

%%% Hosts

take_over(Host, Handlers) ->
    Opts = opts(Host),
    ok = minimix_state:renew(Host, mod_minimix:config(Opts)),
    ok = mod_minimix:change_handlers(Host, Handlers),
    State = minimix_state:find(Host),
    true = minimix_state:set_serving(State, false),
    ok = mod_minimix:start_parts(Host, Opts),
    ok = minimix_commands:register(Host),
    lists:foreach(fun(Pid) -> Pid ! {minimix, stranded} end, minimix_state:watched(State)).
