package app

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/pflag"

	"github.com/fairlead-dev/fairlead/internal/configfile"
	"github.com/fairlead-dev/fairlead/internal/smallfile"
)

// The header of a configuration file.
const (
	configAPIVersion = "fairlead.dev/v1alpha1"
	configKind       = "Config"
	configSchemaID   = "https://fairlead.dev/schemas/config-v1alpha1.json"
)

// configFormat is that of a configuration file, whose keys are the flags.
func configFormat(flags *pflag.FlagSet) *configfile.Format {
	return &configfile.Format{
		APIVersion: configAPIVersion, Kind: configKind, Flags: flags, Not: []string{"config", "help"},
		Keys: map[string]string{"watch": "watches", "sink": "routes", "cluster-limit": "clusterLimits"},
		Items: map[string]configfile.Item{
			"watch":    {Text: "resource", Meaning: "the resource as --watch names it, without a question mark", Compose: composeWatch},
			"sink":     {Text: "sink", Meaning: "the sink as --sink names it, without parameters", Compose: composeURL},
			"clusters": {Text: "source", Meaning: "where the members are described, as --clusters names it, without parameters", Compose: composeURL},
			"cluster-limit": {
				Text: "cluster", Meaning: "the name of the cluster", Known: []string{"qps", "burst", "weight"}, Compose: composeClusterLimit,
			},
		},
	}
}

// composeWatch returns a value of --watch.
func composeWatch(resource string, params []configfile.Param) (string, error) {
	return composed(resource, params, url.QueryEscape)
}

// composeURL returns a value of --sink or --clusters.
func composeURL(text string, params []configfile.Param) (string, error) {
	return composed(text, params, url.PathEscape)
}

// composed appends parameters to a text.
func composed(text string, params []configfile.Param, escape func(string) string) (string, error) {
	if len(params) > 0 && strings.Contains(text, "?") {
		return "", fmt.Errorf("%q has a question mark, and there are other keys; write its parameters as keys too", text)
	}
	var b strings.Builder
	b.WriteString(text)
	separator := "?"
	for _, p := range params {
		// What stands for itself is easier to read in errors. PathEscape leaves & as it is.
		value := p.Value
		if strings.ContainsAny(value, "%&+;?#,") {
			value = strings.ReplaceAll(escape(value), "&", "%26")
		}
		b.WriteString(separator + p.Name + "=" + value)
		separator = "&"
	}
	return b.String(), nil
}

// composeClusterLimit returns a value of --cluster-limit.
func composeClusterLimit(cluster string, params []configfile.Param) (string, error) {
	given := map[string]string{}
	for _, p := range params {
		if _, twice := given[p.Name]; twice {
			return "", fmt.Errorf("%s has several values; give one", p.Name)
		}
		given[p.Name] = p.Value
	}
	for _, name := range []string{"qps", "burst"} {
		if given[name] == "" {
			return "", fmt.Errorf("there is no %s", name)
		}
	}
	text := cluster + "=" + given["qps"] + ":" + given["burst"]
	if w := given["weight"]; w != "" {
		text += ":" + w
	}
	return text, nil
}

// load returns the settings of the command line and of the file that it names. A flag of
// the command line wins. The errors name the flag, and the line if the value is from the
// file.
func load(given []givenFlag, o Options) (*settings, error) {
	c, flags, err := fromFlags(given, &o)
	if err != nil {
		return nil, err
	}
	if c.File != "" {
		if err := c.readFile(flags); err != nil {
			return nil, err
		}
	}
	s, err := c.parse(o)
	if err != nil {
		return nil, c.located(err)
	}
	s.given, s.values = given, map[string]string{}
	flags.VisitAll(func(f *pflag.Flag) { s.values[f.Name] = f.Value.String() })
	return s, nil
}

// fromFlags returns what flags say.
func fromFlags(given []givenFlag, o *Options) (*Config, *pflag.FlagSet, error) {
	c, flags := new(Config), pflag.NewFlagSet("run", pflag.ContinueOnError)
	c.addFlags(flags, o)
	for _, g := range given {
		if err := flags.Set(g.name, g.value); err != nil {
			return nil, nil, err
		}
	}
	return c, flags, nil
}

// readFile sets the flags that the command line has not set.
func (c *Config) readFile(flags *pflag.FlagSet) error {
	name := string(c.File)
	text, err := smallfile.Read(name, configfile.MaxSize)
	if err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	doc, err := configFormat(flags).Read(text)
	if err != nil {
		return fmt.Errorf("--config %s: %w", name, err)
	}
	set, err := doc.Apply(flags)
	if err != nil {
		return fmt.Errorf("--config %s: %w", name, err)
	}
	c.origins = map[string]string{}
	for _, s := range set {
		c.origins[s.Flag] = fmt.Sprintf("%s, line %d", name, s.Line)
	}
	return nil
}

// located adds to each of the errors that err joins where the value is from.
func (c *Config) located(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, c.located(e))
		}
		return errors.Join(all...)
	}
	name, isFlag := strings.CutPrefix(err.Error(), "--")
	if end := strings.IndexAny(name, ": "); isFlag && end > 0 {
		if origin, ok := c.origins[name[:end]]; ok {
			return fmt.Errorf("%s: %w", origin, err)
		}
	}
	return err
}
