%% People who talk in a room while things break: a plan that a seed gives, and what comes of it.
-module(mmx_chaos).

-export([plan/4, start/1, run/2, logs/1, people/1, sessions/1, sure/1, witness/1, said/1]).

-include("mmx.hrl").

-type device() :: {Person :: string(), Resource :: string()}.
-type step() :: {atom(), term()} | atom().
-type world() :: #{
    holder := mmx_holder:holder(),
    prosody := mmx_prosody:prosody() | none,
    room := binary(),
    %% Whoever is in the room all the time, as without the module, and what it sets there first.
    witness := {binary(), mmx_client:options()},
    configuration := #{binary() => binary()},
    people := #{string() => binary()}
}.
-type chaos() :: #{atom() => term()}.
-export_type([device/0, world/0, chaos/0]).

%% How long it may take until all is well again, in milliseconds.
-define(PATIENCE, 120_000).
%% The sessions of this resource have stream management.
-define(RESUMES, "watch").

%% What may happen between two troubles, as often as it stands here.
-define(SMALL, [come, come, come, come, come, come, leave, leave, kill, close, offline, die, rename, update]).

%% ---- The plan

%% Every trouble comes in turn, in a random order, until there were as many as wanted.
-spec plan(integer(), [device()], [atom()], pos_integer()) -> [step()].
plan(Seed, Devices, Troubles, Count) ->
    _ = rand:seed(exsss, Seed),
    Rounds = [shuffled(Troubles) || _ <- lists:seq(1, 1 + Count div length(Troubles))],
    Chosen = lists:sublist(lists:append(Rounds), Count),
    Steps = [[small(Devices), trouble(Trouble, Devices), small(Devices), [settle || rand:uniform(2) =:= 1]] || Trouble <- Chosen],
    [{come, Device} || Device <- Devices] ++ [settle | lists:flatten(Steps)] ++ [settle].

small(Devices) ->
    [[{talk, speakers(Devices)}, change(Devices)] || _ <- lists:seq(1, 1 + rand:uniform(4))].

change(Devices) ->
    {one_of(?SMALL), one_of(Devices)}.

%% It strikes while people talk.
trouble(Trouble, Devices) ->
    [calm, {talk, speakers(Devices)}, {Trouble, {speakers(Devices), rand:uniform(4_000)}}, {talk, speakers(Devices)}].

speakers(Devices) ->
    [one_of([witness | Devices]) || _ <- lists:seq(1, rand:uniform(12))].

one_of(List) ->
    lists:nth(rand:uniform(length(List)), List).

shuffled(List) ->
    [Item || {_, Item} <- lists:sort([{rand:uniform(), Item} || Item <- List])].

%% ---- The world

%% The witness is in the room, and nobody else.
-spec start(world()) -> chaos().
start(#{room := Room, configuration := Configuration} = World) ->
    Chaos = #{here := Witness} = enter_witness(World#{
        clients => #{}, wanted => [], asked => #{}, resumed => [], asleep => [], witness_logs => [], logs => [],
        said => 0, sure => [], settled => none, troubles => [], trouble => none
    }),
    [<<"result">> = type(configure(Witness, Room, Configuration)) || map_size(Configuration) > 0],
    Chaos.

-spec run([step()], chaos()) -> chaos().
run(Plan, Chaos) ->
    lists:foldl(fun(Step, Acc) -> step(Step, Acc) end, Chaos, Plan).

%% The logs of all sessions that there were: who it was, what it received, and what became of it.
-spec logs(chaos()) -> [{device(), [#xmlel{}], mmx_heard:fate()}].
logs(#{logs := Logs, clients := Clients} = Chaos) ->
    Now = [{Device, peek(Client), fate(Device, here, Chaos)} || {Device, Client} <- maps:to_list(Clients)],
    lists:reverse(Logs) ++ Now.

-spec people(chaos()) -> #{string() => binary()}.
people(#{people := People}) -> People.

%% The sessions that should be in the room.
-spec sessions(chaos()) -> [device()].
sessions(#{wanted := Wanted}) -> lists:sort(Wanted).

%% Who must be there, with sessions or without: whoever was there, and did not say that it leaves.
-spec sure(chaos()) -> [string()].
sure(#{sure := Sure}) -> Sure.

%% The witness, what the room has broadcast by its account, and when the way there was in trouble.
-spec witness(chaos()) -> {mmx_client:client(), [mmx_heard:key()], [mmx_heard:trouble()]}.
witness(#{here := Client, troubles := Troubles} = Chaos) ->
    {Client, broadcast(Chaos), Troubles}.

-spec said(chaos()) -> non_neg_integer().
said(#{said := Said}) -> Said.

server(#{holder := Holder}) -> mmx_holder:server(Holder).

%% ---- The witness

enter_witness(#{witness := {Who, Options}} = Chaos) ->
    Client = connect(server(Chaos), [Who, "/desk"], Options),
    rejoin_witness(Chaos#{here => Client}).

rejoin_witness(#{here := Client, room := Room} = Chaos) ->
    ok = ask(Client, Room, <<"witness">>, #{history => [{maxstanzas, 1_000}]}),
    IsIn = fun() -> mmx_heard:is_in(mmx_heard:attachments(Room, peek(Client))) =/= false end,
    ok = mmx_server:wait_until("the witness is in the room", IsIn),
    Chaos.

%% Its stream has ended.
witness_lost(#{here := Client, witness_logs := Logs} = Chaos) ->
    Log = closed(Client),
    ok = mmx_client:abandon(Client),
    maps:remove(here, Chaos#{witness_logs := [Log | Logs]}).

%% The room has forgotten it, without a word. What it said before is still on its way.
witness_forgotten(#{here := Client, witness_logs := Logs} = Chaos) ->
    rejoin_witness(Chaos#{witness_logs := [sync(Client) | Logs]}).

broadcast(#{witness_logs := Logs, room := Room} = Chaos) ->
    Now = [peek(Client) || #{here := Client} <- [Chaos]],
    mmx_heard:broadcast(Room, lists:reverse(Logs) ++ Now).

%% ---- Steps

step({talk, Speakers}, Chaos) ->
    talk(Speakers, Chaos);
step({come, Device}, Chaos) ->
    come(Device, Chaos);
step(settle, Chaos) ->
    settle(Chaos);
%% What strikes next strikes what is in order, unless it is the second stroke.
step(calm, #{trouble := none} = Chaos) ->
    settle(Chaos);
step(calm, Chaos) ->
    Chaos;
step({Change, Device}, #{clients := Clients} = Chaos) when
    Change =:= leave; Change =:= kill; Change =:= close; Change =:= offline; Change =:= die; Change =:= rename; Change =:= update
->
    case Clients of
        #{Device := Client} -> change(Change, Device, Client, Chaos);
        #{} -> Chaos
    end;
step({Trouble, {Speakers, Time}}, Chaos) ->
    strike(Trouble, Speakers, Time, Chaos).

talk(Speakers, Chaos) ->
    lists:foldl(fun speak/2, Chaos, Speakers).

speak(witness, #{here := Client} = Chaos) ->
    say_next(Client, Chaos);
speak(witness, Chaos) ->
    Chaos;
speak(Device, #{clients := Clients, wanted := Wanted} = Chaos) ->
    case {Clients, lists:member(Device, Wanted)} of
        {#{Device := Client}, true} -> say_next(Client, Chaos);
        _ -> Chaos
    end.

say_next(Client, #{room := Room, said := Said} = Chaos) ->
    ok = attempt(fun() -> say(Client, Room, integer_to_binary(Said + 1)) end),
    Chaos#{said := Said + 1}.

%% Its connection may be lost.
attempt(Send) ->
    try Send() catch error:{badmatch, not_connected} -> ok end.

come({Person, Resource} = Device, #{clients := Clients, people := People} = Chaos) ->
    case Clients of
        #{Device := Client} ->
            back(Device, Client, Chaos);
        #{} ->
            Options = maps:from_list([{sm, 300} || Resource =:= ?RESUMES]),
            Client = connect(server(Chaos), [maps:get(Person, People), "/", Resource], Options),
            join_device(Device, Client, Chaos#{clients := Clients#{Device => Client}})
    end.

%% It waits in a pocket, is offline or has left.
back(Device, Client, #{wanted := Wanted, room := Room} = Chaos) ->
    case {is_asleep(Device, Chaos), lists:member(Device, Wanted)} of
        {true, IsWanted} ->
            #{asleep := Asleep, resumed := Resumed} = Chaos,
            ok = resume(Client),
            wanted(IsWanted, Device, Client, Chaos#{resumed := [Device | Resumed], asleep := lists:delete(Device, Asleep)});
        {false, true} ->
            Chaos;
        {false, false} ->
            %% A leave that is under way is none of a new attachment.
            case is_out(Room, Client) of
                true -> ok = send(Client, presence(none, [])), join_device(Device, Client, Chaos);
                false -> Chaos
            end
    end.

%% Its session was resumed, and may have been in the room or not.
wanted(true, _Device, _Client, Chaos) -> Chaos;
wanted(false, Device, Client, Chaos) -> back(Device, Client, Chaos).

is_asleep(Device, #{asleep := Asleep}) ->
    lists:member(Device, Asleep).

is_out(Room, Client) ->
    {attachments, [#{is_open := IsOpen} | _], _} = mmx_heard:attachments(Room, peek(Client)),
    not IsOpen.

join_device({Person, _} = Device, Client, #{room := Room, wanted := Wanted, asked := Asked} = Chaos) ->
    Before = length(peek(Client)),
    ok = attempt(fun() -> ask(Client, Room, list_to_binary(Person)) end),
    Chaos#{wanted := lists:usort([Device | Wanted]), asked := Asked#{Device => Before}}.

%% What happens to a device that has a stream, or waits to resume it.
change(Change, Device, Client, Chaos) ->
    case is_asleep(Device, Chaos) of
        false -> changed(Change, Device, Client, Chaos);
        true -> Chaos
    end.

changed(rename, {Person, _}, Client, #{said := Said} = Chaos) ->
    tells(Client, [Person, integer_to_list(Said)], [], Chaos);
changed(update, Device, Client, #{said := Said} = Chaos) ->
    tells(Client, nick_of(Device, Client, Chaos), [el(status, [], [integer_to_binary(Said)])], Chaos);
changed(leave, {Person, _} = Device, Client, #{room := Room, wanted := Wanted, sure := Sure} = Chaos) ->
    ok = send(Client, presence([Room, "/", nick_of(Device, Client, Chaos)], unavailable, [])),
    Chaos#{wanted := lists:delete(Device, Wanted), sure := lists:delete(Person, Sure)};
changed(Change, Device, Client, Chaos) ->
    ended(Change, Device, Client, Chaos).

%% Only who is in the room tells it anything: from others this would be a join.
tells(Client, Nick, Children, #{room := Room} = Chaos) ->
    case is_out(Room, Client) of
        true -> ok;
        false -> ok = send(Client, presence([Room, "/", Nick], Children))
    end,
    Chaos.

nick_of({Person, _}, Client, #{room := Room}) ->
    case mmx_client:nick_in(Client, Room) of
        undefined -> Person;
        Nick -> Nick
    end.

ended(kill, {_, ?RESUMES} = Device, Client, #{asleep := Asleep} = Chaos) ->
    ok = kill(Client),
    Chaos#{asleep := [Device | Asleep]};
ended(kill, Device, Client, Chaos) ->
    ok = kill(Client),
    over(Device, queued(Client), closed, Chaos);
ended(close, Device, Client, Chaos) ->
    ok = send(Client, "</stream:stream>"),
    over(Device, closed(Client), closed, Chaos);
ended(die, Device, Client, Chaos) ->
    Server = server(Chaos),
    case mmx_server:c2s_pid(Server, jid(Client)) of
        none -> ok;
        Pid -> ok = mmx_server:kill_process(Server, Pid)
    end,
    over(Device, closed(Client), closed, Chaos);
%% It goes on without the room, and what it hears from then on is heard outside.
ended(offline, Device, Client, #{wanted := Wanted, logs := Logs, resumed := Resumed} = Chaos) ->
    ok = going_offline(Client),
    Log = {Device, queued(Client), fate(Device, closed, Chaos)},
    Chaos#{wanted := lists:delete(Device, Wanted), logs := [Log | Logs], resumed := lists:delete(Device, Resumed)}.

%% A session is no more.
over(Device, Log, How, #{clients := Clients, wanted := Wanted, logs := Logs, resumed := Resumed, asleep := Asleep} = Chaos) ->
    {Client, Others} = maps:take(Device, Clients),
    Fate = fate(Device, How, Chaos),
    ok = mmx_client:abandon(Client),
    Chaos#{
        clients := Others, wanted := lists:delete(Device, Wanted), logs := [{Device, Log, Fate} | Logs],
        resumed := lists:delete(Device, Resumed), asleep := lists:delete(Device, Asleep)
    }.

fate(Device, How, #{resumed := Resumed}) ->
    #{is_here => How =:= here, is_killed => How =:= killed, is_resumed => lists:member(Device, Resumed)}.

%% ---- Troubles

%% All streams of ejabberd end, and who was in the room means to be there again.
strike(Trouble, Speakers, _Time, #{wanted := Wanted, prosody := Prosody} = Chaos) when Trouble =:= crash; Trouble =:= restart ->
    Meanwhile = fun() -> [_ = witness_says(Chaos, Body) || Body <- meanwhile(Speakers, Chaos)] end,
    _ = mmx_holder:again(maps:get(holder, Chaos), Trouble, Meanwhile),
    Ended = #{said := Said} = all_over(Trouble, Chaos),
    Again = case Prosody of
        none -> enter_witness(witness_lost(Ended));
        _ -> in_trouble(Ended#{said := Said + length(meanwhile(Speakers, Chaos))})
    end,
    lists:foldl(fun come/2, Again, Wanted);
%% Between two messages, so that each was told to all or to nobody.
strike(room_dies, _Speakers, _Time, #{room := Room} = Chaos) ->
    Server = server(Chaos),
    Pid = mmx_server:room_pid(Server, Room),
    ok = mmx_server:rpc(Server, sys, suspend, [Pid]),
    ok = mmx_server:kill_process(Server, Pid),
    mmx_server:wait_until("the service knows that its room is dead", fun() -> mmx_server:room_pid(Server, Room) =/= Pid end),
    witness_forgotten(Chaos);
strike(cut, Speakers, Time, Chaos) ->
    while_cut(fun() -> talk_for(3 * Time, Speakers, Chaos) end, Chaos);
%% The one thing while the other lasts.
strike(crash_in_a_cut, Speakers, Time, Chaos) ->
    while_cut(fun() -> strike(crash, Speakers, Time, talk(Speakers, Chaos)) end, Chaos);
strike(prosody_dies_in_a_cut, Speakers, Time, Chaos) ->
    while_cut(fun() -> strike(prosody_dies, Speakers, Time, talk(Speakers, Chaos)) end, Chaos);
strike(streams_die, _Speakers, _Time, Chaos) ->
    Server = server(Chaos),
    Streams = mmx_server:rpc(Server, supervisor, which_children, [ejabberd_s2s_out_sup]),
    [true = mmx_server:rpc(Server, erlang, exit, [Pid, kill]) || {_, Pid, _, _} <- Streams, is_pid(Pid)],
    in_trouble(Chaos);
strike(prosody_pauses, Speakers, Time, #{prosody := Prosody} = Chaos) ->
    in_trouble(mmx_prosody:paused(Prosody, fun() -> talk_for(Time, Speakers, Chaos) end));
strike(Trouble, Speakers, Time, #{prosody := Prosody} = Chaos) when Trouble =:= prosody_dies; Trouble =:= prosody_ends ->
    ok = case Trouble of
        prosody_dies -> mmx_prosody:kill(Prosody);
        prosody_ends -> mmx_prosody:terminate(Prosody)
    end,
    Said = talk_for(Time, Speakers, witness_lost(Chaos)),
    ok = mmx_prosody:launch(Prosody),
    in_trouble(enter_witness(Said)).

while_cut(Fun, #{prosody := Prosody}) ->
    Link = mmx_prosody:link(Prosody),
    ok = mmx_link:cut(Link),
    Chaos = Fun(),
    ok = mmx_link:mend(Link),
    in_trouble(Chaos).

%% How long it lasts is part of the chaos and proves nothing.
talk_for(Time, Speakers, Chaos) ->
    Step = Time div length(Speakers),
    lists:foldl(fun(Speaker, Acc) -> pause(Step), speak(Speaker, Acc) end, Chaos, Speakers).

pause(Time) ->
    receive after Time -> ok end.

in_trouble(#{trouble := none, settled := Settled} = Chaos) ->
    Chaos#{trouble := Settled};
in_trouble(Chaos) ->
    Chaos.

%% What a witness of another server says while ours is down.
meanwhile(_Speakers, #{prosody := none}) ->
    [];
meanwhile(Speakers, #{said := Said}) ->
    [integer_to_binary(Said + N) || {N, _} <- lists:enumerate(Speakers)].

witness_says(#{here := Client, room := Room}, Body) ->
    say(Client, Room, Body).

all_over(How, #{clients := Clients, prosody := Prosody} = Chaos) ->
    Fate = case {How, Prosody} of
        {crash, none} -> killed;
        _ -> closed
    end,
    lists:foldl(fun({Device, Client}, Acc) -> over(Device, rest(Device, Client, Acc), Fate, Acc) end, Chaos, maps:to_list(Clients)).

%% What a client received whose server is gone, or which had lost it before.
rest(Device, Client, Chaos) ->
    Ends = fun(Queue) ->
        case lists:any(fun(El) -> El#xmlel.name =:= <<"stream:end">> end, Queue) of
            true -> {Queue, []};
            false -> more
        end
    end,
    case is_asleep(Device, Chaos) of
        false -> mmx_client:take_with(Client, Ends, 10_000);
        true -> queued(Client)
    end.

%% ---- Until all is well

%% Everybody who means to be in the room is there, and has all that the room has broadcast.
settle(#{room := Room, here := Client} = Chaos0) ->
    Body = <<"settled ", (mmx_stanza:unique())/binary>>,
    ok = say(Client, Room, Body),
    Chaos = settled(Body, Chaos0, erlang:monotonic_time(millisecond) + ?PATIENCE),
    Troubles = [{After, Body} || #{trouble := After} <- [Chaos], After =/= none],
    #{troubles := Before, sure := Sure, wanted := Wanted} = Chaos,
    There = lists:usort([Person || {Person, _} <- Wanted] ++ Sure),
    Chaos#{settled := Body, trouble := none, troubles := Troubles ++ Before, sure := There}.

settled(Body, Chaos0, Deadline) ->
    Chaos = #{wanted := Wanted} = lists:foldl(fun ask_again/2, Chaos0, maps:get(wanted, Chaos0)),
    All = broadcast(Chaos),
    Waiting = case lists:keymember(Body, 1, All) of
        false -> [witness];
        true -> [Device || Device <- Wanted, not has_all(Device, Body, All, Chaos)]
    end,
    case {Waiting, erlang:monotonic_time(millisecond) > Deadline} of
        {[], _} -> Chaos;
        {_, true} -> error({not_settled, Body, [lacks(Device, All, Chaos) || Device <- Waiting]});
        {_, false} -> pause(100), settled(Body, Chaos, Deadline)
    end.

has_all(Device, Body, All, #{clients := Clients, room := Room}) ->
    case mmx_heard:is_in(mmx_heard:attachments(Room, peek(maps:get(Device, Clients)))) of
        {true, Attachment} -> mmx_heard:holds(Attachment, Body, All);
        false -> false
    end.

lacks(witness, _All, _Chaos) ->
    witness;
lacks(Device, All, #{clients := Clients, room := Room} = Chaos) ->
    Client = maps:get(Device, Clients),
    ct:pal("~ts", [mmx_client:transcript(Client)]),
    Log = mmx_heard:attachments(Room, peek(Client)),
    {Device, jid(Client), mmx_heard:mistakes(Log, All, [], fate(Device, here, Chaos))}.

%% It was refused, or told that it is out, and it knows how to go on.
ask_again(Device, #{clients := Clients, asked := Asked, room := Room} = Chaos) ->
    Client = maps:get(Device, Clients),
    case is_asleep(Device, Chaos) of
        true ->
            come(Device, Chaos);
        false ->
            Answers = [Stanza || Stanza <- lists:nthtail(maps:get(Device, Asked), peek(Client)), is_no(Room, Stanza)],
            case Answers =/= [] andalso is_out(Room, Client) of
                true -> join_device(Device, Client, Chaos);
                false -> Chaos
            end
    end.

is_no(Room, #xmlel{name = <<"presence">>} = Presence) ->
    bare(from(Presence)) =:= Room andalso
        (type(Presence) =:= <<"error">> orelse
            (type(Presence) =:= <<"unavailable">> andalso is_self_presence(Presence)));
is_no(_, _) ->
    false.

%% What came so far stays in the queue.
peek(Client) ->
    mmx_client:take_with(Client, fun(Queue) -> {Queue, Queue} end, 0).
