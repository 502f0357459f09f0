package app

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/pflag"

	"github.com/fairlead-dev/fairlead/internal/spec"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
	"github.com/fairlead-dev/fairlead/sinks"
)

// selectionFlag is one of the flags of rules.
type selectionFlag struct {
	name, usage string
	of          func(*selection.Texts) *[]string
}

// selectionFlags are the flags of the rules for all sinks. A sink's parameters and those of
// a watch have the same names.
var selectionFlags = []selectionFlag{
	{"where", "RESOURCE: EXPRESSION in CEL that is true for the objects to deliver, such as\n" +
		"pods: object.status.phase == 'Failed'; repeatable, all must be true",
		func(t *selection.Texts) *[]string { return &t.Where }},
	{"changed", "[RESOURCE:] PATHS of the fields whose change is delivered, such as pods: spec,status.phase; repeatable.\n" +
		"An object's first state and its deletion are always delivered",
		func(t *selection.Texts) *[]string { return &t.Changed }},
	{"unchanged", "[RESOURCE:] PATHS of fields whose change alone is not delivered; repeatable",
		func(t *selection.Texts) *[]string { return &t.Unchanged }},
	{"drop", "[RESOURCE:] PATHS of fields that are not delivered; repeatable",
		func(t *selection.Texts) *[]string { return &t.Drop }},
	{"redact", "[RESOURCE:] PATHS of fields of whose values keyed hashes are delivered; repeatable. Needs --redact-key-file",
		func(t *selection.Texts) *[]string { return &t.Redact }},
	{"only", "[RESOURCE:] PATHS of the fields that are delivered, beside the identity; repeatable",
		func(t *selection.Texts) *[]string { return &t.Only }},
	{"preset", "[RESOURCE:] NAME of rules that many want, such as heartbeats; repeatable",
		func(t *selection.Texts) *[]string { return &t.Preset }},
}

func (c *Config) addSelectionFlags(f *pflag.FlagSet) {
	for _, flag := range selectionFlags {
		f.StringArrayVar(flag.of(&c.Selection), flag.name, nil, flag.usage)
	}
	f.StringVar(&c.RedactKeyFile, "redact-key-file", "", "file with the key of the hashes of redacted values, of 16 bytes or more, for all sinks.\n"+
		"Another key changes all hashes: everything is delivered again")
}

// maxRedactKey bounds what is read of a key's file, in bytes.
const maxRedactKey = 64 << 10

func (c *Config) readRedactKey() ([]byte, error) {
	if c.RedactKeyFile == "" {
		return nil, nil
	}
	var p problems
	key, err := os.ReadFile(c.RedactKeyFile)
	switch key = bytes.TrimSpace(key); {
	case err != nil:
		p.addError("redact-key-file", err)
	case len(key) < selection.MinRedactKey || len(key) > maxRedactKey:
		p.add("redact-key-file", "%s holds %d bytes; the key needs %d or more, such as those of openssl rand -hex 32", c.RedactKeyFile, len(key), selection.MinRedactKey)
	}
	return key, errors.Join(p...)
}

// checkRules reports everything that is wrong with rules, by flag.
func (s *settings) checkRules() error {
	keys := selection.ParseOptions{RedactKey: s.redactKey}
	p := checkFlagsOfRules(&s.Selection, keys)
	for _, spec := range s.specs {
		if _, err := selection.Parse(spec.Rules(), keys); err != nil {
			p.addError("watch", fmt.Errorf("%s: %w", spec, err))
		}
	}
	for _, k := range s.sinks {
		if _, err := selection.Parse(selection.Texts(k.Selection), keys); err != nil {
			p.addError("sink", fmt.Errorf("%s %w", spec.Before(k.Identity), err))
		}
	}
	return errors.Join(p...)
}

// checkFlagsOfRules reports everything that is wrong with rules that flags say.
func checkFlagsOfRules(t *selection.Texts, keys selection.ParseOptions) (p problems) {
	for _, flag := range selectionFlags {
		var only selection.Texts
		*flag.of(&only) = *flag.of(t)
		_, err := selection.Parse(only, keys)
		p.addError(flag.name, err)
	}
	return p
}

// ruleKeys returns the keys of rules. That of digests is in the ledger, from when it is
// first needed on.
func (p *program) ruleKeys(s *settings) selection.ParseOptions {
	keys := selection.ParseOptions{RedactKey: s.redactKey}
	if s.needsDigests() {
		keys.DigestKey = p.ledger.DigestKey()
	}
	return keys
}

// needsDigests reports whether some rule says which changes count.
func (s *settings) needsDigests() bool {
	all := []selection.Texts{s.Selection}
	for _, spec := range s.specs {
		all = append(all, spec.Rules())
	}
	for _, spec := range s.sinks {
		all = append(all, selection.Texts(spec.Selection))
	}
	return slices.ContainsFunc(all, func(t selection.Texts) bool {
		return len(t.Changed)+len(t.Unchanged)+len(t.Preset) > 0
	})
}

// rules compiles the texts of rules that have been checked.
func (p *program) rules(s *settings, t selection.Texts) (*selection.Rules, error) {
	rules, err := selection.Parse(t, p.ruleKeys(s))
	return selection.Merge(rules), err
}

// rulesOf compiles the rules of a sink.
func (p *program) rulesOf(s *settings, spec *sinks.Spec) (*selection.Rules, error) {
	return p.rules(s, selection.Texts(spec.Selection))
}
