package ctl

import (
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// IsPlugin reports whether the program was started by that path as a plugin of kubectl.
func IsPlugin(path string) bool {
	return strings.TrimSuffix(filepath.Base(path), ".exe") == "kubectl-fairlead"
}

// AsPlugin has a program speak as a plugin of kubectl: help names it as people call it, and
// commands that ask a running program ask the one in the namespace fairlead, unless
// they are told otherwise.
func AsPlugin(root *cobra.Command) {
	if root.Annotations == nil {
		root.Annotations = map[string]string{}
	}
	root.Annotations[cobra.CommandDisplayNameAnnotation] = "kubectl fairlead"
	var adapt func(*cobra.Command)
	adapt = func(cmd *cobra.Command) {
		cmd.Example = strings.ReplaceAll("\n"+cmd.Example, "\n  fairlead ", "\n  kubectl fairlead ")[1:]
		if f := cmd.Flags().Lookup("admin"); f != nil {
			// It takes any text.
			_ = f.Value.Set("")
			f.DefValue = ""
			f.Usage += ",\ninstead of in a Pod"
		}
		for _, c := range cmd.Commands() {
			adapt(c)
		}
	}
	adapt(root)
}
