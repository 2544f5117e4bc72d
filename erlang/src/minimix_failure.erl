%%% What went wrong, in words for the log.
-module(minimix_failure).

-export([text/3]).

%% @doc Arguments are left out: a password of a room may be among them.
-spec text(error | exit | throw, term(), [tuple()]) -> string().
text(Class, Reason, Trace) ->
    misc:format_exception(2, Class, Reason, [without_arguments(Frame) || Frame <- Trace]).

without_arguments({Module, Function, Arguments, Location}) when is_list(Arguments) ->
    {Module, Function, length(Arguments), Location};
without_arguments(Frame) ->
    Frame.
