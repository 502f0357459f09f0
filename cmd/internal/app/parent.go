package app

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// parent makes cmd one that only has others below it: alone it prints its help,
// and it fails on a name that is none of theirs. Cobra would print the help and
// succeed, so that a script would take a mistyped check for one that passed.
func parent(cmd *cobra.Command, children ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(children...)
	cmd.SuggestionsMinimumDistance = 2
	cmd.Args = unknownCommand
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.SetFlagErrorFunc(func(failed *cobra.Command, err error) error {
		if failed == cmd { // not of a child
			// The flags behind a mistyped name are not what is wrong.
			if unknown := unknownCommand(cmd, cmd.Flags().Args()); unknown != nil {
				return unknown
			}
		}
		return flagError(failed, err)
	})
	return cmd
}

func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && c.Name() != "help" {
			names = append(names, c.Name())
		}
	}
	meant := ""
	if similar := cmd.SuggestionsFor(args[0]); len(similar) > 0 {
		meant = "did you mean " + strings.Join(similar, " or ") + "? "
	}
	return fmt.Errorf("unknown command %q of %s; %sthere are %s", args[0], cmd.CommandPath(), meant, strings.Join(names, ", "))
}
