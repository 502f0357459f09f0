package app

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/pflag"

	"github.com/fairlead-dev/fairlead/sources"
)

// What is not set in the library means what the flag's default says, and each default
// stands in one place.
func TestTheLibrarysDefaultsAreTheFlags(t *testing.T) {
	var cfg Config
	set := pflag.NewFlagSet("run", pflag.ContinueOnError)
	cfg.addFlags(set, new(Options))
	if err := set.Parse([]string{"--clusters=kubeconfig:x", "--watch=pods"}); err != nil {
		t.Fatal(err)
	}
	flags := must(cfg.parse(Options{}))(t).sources().WithDefaults()
	flags.UserAgent = ""
	if diff := cmp.Diff(flags, sources.Config{}.WithDefaults(), cmpopts.IgnoreUnexported(sources.StreamConfig{})); diff != "" {
		t.Errorf("what is tuned (-by the flags' defaults +by a zero Config):\n%s", diff)
	}
}
