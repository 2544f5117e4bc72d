%%% A page of two archives as if they were one (XEP-0059).
%%%
%%% Each archive is asked for the same page. What both gave is put in order; of that the page takes as
%%% much as was asked for. Messages of one id stay together, as the next page begins with another one.
-module(minimix_archive_page).

-export([merge/4]).
-export_type([part/0, direction/0]).

%% Messages with their ids, in their order; whether these are the last ones in their direction; and how
%% many there are on all pages.
-type part() :: {[{binary(), Id :: non_neg_integer(), Message :: term()}], IsComplete :: boolean(), Count :: non_neg_integer()}.
-type direction() :: forward | backward.

-spec merge(part(), part(), Max :: non_neg_integer(), direction()) -> part().
merge(One, Other, Max, forward) ->
    join(One, Other, Max, fun(A, B) -> A =< B end);
merge(One, Other, Max, backward) ->
    {Messages, IsComplete, Count} = join(reversed(One), reversed(Other), Max, fun(A, B) -> A >= B end),
    {lists:reverse(Messages), IsComplete, Count}.

reversed({Messages, IsComplete, Count}) ->
    {lists:reverse(Messages), IsComplete, Count}.

join({Some, IsComplete, Count} = One, {Others, AreComplete, Counted} = Other, Max, Precedes) ->
    InOrder = fun({_, A, _}, {_, B, _}) -> Precedes(A, B) end,
    All = lists:merge(InOrder, Some, Others),
    Sure = lists:takewhile(fun(Message) -> is_sure(Message, [One, Other], Precedes) end, All),
    Page = take(Max, Sure),
    {Page, IsComplete andalso AreComplete andalso length(Page) =:= length(All), Count + Counted}.

%% Where an archive has more, that may come before what the other one has further on.
is_sure({_, Id, _}, Parts, Precedes) ->
    lists:all(fun({[], false, _}) -> false;
                 ({Messages, false, _}) -> Precedes(Id, element(2, lists:last(Messages)));
                 ({_, true, _}) -> true
              end, Parts).

take(0, _Messages) ->
    [];
take(Max, Messages) when length(Messages) =< Max ->
    Messages;
take(Max, Messages) ->
    {Page, [{_, Next, _} | _] = Rest} = lists:split(Max, Messages),
    Of = fun({_, Id, _}) -> Id =:= Next end,
    case lists:splitwith(Of, lists:reverse(Page)) of
        {[], _} -> Page;
        %% There is nothing else: a page may be too long, but not empty.
        {_, []} -> Page ++ lists:takewhile(Of, Rest);
        {_, Before} -> lists:reverse(Before)
    end.
