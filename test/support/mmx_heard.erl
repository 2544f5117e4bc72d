%% What sessions heard of a room, beside what the room broadcast by its witness' account.
-module(mmx_heard).

-export([broadcast/2, attachments/2, is_in/1, mistakes/4, holds/3]).

-include_lib("fast_xml/include/fxml.hrl").

%% One message: its text, and the room's id of it where the room gives ids.
-type key() :: {Body :: binary(), Id :: binary() | none}.
-type attachment() :: #{
    %% What came with the replay, and what came afterwards.
    replay := [key()],
    heard := [{live | late, key()}],
    %% Who is in the room.
    nicks := ordsets:ordset(binary()),
    is_open := boolean()
}.
-type log() :: {attachments, [attachment()], Strays :: [key()]}.
%% From the last message that all had before something was done to the way there, to the first that all had after.
-type trouble() :: {After :: binary(), Until :: binary() | never}.
-type fate() :: #{
    %% The session is still there, so that everything must have come.
    is_here := boolean(),
    %% The server that gave it all this is dead, and it may have told this session more than the witness.
    is_killed := boolean(),
    %% ejabberd puts what waited in the old stream behind what came to the new one.
    is_resumed := boolean()
}.
-export_type([key/0, attachment/0, log/0, trouble/0, fate/0]).

-define(NS_DELAY, <<"urn:xmpp:delay">>).
-define(NS_STANZA_ID, <<"urn:xmpp:sid:0">>).

%% What the room broadcast, in its order. The witness may have lost its place and come back, more than once:
%% what it had not heard then stands in the room's history.
-spec broadcast(binary(), [[#xmlel{}]]) -> [key()].
broadcast(Room, Logs) ->
    {All, _} = lists:foldl(fun(Stanza, Acc) -> broadcast_one(Room, Stanza, Acc) end, {[], #{}}, lists:append(Logs)),
    lists:reverse(All).

broadcast_one(Room, Stanza, {All, Known}) ->
    case is_said(Room, Stanza) of
        true ->
            Key = key(Room, Stanza),
            case {Known, is_late(Stanza)} of
                {#{Key := _}, true} -> {All, Known};
                {#{Key := _}, false} -> error({broadcast_twice, Key});
                {_, _} -> {[Key | All], Known#{Key => known}}
            end;
        false ->
            {All, Known}
    end.

%% The session's times in the room, the last one first.
-spec attachments(binary(), [#xmlel{}]) -> log().
attachments(Room, Stanzas) ->
    lists:foldl(fun(Stanza, Log) -> one(Room, Stanza, Log) end, {attachments, [fresh()], []}, Stanzas).

fresh() ->
    #{replay => [], heard => [], nicks => [], phase => out, is_open => false}.

one(Room, Stanza, {attachments, [Now | Before], Strays} = Log) ->
    From = mmx_stanza:from(Stanza),
    case {mmx_stanza:bare(From), Stanza#xmlel.name} of
        {Room, <<"presence">>} ->
            case is_end(Stanza) of
                true when map_get(phase, Now) =:= out -> Log;
                true -> {attachments, [fresh(), Now#{is_open := false} | Before], Strays};
                false -> {attachments, [shown(Stanza, Now) | Before], Strays}
            end;
        {Room, <<"message">>} ->
            case is_said(Room, Stanza) of
                true when map_get(phase, Now) =:= out -> {attachments, [Now | Before], [key(Room, Stanza) | Strays]};
                true -> {attachments, [told(key(Room, Stanza), is_late(Stanza), Now) | Before], Strays};
                false -> {attachments, [ended_replay(Stanza, Now) | Before], Strays}
            end;
        _ ->
            Log
    end.

is_end(Presence) ->
    mmx_stanza:is_self_presence(Presence) andalso mmx_stanza:type(Presence) =:= <<"unavailable">> andalso
        not lists:member(303, mmx_stanza:status_codes(Presence)).

shown(Presence, #{nicks := Nicks, phase := Phase} = Now) ->
    Nick = mmx_stanza:from_nick(Presence),
    case mmx_stanza:type(Presence) of
        <<"available">> when Nick =/= undefined ->
            Next = case Phase =:= out andalso mmx_stanza:is_self_presence(Presence) of
                true -> entering;
                false -> Phase
            end,
            Now#{nicks := ordsets:add_element(Nick, Nicks), phase := Next, is_open := Next =/= out};
        <<"unavailable">> ->
            Now#{nicks := ordsets:del_element(Nick, Nicks)};
        _ ->
            Now
    end.

told(Key, true, #{phase := entering, replay := Replay} = Now) ->
    Now#{replay := [Key | Replay]};
told(Key, IsLate, #{heard := Heard} = Now) ->
    Kind = case IsLate of true -> late; false -> live end,
    Now#{heard := [{Kind, Key} | Heard], phase := attached}.

ended_replay(Stanza, #{phase := entering} = Now) ->
    case mmx_stanza:is_subject(Stanza) of
        true -> Now#{phase := attached};
        false -> Now
    end;
ended_replay(_, Now) ->
    Now.

is_said(Room, #xmlel{name = <<"message">>} = Stanza) ->
    mmx_stanza:bare(mmx_stanza:from(Stanza)) =:= Room andalso mmx_stanza:type(Stanza) =:= <<"groupchat">> andalso
        mmx_stanza:body(Stanza) =/= undefined;
is_said(_, _) ->
    false.

is_late(Stanza) ->
    mmx_stanza:child(Stanza, delay, ?NS_DELAY) =/= undefined.

%% Only a room with an archive calls a message the same in its history: ejabberd 26.07 gives ids to what is live.
key(Room, Stanza) ->
    Ids = [
        mmx_stanza:attr(El, id)
     || binary:match(Room, <<"@archive.">>) =/= nomatch,
        El <- mmx_stanza:children(Stanza, 'stanza-id'),
        mmx_stanza:attr(El, xmlns) =:= ?NS_STANZA_ID, mmx_stanza:attr(El, by) =:= Room
    ],
    case Ids of
        [Id] -> {mmx_stanza:body(Stanza), Id};
        [] -> {mmx_stanza:body(Stanza), none}
    end.

%% The attachment that goes on, complete with its replay.
-spec is_in(log()) -> {true, attachment()} | false.
is_in({attachments, [#{phase := attached} = Now | _], _}) -> {true, Now};
is_in({attachments, _, _}) -> false.

%% Whether this and all else that was broadcast has come, from the first that this attachment was told of.
-spec holds(attachment(), binary(), [key()]) -> boolean().
holds(Attachment, Body, All) ->
    Keys = keys(Attachment),
    lists:keymember(Body, 1, Keys) andalso missing(Keys, positions(All), length(All)) =:= [].

keys(#{replay := Replay, heard := Heard}) ->
    lists:reverse(Replay) ++ [Key || {_, Key} <- lists:reverse(Heard)].

%% What was not as promised.
-spec mistakes(log(), [key()], [trouble()], fate()) -> [{atom(), term()}].
mistakes({attachments, Attachments, Strays}, All, Troubles, Fate) ->
    Positions = positions(All),
    Ranges = ranges(Troubles, Positions, length(All)),
    [{heard_while_out, lists:reverse(Strays)} || Strays =/= []] ++
        lists:append([wrong(Attachment, Positions, Ranges, Fate) || Attachment <- lists:reverse(Attachments)]).

positions(All) ->
    maps:from_list([{Key, Position} || {Position, Key} <- lists:enumerate(All)]).

ranges(Troubles, Positions, Last) ->
    Bodies = maps:from_list([{Body, Position} || {{Body, _}, Position} <- maps:to_list(Positions)]),
    [
        {maps:get(After, Bodies), case Until of never -> Last; _ -> maps:get(Until, Bodies) end}
     || {After, Until} <- Troubles
    ].

wrong(#{heard := Heard, is_open := IsOpen} = Attachment, Positions, Ranges, Fate) ->
    #{is_here := IsHere, is_killed := IsKilled, is_resumed := IsResumed} = Fate,
    Keys = keys(Attachment),
    {Known, Unknown} = lists:partition(fun(Key) -> is_map_key(Key, Positions) end, Keys),
    IsTail = IsKilled andalso IsOpen andalso lists:prefix(Known, Keys),
    Reached = lists:max([0 | [maps:get(Key, Positions) || Key <- Known]]),
    Bound = case IsHere andalso IsOpen of
        true -> map_size(Positions);
        false -> lists:min([Reached | [After || {After, Until} <- Ranges, After < Reached, Reached =< Until]])
    end,
    Order = fun(Kind) -> [maps:get(Key, Positions) || {Its, Key} <- lists:reverse(Heard), Its =:= Kind, is_map_key(Key, Positions)] end,
    [{never_broadcast, Unknown} || Unknown =/= [], not IsTail] ++
        [{told_twice, Doubles} || Doubles <- [Keys -- lists:usort(Keys)], Doubles =/= []] ++
        [{missing, Missing} || Missing <- [missing(Known, Positions, Bound)], Missing =/= []] ++
        [{out_of_order, Kind, Order(Kind)} || not IsResumed, Kind <- [live, late], Order(Kind) =/= lists:usort(Order(Kind))].

%% From the first that it was told of.
missing([], _, _) ->
    [];
missing(Keys, Positions, Bound) ->
    Heard = maps:with(Keys, Positions),
    First = lists:min([Bound + 1 | maps:values(Heard)]),
    [Key || {Position, Key} <- lists:sort([{P, K} || {K, P} <- maps:to_list(Positions)]),
            Position >= First, Position =< Bound, not is_map_key(Key, Heard)].
