package app

import (
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/locks"
)

const someUUID = "0b6f6f57-3a3c-4d57-9f8e-51a3b1b6f2aa"

func TestWhatAnIdentitySays(t *testing.T) {
	for _, test := range []struct{ identity, host, address string }{
		{processIdentity("fairlead-0", someUUID, ""), "fairlead-0", ""}, // as earlier versions write it
		{processIdentity("fairlead-0", someUUID, "10.0.0.7:8081"), "fairlead-0", "10.0.0.7:8081"},
		{processIdentity("fairlead-0", someUUID, "[fd00::7]:8081"), "fairlead-0", "[fd00::7]:8081"},
		{processIdentity("fairlead-0", someUUID, "fairlead-0.fairlead:8081"), "fairlead-0", "fairlead-0.fairlead:8081"},
		{processIdentity("my_host", someUUID, "10.0.0.7:8081"), "", "10.0.0.7:8081"},
		// What somebody else may have written.
		{"", "", ""},
		{"another", "", ""},
		{someUUID, "", ""},
		{processIdentity("$(reboot)", someUUID, "a b:1"), "", ""},
		{processIdentity("a", someUUID, "10.0.0.7"), "a", ""},
		{processIdentity("a", someUUID, "10.0.0.7:0"), "a", ""},
		{processIdentity("a", someUUID, "10.0.0.7:http"), "a", ""},
		{processIdentity("a", someUUID, "0.0.0.0:80"), "a", ""},
		{processIdentity("a", someUUID, "host/path?x=:80"), "a", ""},
		{processIdentity("a", someUUID, strings.Repeat("a", 200)+":80"), "a", ""},
		{processIdentity("a\nb", someUUID, "10.0.0.7:80"), "", ""},
	} {
		host, address := parseIdentity(test.identity)
		if host != test.host || address != test.address {
			t.Errorf("%q: host %q, address %q; want %q, %q", test.identity, host, address, test.host, test.address)
		}
	}
	longest := processIdentity(strings.Repeat("h", 64), someUUID, strings.Repeat("a", api.MostAddress)+":")
	if err := locks.CheckIdentity(longest); err != nil || len(longest) > 253 {
		t.Errorf("the longest identity has %d bytes, more than is shown of one: %v", len(longest), err)
	}
}

func TestAdvertisedAddress(t *testing.T) {
	const bad = "bad"
	for _, test := range []struct{ text, health, want string }{
		{"10.0.0.7", "[::]:8081", "10.0.0.7:8081"},
		{"10.0.0.7:99", "[::]:8081", "10.0.0.7:99"},
		{"10.0.0.7:99", "", "10.0.0.7:99"},
		{"fd00::7", "[::]:8081", "[fd00::7]:8081"},
		{"[fd00::7]", "[::]:8081", "[fd00::7]:8081"},
		{"[fd00::7]:99", "[::]:8081", "[fd00::7]:99"},
		{"fairlead-0.fairlead", ":8081", "fairlead-0.fairlead:8081"},
		{"10.0.0.7", "", ""},
		{"10.0.0.7", "0", ""},
		{"::", ":8081", bad},
		{"::", "0", bad},
		{"10.0.0.7:0", ":8081", bad},
		{"http://10.0.0.7", ":8081", bad},
		{"$(POD_IP)", ":8081", bad}, // of a Pod without that variable
		{strings.Repeat("a", 130), ":8081", bad},
	} {
		got, err := advertised(test.text, test.health)
		if err != nil {
			got += bad
		}
		if got != test.want {
			t.Errorf("%q with %q: %q, %v; want %q", test.text, test.health, got, err, test.want)
		}
	}
}

func FuzzParseIdentity(f *testing.F) {
	f.Add(processIdentity("fairlead-0", someUUID, "10.0.0.7:8081"))
	f.Add("a_" + someUUID + "_" + someUUID)
	f.Fuzz(func(t *testing.T, identity string) {
		host, address := parseIdentity(identity)
		if strings.ContainsAny(host+address, " \n\t/;$\"'`&|<>") || len(host) > 253 || len(address) > api.MostAddress+4 {
			t.Errorf("%q: host %q, address %q", identity, host, address)
		}
	})
}
