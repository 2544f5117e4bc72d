%%% The end of the module on a host: rooms confirm that the accounts are out, and sessions read that
%%% they are, while the hooks still keep what is said about it from everybody else.
-module(minimix_goodbye).

-export([await/2]).

-define(PAUSE, 20).

%% @doc Waits until everybody has taken notice, or until the milliseconds are over.
-spec await(minimix_state:state(), Time :: non_neg_integer()) -> ok.
await(State, Time) ->
    End = now_ms() + Time,
    ok = await_rooms(minimix_state:core(State), End),
    await_streams(minimix_state:watched(State), End).

await_rooms(Core, End) ->
    case minimix_nif:accounts(Core) =:= [] orelse now_ms() >= End of
        true ->
            ok;
        false ->
            timer:sleep(?PAUSE),
            await_rooms(Core, End)
    end.

%% A stream that answers has read everything before.
await_streams(Streams, End) ->
    Asked = [{Pid, erlang:monitor(process, Pid)} || Pid <- Streams],
    lists:foreach(fun({Pid, Ref}) -> Pid ! {minimix, are_you_through, self(), Ref} end, Asked),
    lists:foreach(fun({_, Ref}) -> await_stream(Ref, End) end, Asked).

await_stream(Ref, End) ->
    receive
        Ref -> ok;
        {'DOWN', Ref, process, _, _} -> ok
    after max(0, End - now_ms()) -> ok
    end,
    true = erlang:demonitor(Ref, [flush]),
    ok.

now_ms() ->
    erlang:monotonic_time(millisecond).
