package app

import (
	"strings"
	"testing"
)

func TestUnknownCommand(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"ledger verfiy", `unknown command "verfiy" of fairlead ledger; there are compact, forget, inspect, verify`},
		{"ledger verfiy --ledger x", `unknown command "verfiy" of fairlead ledger; there are compact, forget, inspect, verify`},
		{"dead-letter lsit", `unknown command "lsit" of fairlead dead-letter; there are list, retry`},
		{"rnu --sink stdout:", `unknown command "rnu" of fairlead; there are dead-letter, ledger, replay, run`},
		{"ledger --no-such", "unknown flag: --no-such; fairlead ledger --help tells of all flags"},
		{"ledger verify --no-such", "unknown flag: --no-such; fairlead ledger verify --help tells of all flags"},
		{"run --watch", "flag needs an argument: --watch; fairlead run --help tells of all flags"},
	} {
		out, err := command(t, strings.Fields(test.args)...)
		if err == nil || err.Error() != test.want || out != "" {
			t.Errorf("fairlead %s: %v, want %s; it printed %q", test.args, err, test.want, out)
		}
	}
	for _, args := range []string{"", "ledger", "dead-letter"} {
		if out, err := command(t, strings.Fields(args)...); err != nil || !strings.Contains(out, "Available Commands:") {
			t.Errorf("fairlead %s: %v, and no help in %q", args, err, out)
		}
	}
}
