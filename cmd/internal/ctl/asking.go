package ctl

import (
	"errors"

	"github.com/spf13/cobra"
)

// Asking returns commands that ask a running program: wrong use of them, and whatever fails
// without an exit code of its own, ends with that of what could not be asked.
func Asking(cmds ...*cobra.Command) []*cobra.Command {
	for _, cmd := range cmds {
		if args := cmd.Args; args != nil {
			cmd.Args = func(cmd *cobra.Command, given []string) error { return Unasked(args(cmd, given)) }
		}
		cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
			if cmd.HasParent() {
				err = cmd.Parent().FlagErrorFunc()(cmd, err)
			}
			return Unasked(err)
		})
		run := cmd.RunE
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			err := run(cmd, args)
			if _, own := errors.AsType[*ExitError](err); own {
				return err
			}
			return Unasked(err)
		}
	}
	return cmds
}
