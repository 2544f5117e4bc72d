%%% Whether a library would load, without doing so.
-module(minimix_probe).

-export([library/1]).

%% A library is of the module that it names, which this one is not: only a good one gets so far.
-define(NOT_OURS, "does not match calling module").

%% @doc Whether the file, its name without the extension, is a library for this system.
-spec library(string()) -> ok | {error, Reason :: string()}.
library(Path) ->
    case minimix_library:is_whole(Path) of
        true -> refused(Path);
        false -> {error, "it is not complete"}
    end.

refused(Path) ->
    {error, {_, Reason}} = erlang:load_nif(Path, 0),
    case string:find(Reason, ?NOT_OURS) of
        nomatch -> {error, Reason};
        _ -> ok
    end.
