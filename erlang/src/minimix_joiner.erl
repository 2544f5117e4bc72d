%%% Sends the join of an account to a room, unless the account is one of its MUC/Sub subscribers: an
%%% occupant gets no events any more, so these stay as they are.
%%%
%%% Only the room knows, and a room may be busy or asleep: a process of its own asks it.
-module(minimix_joiner).

-export([join/5]).

-include_lib("xmpp/include/xmpp.hrl").

-spec join(minimix_state:state(), jid:jid(), jid:ljid(), Epoch :: pos_integer(), presence()) -> ok.
join(State, Account, {_, Service, _} = Room, Epoch, Join) ->
    case is_local_service(Service) of
        true ->
            _ = proc_lib:spawn(fun() -> ask(State, Account, Room, Epoch, Join) end),
            ok;
        false ->
            ejabberd_router:route(Join)
    end.

is_local_service(Service) ->
    ejabberd_router:is_my_route(Service)
        andalso gen_mod:is_loaded(ejabberd_router:host_of_route(Service), mod_muc).

ask(State, Account, Room, Epoch, Join) ->
    IsSubscriber = is_subscriber(Account, Room),
    case minimix_state:is_managed(State, minimix_stanza:account(Account), Room, Epoch) of
        true when IsSubscriber -> minimix_door:declined(State, Account, Room, Epoch);
        true -> ejabberd_router:route(Join);
        false -> ok
    end.

%% The join would wake the room, too. That there is none ejabberd has told in several ways.
is_subscriber(Account, {Name, Service, _}) ->
    case mod_muc:unhibernate_room(ejabberd_router:host_of_route(Service), Service, Name) of
        {ok, Room} -> mod_muc_room:is_subscribed(Room, Account) =/= false;
        _NotThere -> false
    end.
