package app

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fairlead-dev/fairlead/internal/spec"
)

// runUsage is the usage of `fairlead run`, with its flags by topic.
func runUsage(cmd *cobra.Command) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage:\n  %s\n\nExamples:\n%s\n", cmd.UseLine(), cmd.Example)
	for _, topic := range flagTopics {
		// Made anew to learn the names; what is shown are the command's own flags.
		names, flags := pflag.NewFlagSet("", pflag.ContinueOnError), pflag.NewFlagSet("", pflag.ContinueOnError)
		topic.add(new(Config), names)
		flags.SortFlags = false
		names.SortFlags = false
		names.VisitAll(func(f *pflag.Flag) { flags.AddFlag(cmd.Flags().Lookup(f.Name)) })
		fmt.Fprintf(&b, "\n%s:\n%s", topic.title, flags.FlagUsages())
	}
	_, err := fmt.Fprintf(cmd.OutOrStderr(), "%s\nHelp:\n  -h, --help   help for %s\n", &b, cmd.Name())
	return err
}

// flagError adds to an error about a flag what may have been meant.
func flagError(cmd *cobra.Command, err error) error {
	meant := ""
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		if names := similarFlags(cmd.Flags(), unknown.GetSpecifiedName()); len(names) > 0 {
			meant = "; did you mean --" + strings.Join(names, " or --") + "?"
		}
	}
	return fmt.Errorf("%w%s; %s --help tells of all flags", err, meant, cmd.CommandPath())
}

// similarFlags returns the flags that may have been meant by a name.
func similarFlags(flags *pflag.FlagSet, name string) []string {
	var names []string
	flags.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return spec.Nearest(name, names)
}
