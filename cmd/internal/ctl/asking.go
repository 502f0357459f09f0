package ctl

import "github.com/spf13/cobra"

// Asking returns commands that ask a running program, whose wrong use ends with the exit
// code of what could not be asked.
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
	}
	return cmds
}
