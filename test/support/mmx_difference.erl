%% What two transcripts of one conversation do not have in common, for a reader.
-module(mmx_difference).

-export([between/2, told/1]).

-spec between(mmx_conversation:transcript(), mmx_conversation:transcript()) -> [iolist()].
between(Natively, Served) ->
    lists:append([
        step(Number, Step, Expected, Got)
     || {Number, {{Step, Expected}, {Step, Got}}} <- lists:enumerate(lists:zip(Natively, Served))
    ]).

step(Number, {Session, Action}, Expected, Got) ->
    case [session(Name, A, B) || {{Name, A}, {Name, B}} <- lists:zip(Expected, Got), A =/= B] of
        [] -> [];
        Differences -> [io_lib:format("step ~b, ~ts: ~ts~n", [Number, Session, action(Action)]), Differences]
    end.

action(Action) when is_atom(Action) -> atom_to_binary(Action);
action({Kind, Texts}) -> [atom_to_binary(Kind), " ", Texts];
action({Kind, Type, Text}) -> [atom_to_binary(Kind), " ", atom_to_binary(Type), " ", Text];
action(Text) -> Text.

session(Name, Expected, Got) ->
    Lines = lines([text(Stanza) || Stanza <- Expected], [text(Stanza) || Stanza <- Got]),
    [io_lib:format("  ~ts got (- natively, + with the module)~n", [Name]) | [["    ", Line, "\n"] || Line <- Lines]].

text(Stanza) ->
    fxml:element_to_binary(Stanza).

%% What both begin and end with is told once.
lines([Same | Expected], [Same | Got]) ->
    [["  ", Same] | lines(Expected, Got)];
lines(Expected, Got) ->
    Tail = common(lists:reverse(Expected), lists:reverse(Got)),
    Short = fun(List) -> lists:sublist(List, length(List) - length(Tail)) end,
    [["- ", Line] || Line <- Short(Expected)] ++ [["+ ", Line] || Line <- Short(Got)] ++ [["  ", Line] || Line <- lists:reverse(Tail)].

common([Same | A], [Same | B]) -> [Same | common(A, B)];
common(_, _) -> [].

%% A transcript as such.
-spec told(mmx_conversation:transcript()) -> iolist().
told(Transcript) ->
    [
        [
            io_lib:format("step ~b, ~ts: ~ts~n", [Number, Session, action(Action)]),
            [["  ", atom_to_binary(Name), ": ", text(Stanza), "\n"] || {Name, Stanzas} <- Received, Stanza <- Stanzas]
        ]
     || {Number, {{Session, Action}, Received}} <- lists:enumerate(Transcript)
    ].
