%% Counts, inside a server, the messages and presences between one account and the rooms.
-module(mmx_count).

-export([start/3, read/1]).
-export([install/2, filter_packet/1, values/0]).

-include_lib("xmpp/include/xmpp.hrl").

%% @doc From now on for this account.
-spec start(mmx_server:server(), binary(), binary()) -> ok.
start(Server, User, Host) ->
    mmx_server:rpc(Server, ?MODULE, install, [User, Host]).

%% @doc Stanzas to rooms and from rooms since the last reading.
-spec read(mmx_server:server()) -> {non_neg_integer(), non_neg_integer()}.
read(Server) ->
    mmx_server:rpc(Server, ?MODULE, values, []).

-spec install(binary(), binary()) -> ok.
install(User, Host) ->
    persistent_term:put(?MODULE, {User, <<"rooms.", Host/binary>>, counters:new(2, [])}),
    ejabberd_hooks:add(filter_packet, global, ?MODULE, filter_packet, 1).

-spec values() -> {non_neg_integer(), non_neg_integer()}.
values() ->
    {_, _, Counters} = persistent_term:get(?MODULE),
    Values = {counters:get(Counters, 1), counters:get(Counters, 2)},
    [counters:put(Counters, I, 0) || I <- [1, 2]],
    Values.

-spec filter_packet(xmpp:stanza() | drop) -> xmpp:stanza() | drop.
filter_packet(#iq{} = Iq) ->
    Iq;
filter_packet(drop) ->
    drop;
filter_packet(Stanza) ->
    {User, Rooms, Counters} = persistent_term:get(?MODULE),
    case {xmpp:get_from(Stanza), xmpp:get_to(Stanza)} of
        {#jid{luser = User}, #jid{lserver = Rooms}} -> counters:add(Counters, 1, 1);
        {#jid{lserver = Rooms}, #jid{luser = User}} -> counters:add(Counters, 2, 1);
        _ -> ok
    end,
    Stanza.
