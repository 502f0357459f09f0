package ctl

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// What fails without an exit code of its own was not asked, or not like this.
func TestEndsOfCommandsThatAsk(t *testing.T) {
	const nobody = "--admin=http://127.0.0.1:1"
	for _, test := range []struct {
		cmd  *cobra.Command
		args []string
		want string
	}{
		{NewPause(), []string{"edge-1", nobody}, "refused"},
		{NewPause(), []string{"edge-1", "--for=0s", nobody}, "no time from now on"},
		{NewLimits(), []string{"edge-1", "--for=-1s", nobody}, "no time from now on"},
		{NewLimits(), []string{"edge-1", "--for=0s", nobody}, "no time from now on"},
		{NewReplay(), []string{"--cluster=edge-1", nobody}, "refused"},
		{NewExplain(), []string{"edge-1", "pods/x", nobody}, "refused"},
		{NewTail(), []string{nobody}, "refused"},
		{NewStatus(), []string{nobody}, "refused"},
	} {
		cmd := Asking(test.cmd)[0]
		var out bytes.Buffer
		cmd.SetArgs(test.args)
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SilenceUsage, cmd.SilenceErrors = true, true
		err := cmd.ExecuteContext(t.Context())
		end, ok := errors.AsType[*ExitError](err)
		if !ok || end.Code != ExitUnasked || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %s: %v", cmd.Name(), test.args, err)
		}
	}
	found := &ExitError{ExitProblem, nil}
	cmd := Asking(&cobra.Command{RunE: func(*cobra.Command, []string) error { return found }})[0]
	cmd.SetArgs(nil)
	if err := cmd.Execute(); !errors.Is(err, found) {
		t.Errorf("an end of its own becomes %v", err)
	}
}
