%%% The file of the library, which is loaded from a copy that nobody else knows: writing over a file that
%%% is mapped ends the server.
-module(minimix_library).

-export([is_whole/1, folders/1, copy/2, delete/1]).

%% @doc Whether it does not end before what its header promises: the linker would end the server. What
%% is no library at all does no harm.
-spec is_whole(File :: string()) -> boolean().
is_whole(File) ->
    case file:open(File ++ ".so", [read, raw, binary]) of
        {ok, Device} ->
            Header = file:read(Device, 64),
            {ok, Size} = file:position(Device, eof),
            ok = file:close(Device),
            Size >= promised(Header);
        {error, _} ->
            true
    end.

%% The table of sections is the last that a linker writes.
promised({ok, <<16#7f, "ELF", 2, 1, _:34/binary, Start:64/little, _:10/binary, Each:16/little, Count:16/little, _:16>>}) ->
    Start + Each * Count;
promised({ok, <<16#7f, "ELF", _/binary>>}) ->
    64;
promised(_) ->
    0.

%% @doc Where a copy may be possible: beside the file, else where ejabberd keeps its data.
-spec folders(File :: string()) -> [string()].
folders(File) ->
    [filename:dirname(File), mnesia:system_info(directory)].

%% @doc A copy in a folder. Names have no suffix, as the emulator adds it.
-spec copy(File :: string(), Folder :: string()) -> {ok, Copy :: string()} | error.
copy(File, Folder) ->
    Unique = os:getpid() ++ "-" ++ integer_to_list(erlang:unique_integer([positive])),
    Copy = lists:flatten([Folder, "/.", filename:basename(File), "-", Unique]),
    case file:copy(File ++ ".so", Copy ++ ".so") of
        {ok, _} ->
            {ok, Copy};
        {error, _} ->
            _ = delete(Copy),
            error
    end.

%% @doc What is loaded needs no name any more.
-spec delete(Copy :: string()) -> ok | {error, term()}.
delete(Copy) ->
    file:delete(Copy ++ ".so").
