package app

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestUnknownCommand(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"ledger verfiy", `unknown command "verfiy" of fairlead ledger; did you mean verify? there are compact, forget, inspect, verify`},
		{"ledger verfiy --ledger x", `unknown command "verfiy" of fairlead ledger; did you mean verify? there are compact, forget, inspect, verify`},
		{"dead-letter lsit", `unknown command "lsit" of fairlead dead-letter; did you mean list? there are list, retry`},
		{"rnu --sink stdout:", `unknown command "rnu" of fairlead; did you mean run? there are ...`},
		{"ledger --no-such", "unknown flag: --no-such; fairlead ledger --help tells of all flags"},
		{"ledger verify --no-such", "unknown flag: --no-such; fairlead ledger verify --help tells of all flags"},
		{"ledger verify --ledgr x", "unknown flag: --ledgr; did you mean --ledger?; fairlead ledger verify --help tells of all flags"},
		{"run --clusterqps 5", "unknown flag: --clusterqps; did you mean --cluster-qps?; fairlead run --help tells of all flags"},
		{"run --watches pods", "unknown flag: --watches; did you mean --watch?; fairlead run --help tells of all flags"},
		{"run --watch", "flag needs an argument: --watch; fairlead run --help tells of all flags"},
	} {
		out, err := command(t, strings.Fields(test.args)...)
		begin, cut := strings.CutSuffix(test.want, "...") // the program has many commands
		if err == nil || err.Error() != test.want && !(cut && strings.HasPrefix(err.Error(), begin)) || out != "" {
			t.Errorf("fairlead %s: %v, want %s; it printed %q", test.args, err, test.want, out)
		}
	}
	for _, args := range []string{"", "ledger", "dead-letter"} {
		if out, err := command(t, strings.Fields(args)...); err != nil || !strings.Contains(out, "Available Commands:") {
			t.Errorf("fairlead %s: %v, and no help in %q", args, err, out)
		}
	}
}

func TestHelpShowsEveryFlagUnderItsTopic(t *testing.T) {
	out, err := command(t, "run", "--help")
	if err != nil {
		t.Fatal(err)
	}
	at := -1
	for _, topic := range flagTopics {
		next := strings.Index(out, "\n\n"+topic.title+":\n")
		if next <= at {
			t.Errorf("no topic %q behind the one before", topic.title)
		}
		at = next
	}
	set := pflag.NewFlagSet("run", pflag.ContinueOnError)
	new(Config).addFlags(set, new(Options))
	set.VisitAll(func(f *pflag.Flag) {
		if n := strings.Count(out, "\n      --"+f.Name+" "); n != 1 {
			t.Errorf("--%s is shown %d times", f.Name, n)
		}
	})
	for _, want := range []string{"Usage:\n  fairlead run [flags]", "Examples:\n", "--help"} {
		if !strings.Contains(out, want) {
			t.Errorf("the help lacks %q", want)
		}
	}
}
