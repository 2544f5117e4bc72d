%% Very many accounts that were in rooms without sessions when their server stopped.
-module(mmx_crowd).

-export([restore/5, paused/2, room/2]).
-export([restore_here/5]).

%% Accounts with these numbers come back to rooms of a service, so many in each.
-spec restore(mmx_server:server(), binary(), [binary()], pos_integer(), pos_integer()) -> ok.
restore(Server, Service, Names, Rooms, Since) ->
    mmx_server:rpc(Server, ?MODULE, restore_here, [mmx_server:host(Server), Service, Names, Rooms, Since]).

%% Runs in the server.
-spec restore_here(binary(), binary(), [binary()], pos_integer(), pos_integer()) -> ok.
restore_here(Host, Service, Names, Rooms, Since) ->
    State = minimix_state:find(Host),
    lists:foreach(fun(Name) -> restore_one(State, Host, Service, Name, Rooms, Since) end, Names).

restore_one(State, Host, Service, Name, Rooms, Since) ->
    Record = #{
        nick => Name, password => none, resource => none, cause => session, place => joining, autojoin => false,
        joined_at => Since, seen_at => 0, seen_id => none, detached_at => Since
    },
    ok = minimix_door:restore(State, jid:make(Name, Host), {room(Name, Rooms), Service, <<>>}, Record).

%% The name of the room that an account comes back to.
-spec room(binary(), pos_integer()) -> binary().
room(Name, Rooms) ->
    <<"room", (integer_to_binary(erlang:phash2(Name, Rooms)))/binary>>.

%% Whoever is to come back meanwhile stands in line, and nobody is served.
-spec paused(mmx_server:server(), fun((Queued :: fun(() -> non_neg_integer())) -> Result)) -> Result.
paused(Server, Fun) ->
    Name = binary_to_atom(<<"minimix_turns_", (mmx_server:host(Server))/binary>>),
    Pid = mmx_server:rpc(Server, erlang, whereis, [Name]),
    ok = mmx_server:rpc(Server, sys, suspend, [Pid]),
    Queued = fun() ->
        {message_queue_len, Length} = mmx_server:rpc(Server, erlang, process_info, [Pid, message_queue_len]),
        Length
    end,
    try Fun(Queued) after ok = mmx_server:rpc(Server, sys, resume, [Pid]) end.
