package app

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fairlead-dev/fairlead/internal/configfile"
	"github.com/fairlead-dev/fairlead/internal/smallfile"
)

func newConfigCommand(o Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check a configuration file, and say what it would change",
		Long: "A configuration file holds values for the flags of fairlead run, see --config there.\n" +
			"These commands connect to nothing and change nothing.",
	}
	return parent(cmd, newConfigValidateCommand(o), newConfigPlanCommand(o), newConfigSchemaCommand(o))
}

func newConfigValidateCommand(o Options) *cobra.Command {
	var cfg Config
	cmd := &cobra.Command{
		Use:   "validate FILE",
		Short: "Check all that a configuration file says, and report every mistake with its line",
		Long: "Checks a configuration file as fairlead run does before it connects to anything. Flags of\n" +
			"fairlead run may follow: they win over the file, as they do there. What depends on the\n" +
			"machine is not checked, such as whether files that flags name exist. The exit code is 1 if\n" +
			"anything is wrong.",
		Example: "  fairlead config validate fairlead.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := smallfile.Read(args[0], configfile.MaxSize)
			if err != nil {
				return err
			}
			o.elsewhere = true
			s, err := loadText(append(cfg.given, givenFlag{"config", args[0]}), text, nil, o)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is valid: %d watches, %d routes\n", s.File, len(s.specs), len(s.sinks))
			return err
		},
	}
	cfg.addHidden(cmd, &o)
	return cmd
}

// addHidden adds the flags of fairlead run to another command, whose help does not show
// them.
func (c *Config) addHidden(cmd *cobra.Command, o *Options) {
	c.addFlags(cmd.Flags(), o)
	cmd.Flags().VisitAll(func(f *pflag.Flag) { f.Hidden = true })
}

func newConfigSchemaCommand(o Options) *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		Short:   "Print the JSON Schema of configuration files, for editors",
		Example: "  fairlead config schema > fairlead.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, flags, err := fromFlags(nil, &o)
			if err != nil {
				return err
			}
			schema, err := configFormat(flags, &o).Schema(configSchemaID)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", schema)
			return err
		},
	}
}
