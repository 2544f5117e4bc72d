-- Joins and messages of bare addresses are refused, as some gateways do it.
local st = require "util.stanza";
local jid_split = require "util.jid".split;

local function refuse(event)
	local stanza = event.stanza;
	local _, _, resource = jid_split(stanza.attr.from);
	if resource == nil and stanza.attr.type ~= "error" then
		event.origin.send(st.error_reply(stanza, "modify", "jid-malformed"));
		return true;
	end
end

module:hook("presence/full", refuse, 1000);
module:hook("message/bare", refuse, 1000);
