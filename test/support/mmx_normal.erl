%% A transcript without what no two runs have in common: names, times, and ids that servers make.
-module(mmx_normal).

-export([names/2, ids/2]).

-include_lib("fast_xml/include/fxml.hrl").

%% Replaces names by others, times by none, and puts attributes in order.
-spec names(mmx_conversation:transcript(), [{binary(), binary()}]) -> mmx_conversation:transcript().
names(Transcript, Names) ->
    [
        {Step, [{Session, [named(Stanza, Names) || Stanza <- Stanzas]} || {Session, Stanzas} <- Received]}
     || {Step, Received} <- Transcript
    ].

named(#xmlel{attrs = Attrs, children = Children} = El, Names) ->
    El#xmlel{
        attrs = lists:sort([{Key, value(Key, Value, Names)} || {Key, Value} <- Attrs]),
        children = [named(Child, Names) || Child <- Children]
    };
named({xmlcdata, Text}, Names) ->
    {xmlcdata, text(Text, Names)}.

value(<<"stamp">>, _, _) -> <<"(time)">>;
value(<<"sessionid">>, _, _) -> <<"(time)">>;
value(_, Value, Names) -> text(Value, Names).

text(Text, Names) ->
    lists:foldl(fun({Name, New}, Acc) -> binary:replace(Acc, Name, New, [global]) end, Text, Names).

%% Numbers the ids that the script does not give, by the step and the order in which they appear.
-spec ids(mmx_conversation:transcript(), [mmx_conversation:step()]) -> mmx_conversation:transcript().
ids(Transcript, Steps) ->
    Scripted = maps:from_list([{Id, Id} || Id <- mmx_conversation:ids(Steps)]),
    {Numbered, _} = lists:mapfoldl(fun step/2, Scripted, lists:enumerate(Transcript)),
    Numbered.

step({Number, {Step, Received}}, Known) ->
    {Numbered, {_, _, Known1}} = lists:mapfoldl(fun session/2, {Number, 1, Known}, Received),
    {{Step, Numbered}, Known1}.

session({Session, Stanzas}, Memory) ->
    {Numbered, Memory1} = lists:mapfoldl(fun stanza/2, Memory, Stanzas),
    {{Session, Numbered}, Memory1}.

stanza(#xmlel{attrs = Attrs, children = Children} = El, Memory) ->
    {Attrs1, Memory1} = lists:mapfoldl(fun attribute/2, Memory, Attrs),
    {Children1, Memory2} = lists:mapfoldl(fun stanza/2, Memory1, Children),
    {El#xmlel{attrs = Attrs1, children = Children1}, Memory2};
stanza({xmlcdata, Text}, {_, _, Known} = Memory) ->
    %% The results of an archive name ids in their text.
    {{xmlcdata, maps:get(Text, Known, Text)}, Memory}.

attribute({<<"id">>, Id}, {Step, Next, Known} = Memory) ->
    case Known of
        #{Id := Number} ->
            {{<<"id">>, Number}, Memory};
        #{} ->
            Number = iolist_to_binary(io_lib:format("(id ~b.~b)", [Step, Next])),
            {{<<"id">>, Number}, {Step, Next + 1, Known#{Id => Number}}}
    end;
attribute(Attribute, Memory) ->
    {Attribute, Memory}.
