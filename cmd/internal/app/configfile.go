package app

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/fairlead-dev/fairlead/internal/configfile"
	"github.com/fairlead-dev/fairlead/internal/smallfile"
	"github.com/fairlead-dev/fairlead/internal/spec"
)

// The header of a configuration file.
const (
	configAPIVersion = "fairlead.dev/v1alpha1"
	configKind       = "Config"
	configSchemaID   = "https://fairlead.dev/schemas/config-v1alpha1.json"
)

// configFormat is that of a configuration file, whose keys are the flags.
func configFormat(flags *pflag.FlagSet, o *Options) *configfile.Format {
	tables := o.tables()
	return &configfile.Format{
		APIVersion: configAPIVersion, Kind: configKind, Flags: flags, Not: []string{"config", "help"},
		Keys: map[string]string{"watch": "watches", "sink": "routes", "cluster-limit": "clusterLimits"},
		Items: map[string]configfile.Item{
			"watch": {
				Text: "resource", Meaning: "one resource as --watch names it, without a question mark",
				Known: watchParams, Compose: composeWatch,
			},
			"sink": {
				Text: "sink", Meaning: "the sink as --sink names it, without parameters",
				Known: spec.Describe(tables["sink"]), Open: true, Compose: composeWith(tables["sink"]),
			},
			"clusters": {
				Text: "source", Meaning: "where the members are described, as --clusters names it, without parameters",
				Known: spec.Describe(tables["clusters"]), Open: true, Compose: composeWith(tables["clusters"]),
			},
			"cluster-limit": {
				Text: "cluster", Meaning: "the name of the cluster",
				Known:   map[string]string{"qps": "changes per second; 0 is no limit", "burst": "changes at once", "weight": "share of turns"},
				Compose: composeClusterLimit,
			},
		},
	}
}

// composeWith composes values that name a kind of a table.
func composeWith(t *spec.Table) func(string, []spec.Pair) (string, error) {
	return func(text string, pairs []spec.Pair) (string, error) { return spec.Compose(t, text, pairs) }
}

// watchParams are the parameters of a watch.
var watchParams = map[string]string{
	"namespace": "the only one that is followed", "labelSelector": "as in kubectl", "fieldSelector": "as in kubectl",
	"mode":  "metadata: only the metadata of objects",
	"where": "an expression that selects objects", "changed": "paths whose change counts", "unchanged": "paths whose change does not count",
	"drop": "paths that are left out", "redact": "paths whose values become a keyed hash", "only": "the only paths that are delivered",
	"preset": "rules by name",
}

// composeWatch returns a value of --watch.
func composeWatch(resource string, pairs []spec.Pair) (string, error) {
	if strings.ContainsAny(resource, "?,") {
		return "", fmt.Errorf("%q is more than one resource; write each as an item of its own, and parameters as keys", resource)
	}
	separator := "?"
	for _, p := range pairs {
		// As stream.Spec.String writes it.
		value := strings.NewReplacer("%", "%25", "&", "%26", "+", "%2B", ";", "%3B").Replace(p.Value)
		resource += separator + p.Name + "=" + value
		separator = "&"
	}
	return resource, nil
}

// composeClusterLimit returns a value of --cluster-limit.
func composeClusterLimit(cluster string, pairs []spec.Pair) (string, error) {
	given := map[string]string{}
	for _, p := range pairs {
		if _, twice := given[p.Name]; twice || p.Value == "" || strings.ContainsAny(p.Value, ":=") {
			return "", fmt.Errorf("%s is no single number", p.Name)
		}
		given[p.Name] = p.Value
	}
	text := cluster + "="
	for _, name := range []string{"qps", "burst"} {
		if given[name] == "" {
			return "", fmt.Errorf("there is no %s", name)
		}
		text += given[name] + ":"
	}
	return strings.TrimSuffix(text+given["weight"], ":"), nil
}

// load returns the settings of the command line and of the file that it names. A flag of
// the command line wins. The errors name the flag, and the line if the value is from the
// file.
func load(given []givenFlag, o Options) (*settings, error) {
	c, flags, err := fromFlags(given, &o)
	if err != nil {
		return nil, err
	}
	if c.File == "" {
		return c.settled(given, flags, o)
	}
	text, err := smallfile.Read(string(c.File), configfile.MaxSize)
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	return loadText(given, text, nil, o)
}

// loadText is load with the content of the file. The flags that only a restart changes have the
// values of the start, if start is not nil.
func loadText(given []givenFlag, text []byte, start *settings, o Options) (*settings, error) {
	c, flags, err := fromFlags(given, &o)
	if err != nil {
		return nil, err
	}
	if start != nil {
		if err := start.keepIn(flags); err != nil {
			return nil, err
		}
	}
	skipped, err := c.readText(text, flags, &o)
	if err != nil {
		return nil, fmt.Errorf("--config %s: %w", c.File, err)
	}
	s, err := c.settled(given, flags, o)
	if err != nil {
		return nil, err
	}
	s.file, s.overruled = sha256.Sum256(text), skipped
	return s, nil
}

// keepIn gives the flags that only a restart changes the values of the start. The file does
// not set them then.
func (s *settings) keepIn(flags *pflag.FlagSet) error {
	for _, name := range startFlags {
		f := flags.Lookup(name)
		if f.Changed {
			continue // on the command line
		}
		for _, value := range s.origins[name].Values {
			if err := f.Value.Set(value); err != nil {
				return err
			}
		}
		f.Changed = true
	}
	return nil
}

// settled checks what flags say.
func (c *Config) settled(given []givenFlag, flags *pflag.FlagSet, o Options) (*settings, error) {
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
	c, flags := &Config{elsewhere: o.elsewhere}, pflag.NewFlagSet("run", pflag.ContinueOnError)
	c.addFlags(flags, o)
	for _, g := range given {
		if err := flags.Set(g.name, g.value); err != nil {
			return nil, nil, err
		}
	}
	return c, flags, nil
}

// readText sets the flags that the command line has not set. It returns the keys of those
// that it has.
func (c *Config) readText(text []byte, flags *pflag.FlagSet, o *Options) (overruled []string, err error) {
	doc, err := configFormat(flags, o).Read(text)
	if err != nil {
		return nil, err
	}
	set, skipped, err := doc.Apply(flags)
	if err != nil {
		return nil, err
	}
	c.origins = map[string]configfile.Setting{}
	for _, s := range set {
		c.origins[s.Flag] = s
	}
	for _, s := range skipped {
		overruled = append(overruled, s.Key)
	}
	return overruled, nil
}

// flagInText is a flag that an error speaks of.
var flagInText = regexp.MustCompile(`--([a-z][a-z0-9-]*)`)

// located adds to each of the errors that err joins where the value is from: the line of
// the value that the error shows, else of the key.
func (c *Config) located(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, c.located(e))
		}
		return errors.Join(all...)
	}
	text := err.Error()
	for _, m := range flagInText.FindAllStringSubmatch(text, -1) {
		origin, ok := c.origins[m[1]]
		if !ok {
			continue
		}
		line := origin.Line
		for i, value := range origin.Values {
			if strings.Contains(text, strconv.Quote(value)) {
				line = origin.Lines[i]
				break
			}
		}
		return fmt.Errorf("%s, line %d: %w", c.File, line, err)
	}
	return err
}
