%% The same conversations with the module and without: what everybody receives is the same.
%%
%% One server has four virtual hosts with rooms of their own. On the first the module is not loaded, on the second it
%% serves alice and dan while bob and carol join by themselves, and on the third it serves everybody. On the fourth it
%% does so, too, and the rooms know the accounts by full JIDs.
%% What may differ stands in mmx_allowance.
-module(equivalence_SUITE).

-export([all/0, init_per_suite/1, end_per_suite/1, '$handle_undefined_function'/2]).

-include_lib("common_test/include/ct.hrl").

-define(WITHOUT, <<"without.example">>).
-define(SOME, <<"some.example">>).
-define(ALL, <<"all.example">>).
-define(BY_FULL_JID, <<"full.example">>).
-define(CONVERSATIONS, [mmx_joining, mmx_talking, mmx_whispering, mmx_requesting, mmx_showing, mmx_removing, mmx_inviting, mmx_sharing]).

%% A case for each conversation, which is a function without arguments.
all() ->
    [Name || Module <- ?CONVERSATIONS, {Name, 0} <- Module:module_info(exports), Name =/= module_info].

init_per_suite(Config) ->
    Plain = #{user_regexp => <<"^(bob|carol)[.]">>},
    Serves = fun(Access) -> #{modules => #{mod_minimix => #{access => Access}}} end,
    ByFullJid = #{modules => #{mod_minimix => #{occupant_address => resource}}},
    Options = #{
        hosts => [?WITHOUT, ?SOME, ?ALL, ?BY_FULL_JID],
        top => #{
            append_host_config => #{
                ?SOME => Serves([#{deny => Plain}, #{allow => all}]), ?ALL => Serves(all), ?BY_FULL_JID => ByFullJid
            }
        },
        %% ejabberd asks occupants for their features by itself, on the way to whoever comes first.
        modules => #{mod_muc_occupantid => #{}, mod_caps => none}
    },
    Server = mmx_server:start(Options),
    resource = mmx_server:rpc(Server, gen_mod, get_module_opt, [?BY_FULL_JID, mod_minimix, occupant_address]),
    [{server, Server} | Config].

end_per_suite(Config) ->
    mmx_server:stop(?config(server, Config)).

'$handle_undefined_function'(Name, [Config]) ->
    [Module] = [Module || Module <- ?CONVERSATIONS, lists:member({Name, 0}, Module:module_info(exports))],
    same(?config(server, Config), Name, Module:Name());
'$handle_undefined_function'(Name, Args) ->
    error_handler:raise_undef_exception(?MODULE, Name, Args).

%% A conversation is its steps, or it names what may differ, or it is only for rooms where bob and carol are by themselves.
same(Server, Name, {allowing, Allowances, Steps}) ->
    Everybody = [alice, bob, carol, dan],
    same(Server, Name, Allowances, Steps, [{?SOME, [alice, dan]}, {?ALL, Everybody}, {?BY_FULL_JID, Everybody}]);
same(Server, Name, {by_themselves, Steps}) ->
    same(Server, Name, [], Steps, [{?SOME, [alice, dan]}]);
same(Server, Name, Steps) ->
    same(Server, Name, {allowing, [], Steps}).

same(Server, Name, Allowances, Steps, Hosts) ->
    Natively = mmx_conversation:hold(Server, ?WITHOUT, Steps),
    ct:log("~ts", [mmx_difference:told(Natively)]),
    Different = [
        [Host, "\n", Differences]
     || {Host, Served} <- Hosts,
        Allowed <- [fun(Transcript) -> mmx_normal:ids(mmx_allowance:allow(Served, Allowances, Transcript), Steps) end],
        Differences <- [mmx_difference:between(Allowed(Natively), Allowed(mmx_conversation:hold(Server, Host, Steps)))],
        Differences =/= []
    ],
    Different =:= [] orelse ct:pal("~ts~n~ts", [Name, Different]),
    Different =:= [] orelse error({not_as_without_the_module, Name}).
