package ctl

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// NoArgs refuses arguments. instead says where what they may stand for goes, such as "name the file
// with --ledger"; empty: there is nothing else to say.
func NoArgs(instead string) cobra.PositionalArgs { return atMost(0, instead) }

// atMost refuses more arguments than n, as NoArgs does.
func atMost(n int, instead string) cobra.PositionalArgs {
	takes := map[int]string{0: "no arguments", 1: "one argument"}[n]
	return func(cmd *cobra.Command, args []string) error {
		if len(args) <= n {
			return nil
		}
		if instead == "" {
			instead = cmd.CommandPath() + " --help tells of all flags"
		}
		return fmt.Errorf("%s takes %s, and not %s; %s", cmd.CommandPath(), takes, Printable(strings.Join(args[n:], " ")), instead)
	}
}
